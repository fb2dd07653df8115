"""A small evaluation of files with a hostile class name and file name, and a reader of pages."""

from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.evaluating import FolderResult, evaluate_folders
from panoptic_core.files import PanopticWriter
from panoptic_core.report import Sources
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

EVIL = "</td><script>alert('x')</script><img src=x onerror=alert(1)> & \"car\""

EVIL_FILE = "<img src=x onerror=alert(2)>.jpg"


class Evaluated(NamedTuple):
    folder: Path
    outcome: FolderResult
    sources: Sources
    table: CategoryTable


class Page(HTMLParser):
    """The elements of a page, in order; every one that is opened has to be closed."""

    void = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """Three images: perfect; without building; nothing found. The class car has an evil name."""
    folder = tmp_path_factory.mktemp("evaluated")
    scene = tiny_scene()
    rows = [
        Category(c.category_id, EVIL if c.name == "car" else c.name, c.is_thing, c.color)
        for c in scene.table.categories
    ]
    table = CategoryTable("tiny", tuple(rows))
    truth = scene.segmentation
    guesses = {
        "good.jpg": truth.select(~truth.iscrowd),
        EVIL_FILE: truth.select((truth.labels != 3) & ~truth.iscrowd),
        "empty.jpg": PanopticSegmentation.empty(*truth.shape),
    }
    (folder / "images").mkdir()
    with (
        PanopticWriter(folder / "gt.json", table=table) as gt,
        PanopticWriter(folder / "pred.json", folder / "png", table=table) as pred,
    ):
        for number, (name, guess) in enumerate(guesses.items()):
            gt.add(number, name, truth)
            pred.add(number, name, guess)
            Image.fromarray(scene.image).save(folder / "images" / name)
    sources = Sources(folder / "gt.json", folder / "pred.json", None, folder / "png", folder / "images")
    outcome = evaluate_folders(
        folder / "gt.json", folder / "pred.json", pred_folder=folder / "png", workers=1
    )
    return Evaluated(folder, outcome, sources, table)


@pytest.fixture(scope="session")
def read_page() -> type[Page]:
    """Parse a page into its elements and texts."""
    return Page


@pytest.fixture(scope="session")
def evil_names() -> tuple[str, str]:
    """A class and a file that would be HTML if they were not escaped."""
    return EVIL, EVIL_FILE
