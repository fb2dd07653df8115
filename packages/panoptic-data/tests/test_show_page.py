"""The page of ``panoptic-data show --html``: self-contained, linked, escaped."""

import base64
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from panoptic_core.categories import Category, CategoryTable
from panoptic_data.cli import main
from panoptic_data.show import show_truth
from panoptic_data.show_page import TruthPage
from panoptic_data.splits import find_splits
from panoptic_fusion import PanopticSegmentation

SEGMENTS = [{"id": 7, "category_id": 3, "iscrowd": 0}, {"id": 9, "category_id": 2, "iscrowd": 0}]
ID_MAP = np.array([[9, 9, 9, 9], [9, 7, 7, 9], [0, 7, 7, 9]], np.int32)
_VOID_TAGS = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects tags, and checks that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page(write_coco: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    other = np.where(ID_MAP == 7, 0, ID_MAP)
    root = write_coco([(ID_MAP, SEGMENTS), (other, SEGMENTS[1:])])
    out = root / "out"
    assert main(["show", str(root), "--out", str(out), "--html"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Page: {out / 'index.html'}"
    text = (out / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert [one["data-labels"] for one in page.all("figure")] == ["1 2", "2"]
    assert [one["href"] for one in page.all("a")] == ["0.png", "1.png"]
    assert [one["value"] for one in page.all("option")] == ["", "1", "2"]
    assert "sky (2)" in page.text
    assert "1 things, 1 stuff, 0 crowd, 8.3% void" in page.text
    for image in page.all("img"):
        kind, _, data = str(image["src"]).partition(",")
        assert kind == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).width == 480
        assert image["alt"]
    # Nothing comes from elsewhere.
    assert not re.search(r"(https?:)?//\w", re.sub(r"base64,[^\"]*", "", text))
    assert not page.all("link")


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>&'
    table = CategoryTable(evil, (Category(1, evil, True, (1, 2, 3)),))
    picture = tmp_path / "a b%#'<i>.png"
    Image.new("RGB", (4, 4)).save(picture)
    page = TruthPage(tmp_path / "index.html", evil, table)
    page.add(picture, PanopticSegmentation.from_id_map(np.ones((2, 2), np.int32), [1], [0], [True]))
    page.write()
    parsed = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(parsed.all("script")) == 1
    assert not parsed.all("i")
    assert parsed.text.count(evil) == 4  # title, heading, choice, caption
    [link] = parsed.all("a")
    assert unquote(str(link["href"])) == picture.name
    assert "%23" in str(link["href"])


def test_the_same_name_in_two_folders(write_coco: Callable[..., Path], tmp_path: Path) -> None:
    root = write_coco([(ID_MAP, SEGMENTS), (ID_MAP, SEGMENTS)])
    content = json.loads((root / "panoptic.json").read_text())
    (root / "images" / "more").mkdir()
    (root / "images" / "1.png").rename(root / "images" / "more" / "0.png")
    content["images"][1]["file_name"] = "more/0.png"
    (root / "panoptic.json").write_text(json.dumps(content))
    shown = [path.name for path, _ in show_truth(find_splits(root)[0], tmp_path / "out")]
    assert shown == ["0.png", "0_11.png"]
