"""Cityscapes' converter beside cityscapesScripts' own."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from panoptic_core.files import read_panoptic_png
from panoptic_data.cli import main
from panoptic_data.converting import convert
from panoptic_data.converting.cityscapes import plan_cityscapes


def official(truth: Path, out: Path, split: str) -> tuple[dict, Path]:
    """Run cityscapesScripts' conversion; return its JSON and its folder of PNGs."""
    scripts = pytest.importorskip("cityscapesscripts.preparation.createPanopticImgs")
    out.mkdir()
    scripts.convert2panoptic(str(truth), str(out), useTrainId=False, setNames=[split])
    name = f"cityscapes_panoptic_{split}"
    return json.loads((out / f"{name}.json").read_text()), out / name


def check_identity(out: Path, split: str, theirs: dict, their_maps: Path) -> int:
    """Compare ids, segments, sizes, ids of images, names of maps and classes; return how many segments."""
    ours = json.loads((out / f"annotations/panoptic_{split}.json").read_text())
    assert ours["annotations"] == theirs["annotations"]
    facts = [
        [{key: row[key] for key in ("id", "width", "height")} for row in content["images"]]
        for content in (ours, theirs)
    ]
    assert facts[0] == facts[1]
    classes = [
        sorted((row["id"], row["name"], row["isthing"], tuple(row["color"])) for row in content["categories"])
        for content in (ours, theirs)
    ]
    assert classes[0] == classes[1]
    for row in ours["annotations"]:
        mine = read_panoptic_png(out / f"annotations/panoptic_{split}" / row["file_name"])
        assert np.array_equal(mine, read_panoptic_png(their_maps / row["file_name"]))
    return sum(len(row["segments_info"]) for row in ours["annotations"])


@pytest.mark.parity
def test_generated_files_as_cityscapesscripts(tmp_path: Path, write_cityscapes: Callable[..., Path]) -> None:
    dice = np.random.default_rng(5)
    # Stuff, void classes, crowds (24, 26, 33), instances, an ignored class with instances (29: caravan).
    ids = np.array([0, 1, 3, 4, 7, 8, 11, 16, 21, 23, 24, 26, 33, 24000, 24001, 26002, 29000, 33100])
    maps = {
        f"val/{city}/{city}_{i}_0": dice.choice(ids, (9, 13)) for city in ("ulm", "aachen") for i in (0, 1)
    }
    maps["val/ulm/ulm_2_0"] = np.zeros((9, 13), dtype=int)  # nothing at all
    root = write_cityscapes(maps)
    (outcome,) = convert(plan_cityscapes(root), tmp_path / "out", workers=1)
    assert outcome.name == "val"
    theirs, their_maps = official(root / "gtFine", tmp_path / "theirs", "val")
    assert check_identity(tmp_path / "out", "val", theirs, their_maps) > 40


@pytest.mark.parity
@pytest.mark.realdata
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_files_as_cityscapesscripts(real_data: Path, tmp_path: Path, split: str) -> None:
    root = real_data / "cityscapes_mini"
    convert(plan_cityscapes(root, [split]), tmp_path / "out", workers=1)
    theirs, their_maps = official(root / "gtFine", tmp_path / "theirs", split)
    assert check_identity(tmp_path / "out", split, theirs, their_maps) > 40


def test_command(
    tmp_path: Path, write_cityscapes: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    maps: dict[str, NDArray] = {
        "train/ulm/ulm_0_0": np.array([[7, 24000]]),
        "val/bonn/bonn_0_0": np.array([[0, 24]]),
    }
    root = write_cityscapes(maps)
    words = ["convert", "cityscapes", str(root), str(tmp_path / "out"), "--workers", "1"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Split train: 1 images, 2 segments, 0.0% void" in printed
    assert "Split val: 1 images, 1 segments, 50.0% void" in printed
    assert main([*words, "--splits", "val"]) == 0
    assert "1 images, 1 of them by an earlier run" in capsys.readouterr().out
    assert (tmp_path / "out/val/bonn/bonn_0_0_leftImg8bit.png").is_symlink()
    assert main(["show", str(tmp_path / "out"), "--out", str(tmp_path / "shown")]) == 0
    assert main([*words, "--splits", "test"]) == 1
    assert "--splits out of train, val" in capsys.readouterr().err


def test_a_class_that_cityscapes_does_not_have(
    tmp_path: Path, write_cityscapes: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_cityscapes({"val/ulm/ulm_0_0": np.array([[7, 99]]), "val/ulm/ulm_1_0": np.array([[7, 8]])})
    words = ["convert", "cityscapes", str(root), str(tmp_path / "out"), "--workers", "1"]
    assert main(words) == 1
    printed = capsys.readouterr().out
    assert "void classes, got 99" in printed
    assert "1 of 2 images failed and are not in the JSON" in printed


def test_a_missing_map(tmp_path: Path, write_cityscapes: Callable[..., Path]) -> None:
    root = write_cityscapes({"val/ulm/ulm_0_0": np.array([[7, 8]])})
    (root / "gtFine/val/ulm/ulm_0_0_gtFine_instanceIds.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"maps of Cityscapes' images.*Unpack gtFine"):
        plan_cityscapes(root)
