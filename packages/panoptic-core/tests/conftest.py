"""Real ground truth, where `PANOPTIC_DATA_ROOT` says it is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def data_root() -> Path:
    root = os.environ.get("PANOPTIC_DATA_ROOT")
    if not root:
        pytest.skip("PANOPTIC_DATA_ROOT is not set: it names the folder of coco_mini and cityscapes_mini")
    return Path(root)


@pytest.fixture
def annotations(data_root: Path, tmp_path: Path, capsys: Any) -> Callable[[str, str], tuple[Path, Path]]:
    """JSON and PNG folder of a set in COCO's format; Cityscapes by its own converter."""

    def find(name: str, split: str) -> tuple[Path, Path]:
        if name == "coco_mini":
            folder = data_root / name / "annotations" / f"panoptic_{split}2017"
            return folder.with_suffix(".json"), folder
        convert = pytest.importorskip("cityscapesscripts.preparation.createPanopticImgs").convert2panoptic
        convert(str(data_root / name / "gtFine"), str(tmp_path), useTrainId=False, setNames=[split])
        capsys.readouterr()
        return tmp_path / f"cityscapes_panoptic_{split}.json", tmp_path / f"cityscapes_panoptic_{split}"

    return find
