"""From the files of an evaluation to the file: which images, what is said about them, errors."""

from pathlib import Path
from typing import Any

import pytest

from panoptic_core.evaluating import ImageScore
from panoptic_core.files import PanopticFileError
from panoptic_core.report import find_photos, worst_images, write_report


def score(name: str, pq: float, errors: int = 0) -> ImageScore:
    return ImageScore(name, None, "", "", pq, 0.0, 1, errors, 0)


def test_the_worst_come_first_and_nothing_to_count_is_left_out() -> None:
    scores = score("a", 50.0, 1), score("b", 50.0, 3), score("c", float("nan")), score("d", 10.0)
    assert [one.image_id for one in worst_images(scores, 9)] == ["d", "b", "a"]
    assert [one.image_id for one in worst_images(scores, 1)] == ["d"]


def test_images_are_shown_worst_first_with_what_went_wrong(
    evaluated: Any, tmp_path: Path, read_page: Any, evil_names: tuple[str, str]
) -> None:
    steps: list[tuple[int, int]] = []
    path = tmp_path / "report.html"
    write_report(path, evaluated.outcome, evaluated.sources, progress=lambda *step: steps.append(step))
    page = read_page(path.read_text(encoding="utf-8"))
    assert [a["data-name"] for a in page.all("article")] == ["empty.jpg", evil_names[1], "good.jpg"]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert " 1 × building" in page.texts  # noqa: RUF001
    assert len(page.all("use")) == 12  # four panels an image
    assert len(page.all("image")) == 3 + 9  # a photo is stored once, with three maps


def test_fewer_images_none_and_without_photos(evaluated: Any, tmp_path: Path, read_page: Any) -> None:
    path = tmp_path / "report.html"
    write_report(path, evaluated.outcome, evaluated.sources, worst=0)
    page = read_page(path.read_text(encoding="utf-8"))
    assert (page.all("article"), page.all("dialog")) == ([], [])
    write_report(path, evaluated.outcome, evaluated.sources._replace(images=None), worst=1)
    page = read_page(path.read_text(encoding="utf-8"))
    assert (len(page.all("article")), len(page.all("use")), len(page.all("image"))) == (1, 0, 3)


def test_a_photo_that_cannot_be_read_is_said_and_the_rest_is_shown(
    evaluated: Any, tmp_path: Path, read_page: Any
) -> None:
    for file in (evaluated.folder / "images").iterdir():
        (tmp_path / file.name).write_bytes(b"" if file.name == "empty.jpg" else file.read_bytes())
    path = tmp_path / "report.html"
    problems = write_report(path, evaluated.outcome, evaluated.sources._replace(images=tmp_path))
    assert len(problems) == 1
    assert "empty.jpg" in problems[0]
    page = read_page(path.read_text(encoding="utf-8"))
    assert problems[0] in page.texts
    assert len(page.all("article")) == 3


def test_missing_images_and_folders_are_errors_before_anything_is_written(
    evaluated: Any, tmp_path: Path
) -> None:
    assert find_photos(evaluated.sources._replace(images=None)) is None
    with pytest.raises(FileNotFoundError, match="with the image, but there is none"):
        find_photos(evaluated.sources._replace(images=tmp_path / "no"))
    with pytest.raises(FileNotFoundError, match="the image of image 0"):
        find_photos(evaluated.sources._replace(images=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file(evaluated: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    (tmp_path / "png").mkdir()
    for file in (evaluated.folder / "png").iterdir():
        (tmp_path / "png" / file.name).write_bytes(b"")
    with pytest.raises(PanopticFileError, match="png"):
        write_report(path, evaluated.outcome, evaluated.sources._replace(pred_folder=tmp_path / "png"))
    assert path.read_text() == "old"
