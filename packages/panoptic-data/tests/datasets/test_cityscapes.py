from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile

from panoptic_core.categories import CITYSCAPES
from panoptic_data.datasets import Cityscapes
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

WriteCityscapes = Callable[..., Path]
TRAIN = [{"type": LoadImageFromFile}, {"type": LoadPanoptic}, {"type": PackPanopticInputs}]
# Road, two cars, a crowd of cars, static (void).
ID_MAP = np.array([[7, 7, 26000, 26001], [7, 26, 26, 4]])


def test_by_hand(write_cityscapes: WriteCityscapes) -> None:
    root = write_cityscapes(
        {"val/aachen/aachen_000000_000019": ID_MAP, "train/ulm/ulm_000000_000019": ID_MAP}
    )
    dataset = Cityscapes(str(root), split="val", pipeline=TRAIN)
    assert len(dataset) == 1
    assert dataset.metainfo == CITYSCAPES.to_metainfo()
    sample = dataset[0]["data_samples"]
    car, road = CITYSCAPES.lookup(26), CITYSCAPES.lookup(7)
    assert sample.gt_sem_seg.sem_seg[0].tolist() == [[road, road, car, car], [road, car, car, 255]]
    assert sample.gt_instances.bboxes.tolist() == [[2, 0, 3, 1], [3, 0, 4, 1]]
    assert sample.gt_instances.segment_ids.tolist() == [26000, 26001]
    assert sample.ignored_instances.bboxes.tolist() == [[1, 1, 3, 2]]
    assert sample.gt_panoptic.ids.tolist() == [7, 26, 26000, 26001]
    assert sample.img_id == "aachen_000000_000019"
    assert dataset.get_cat_ids(0) == sorted([car, road])


def test_several_splits(write_cityscapes: WriteCityscapes) -> None:
    root = write_cityscapes({"val/b/b_0": ID_MAP, "train/z/z_0": ID_MAP, "train/c/c_1": ID_MAP})
    dataset = Cityscapes(str(root), split=["train", "val"])
    assert [dataset.get_data_info(i)["img_id"] for i in range(3)] == ["c_1", "z_0", "b_0"]


def test_filter_without_things(write_cityscapes: WriteCityscapes) -> None:
    root = write_cityscapes({"val/b/b_0": ID_MAP, "val/b/b_1": np.full((2, 2), 7)})
    assert len(Cityscapes(str(root))) == 2
    assert len(Cityscapes(str(root), filter_cfg={"require_things": True})) == 1


@pytest.mark.parametrize(
    ("missing", "match"),
    [
        ("leftImg8bit", r"Cityscapes' images at .*leftImg8bit, got no such folder: .* holds gone/, gtFine/"),
        ("gtFine", r"fine annotations at .*gtFine, .* Unpack gtFine_trainvaltest\.zip there"),
        ("gtFine/val/b/b_0_gtFine_instanceIds.png", r"maps of .* got no val/b/b_0_gtFine_instanceIds\.png"),
        ("leftImg8bit/val/b/b_0_leftImg8bit.png", r"images named \*_leftImg8bit\.png .*b holds nothing"),
    ],
)
def test_missing_files(write_cityscapes: WriteCityscapes, missing: str, match: str) -> None:
    root = write_cityscapes({"val/b/b_0": ID_MAP})
    (root / missing).rename(root / "gone")
    with pytest.raises(FileNotFoundError, match=match):
        Cityscapes(str(root))


def test_wrong_root_and_split(write_cityscapes: WriteCityscapes) -> None:
    root = write_cityscapes({"val/b/b_0": ID_MAP})
    with pytest.raises(
        FileNotFoundError, match=r"Cityscapes' root at .*/city, .* holds gtFine/, leftImg8bit/\. Set"
    ):
        Cityscapes(str(root / "city"))
    with pytest.raises(
        FileNotFoundError, match=r"split 'train' of Cityscapes' images at .* holds val/\. Set split"
    ):
        Cityscapes(str(root), split="train")


def test_unknown_id_names_the_file(write_cityscapes: WriteCityscapes) -> None:
    dataset = Cityscapes(str(write_cityscapes({"val/b/b_0": np.full((2, 2), 99)})), pipeline=TRAIN)
    with pytest.raises(ValueError, match=r"b_0_gtFine_instanceIds\.png .* got 99\."):
        _ = dataset[0]
