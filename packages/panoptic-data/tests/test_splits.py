"""Every layout that is known, as empty folders: what is where, and under which name."""

from pathlib import Path

import pytest

from panoptic_data.splits import PanopticFiles, find_splits

LAYOUTS = {
    "generated": ("panoptic.json", "panoptic", "images", None),
    "coco": (
        "annotations/panoptic_val2017.json",
        "annotations/panoptic_val2017",
        "val2017",
        "val2017",
    ),
    "cityscapes": (
        "gtFine/cityscapes_panoptic_val.json",
        "gtFine/cityscapes_panoptic_val",
        "leftImg8bit/val",
        "val-panoptic",
    ),
    "train ids": (
        "gtFine/cityscapes_panoptic_val_trainId.json",
        "gtFine/cityscapes_panoptic_val_trainId",
        "leftImg8bit/val",
        "val_trainId-panoptic",
    ),
    "vistas": (
        "validation/panoptic/panoptic_2018.json",
        "validation/panoptic",
        "validation/images",
        "validation",
    ),
    "vistas 2": (
        "training/v2.0/panoptic/panoptic_2020.json",
        "training/v2.0/panoptic",
        "training/images",
        "training-v2.0",
    ),
    "ade20k": ("ade20k_panoptic_val.json", "ade20k_panoptic_val", "images/validation", "val"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    json, maps, images, name = LAYOUTS[layout]
    for folder in (maps, images):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / json).write_text("{}")
    [split] = [split for split in find_splits(tmp_path) if split.files is not None]
    assert split.name == (name or tmp_path.name)
    assert split.files == PanopticFiles(tmp_path / json, tmp_path / maps, tmp_path / images)
    assert split.root == tmp_path


def test_native_files_come_before_their_conversion(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit" / "val").mkdir(parents=True)
    (tmp_path / "gtFine" / "val").mkdir(parents=True)
    (tmp_path / "gtFine" / "cityscapes_panoptic_val.json").write_text("{}")
    (tmp_path / "gtFine" / "cityscapes_panoptic_test.json").write_text("{}")
    splits = find_splits(tmp_path)
    assert [split.name for split in splits] == ["val", "val-panoptic"]
    assert splits[0].files is None
