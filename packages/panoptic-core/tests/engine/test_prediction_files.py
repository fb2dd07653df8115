import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panoptic_core.engine.arguments import (
    evaluation_parser,
    prediction_parser,
    run_command,
    to_options,
    train_parser,
)
from panoptic_core.engine.checkpoint import CheckpointError
from panoptic_core.engine.images import write_picture
from panoptic_core.engine.prediction_files import find_images, predict_files
from panoptic_core.files import read_panoptic_json, read_segmentation
from panoptic_core.inference import PanopticModel, Prediction
from panoptic_core.testing import tiny_scene


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PanopticModel:
    """Return a model that sees the tiny scene in every picture."""
    scene = tiny_scene()
    monkeypatch.setattr(
        "panoptic_core.engine.prediction_files.predict", lambda *_, **__: Prediction(scene.segmentation, None)
    )
    return PanopticModel(torch.nn.Identity(), scene.table, lambda results: results)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write a folder with three pictures, one of them broken, and a note."""
    folder = tmp_path / "photos"
    write_picture(folder / "a.png", tiny_scene().image)
    write_picture(folder / "deep" / "b.PNG", tiny_scene().image)
    (folder / "c.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no picture either")
    return folder


def test_three_files_of_each_image(model: PanopticModel, photos: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    unreadable = predict_files(model, photos, tmp_path / "out", lines.append)
    assert len(unreadable) == 1
    assert "c.jpg` is no image" in unreadable[0]
    assert [line.split()[0] for line in lines] == ["1/3", "2/3", "3/3"]
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")
    )
    assert written == [
        "a.json",
        "a_panoptic.png",
        "a_picture.png",
        "deep/b.json",
        "deep/b_panoptic.png",
        "deep/b_picture.png",
    ]
    content = read_panoptic_json(tmp_path / "out" / "a.json")
    (annotation,) = content.annotations
    assert annotation["file_name"] == "a_panoptic.png"
    back = read_segmentation(
        tmp_path / "out" / "a_panoptic.png", annotation["segments_info"], tiny_scene().table
    )
    torch.testing.assert_close(back.label_map(), tiny_scene().segmentation.label_map())
    names = {
        row["id"]: row["name"] for row in json.loads((tmp_path / "out" / "a.json").read_text())["categories"]
    }
    assert names[26] == "car"
    assert Image.open(tmp_path / "out" / "a_picture.png").width > 2 * 320


def test_images_of_one_name_keep_apart(model: PanopticModel, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        Image.fromarray(np.zeros((32, 48, 3), dtype=np.uint8)).save(tmp_path / name)
    predict_files(model, tmp_path, tmp_path / "out", lambda _: None)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.json")) == ["a.jpg.json", "a.png.json"]


def test_our_own_pictures_are_no_input(model: PanopticModel, photos: Path) -> None:
    predict_files(model, photos, photos, lambda _: None)
    assert [path.name for path in find_images(photos)] == ["a.png", "c.jpg", "b.PNG"]


def test_nothing_to_predict(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        find_images(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="images in the folder"):
        find_images(tmp_path)
    (tmp_path / "one.jpg").write_bytes(b"")
    assert find_images(tmp_path / "one.jpg") == [tmp_path / "one.jpg"]


def test_what_was_typed() -> None:
    arguments = train_parser().parse_args(
        ["a.py", "--resume", "--amp", "--cfg-options", "a.b=2", "c=[(1,2),(3,4)]", "d=None", "--seed", "0"]
    )
    options = to_options(arguments)
    assert (options.config, options.resume, options.amp, options.seed) == ("a.py", "auto", True, 0)
    assert options.cfg_options == {"a.b": 2, "c": [(1, 2), (3, 4)], "d": None}
    assert to_options(train_parser().parse_args(["a.py", "--resume", "x.pth"])).resume == "x.pth"
    assert to_options(train_parser().parse_args(["a.py"])).resume is None
    options = to_options(
        evaluation_parser().parse_args(["a.py", "b.pth", "--no-check", "--launcher", "slurm"])
    )
    assert (options.checkpoint, options.check, options.launcher) == ("b.pth", False, "slurm")
    assert prediction_parser().parse_args(["a.py", "b.pth", "c"]).out == "predictions"


def test_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        msg = "the reason"
        raise CheckpointError(msg)

    def is_a_bug() -> Any:
        return 1 / 0

    assert run_command(lambda: None) == 0
    assert run_command(lambda: 1) == 1
    assert run_command(fails) == 2
    assert capsys.readouterr().err == "error: the reason\n"
    with pytest.raises(ZeroDivisionError):
        run_command(is_a_bug)
