from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile

from panoptic_core.categories import ADE20K
from panoptic_data.datasets import ADE20KPanoptic
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

WriteADE20K = Callable[..., Path]

# Category ids start at 0: a wall (0), a wardrobe (35), 0 in the map is void.
ID_MAP = np.array([[8, 8, 0], [8, 21, 21]])
SEGMENTS = [{"id": 8, "category_id": 0}, {"id": 21, "category_id": 35, "iscrowd": 0}]
PAIR = (ID_MAP, SEGMENTS)
TRAIN = [{"type": LoadImageFromFile}, {"type": LoadPanoptic}, {"type": PackPanopticInputs}]


def test_by_hand(write_ade20k: WriteADE20K) -> None:
    root = write_ade20k({"val": {"ADE_val_1": PAIR}, "train": {"ADE_train_1": PAIR, "ADE_train_2": PAIR}})
    assert len(ADE20KPanoptic(str(root), split="train")) == 2
    dataset = ADE20KPanoptic(str(root), pipeline=TRAIN)
    assert dataset.metainfo == ADE20K.to_metainfo()
    sample = dataset[0]["data_samples"]
    wall, wardrobe = ADE20K.lookup(0), ADE20K.lookup(35)
    assert wall >= ADE20K.num_things > wardrobe
    assert sample.gt_sem_seg.sem_seg[0].tolist() == [[wall, wall, 255], [wall, wardrobe, wardrobe]]
    assert sample.gt_instances.bboxes.tolist() == [[1, 1, 3, 2]]
    assert sample.img_id == "ADE_val_1"


@pytest.mark.parametrize("name", ["wardrobe, closet, press", "wardrobe;closet;press", "wardrobe"])
def test_synonyms(write_ade20k: WriteADE20K, name: str) -> None:
    categories = [dict(row, name=name) if row["id"] == 35 else row for row in ADE20K.to_json()]
    assert len(ADE20KPanoptic(str(write_ade20k({"val": {"a": PAIR}}, categories=categories)))) == 1


def test_another_name_is_an_error(write_ade20k: WriteADE20K) -> None:
    categories = [dict(row, name="closet") if row["id"] == 35 else row for row in ADE20K.to_json()]
    root = write_ade20k({"val": {"a": PAIR}}, categories=categories)
    with pytest.raises(ValueError, match=r"category 35 .* to be 'wardrobe' .*, got 'closet'"):
        ADE20KPanoptic(str(root))


def test_wrong_split_and_missing_files(write_ade20k: WriteADE20K) -> None:
    root = write_ade20k({"val": {"a": PAIR}})
    with pytest.raises(ValueError, match=r"'train' or 'val', got 'test'"):
        ADE20KPanoptic(str(root), split="test")
    with pytest.raises(FileNotFoundError, match=r"ade20k_panoptic_train\.json, got no such file"):
        ADE20KPanoptic(str(root), split="train")
