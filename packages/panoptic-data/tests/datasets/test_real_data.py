"""Real photographs with official annotations, where they are on disk."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile, RandomResize
from mmdet.datasets.transforms import RandomCrop, RandomFlip, Resize

from panoptic_core.metrics import count_segments, summarize
from panoptic_data.datasets import Cityscapes, CocoPanoptic, PanopticDataset
from panoptic_data.transforms import (
    LoadPanoptic,
    LoadReducedImage,
    PackPanopticInputs,
    PadPanoptic,
    ResizeToTarget,
)

pytestmark = pytest.mark.realdata

LOAD = [{"type": LoadImageFromFile}, {"type": LoadPanoptic}]
TRAIN = [
    *LOAD,
    {"type": RandomResize, "scale": [(512, 200), (512, 300)], "resize_type": Resize, "keep_ratio": True},
    {"type": RandomFlip, "prob": 0.5},
    {"type": RandomCrop, "crop_size": (320, 256)},
    {"type": PadPanoptic, "divisor": 32},
    {"type": PackPanopticInputs},
]
TEST = [
    LOAD[0],
    {"type": Resize, "scale": (512, 256), "keep_ratio": True},
    LOAD[1],
    {"type": PackPanopticInputs, "test_mode": True},
]


def make(root: Path, name: str, pipeline: list[dict[str, Any]], **extra: Any) -> PanopticDataset:
    kind, split = name.split()
    if kind == "cityscapes":
        return Cityscapes(str(root / "cityscapes_mini"), split=split, pipeline=pipeline, **extra)
    return CocoPanoptic(
        str(root / "coco_mini"),
        ann_file=f"annotations/panoptic_{split}2017.json",
        data_prefix={"img": f"{split}2017"},
        pipeline=pipeline,
        **extra,
    )


# images, instances without crowds, stuff segments, crowds; None: not documented with the files
FACTS = {
    "coco val": (5, 73, 20, 3),
    "coco train": (34, 182, 135, None),
    "cityscapes train": (6, None, None, None),
    "cityscapes val": (2, None, None, None),
}


def count(dataset: PanopticDataset) -> tuple[int, int, int]:
    things = stuff = crowds = 0
    for i in range(len(dataset)):
        truth = dataset[i]["data_samples"].gt_panoptic
        things += int((truth.is_thing & ~truth.iscrowd).sum())
        stuff += int((~truth.is_thing).sum())
        crowds += int(truth.iscrowd.sum())
        assert not (truth.iscrowd & ~truth.is_thing).any()
    return things, stuff, crowds


@pytest.mark.parametrize("name", FACTS)
def test_counts_are_the_documented_ones(real_data: Path, name: str) -> None:
    dataset = make(real_data, name, TEST, test_mode=True)
    found = (len(dataset), *count(dataset))
    for value, expected in zip(found, FACTS[name], strict=True):
        assert expected is None or value == expected


def test_cityscapes_has_its_124_instances(real_data: Path) -> None:
    dataset = Cityscapes(
        str(real_data / "cityscapes_mini"), split=["train", "val"], pipeline=TEST, test_mode=True
    )
    things, _, crowds = count(dataset)
    assert things == 124
    assert crowds > 0


@pytest.mark.parametrize("name", FACTS)
def test_truth_against_itself_is_perfect(real_data: Path, name: str) -> None:
    dataset = make(real_data, name, TEST, test_mode=True)
    counts = []
    for i in range(len(dataset)):
        sample = dataset[i]["data_samples"]
        truth = sample.gt_panoptic
        assert truth.shape == sample.ori_shape
        counts.append(count_segments(truth, truth, len(dataset.table), image=sample.img_id))
        things = truth.is_thing
        assert len(sample.gt_instances) == int(things.sum())
        assert torch.equal(sample.gt_instances.iscrowd, truth.iscrowd[things])
        assert torch.equal(sample.gt_instances.masks.areas(truth.shape), truth.areas[things])
    for mode in ("default", "exact"):
        exact = [
            count_segments(t, t, len(dataset.table), mode=mode)
            for t in (dataset[i]["data_samples"].gt_panoptic for i in range(len(dataset)))
        ]
        result = summarize(sum(exact[1:], exact[0]), dataset.table)
        assert result.all.pq == result.things.pq == result.stuff.pq == pytest.approx(100.0)
        assert not any(row.fp or row.fn for row in result.per_class)


@pytest.mark.parametrize("name", ["coco train", "cityscapes train"])
def test_training_samples_hold_together(real_data: Path, name: str) -> None:
    dataset = make(real_data, name, TRAIN)
    for i in range(len(dataset)):
        packed = dataset[i]
        sample = packed["data_samples"]
        size = tuple(packed["inputs"].shape[1:])
        assert packed["inputs"].dtype == torch.uint8
        assert size[0] % 32 == size[1] % 32 == 0
        assert size == sample.gt_panoptic.shape == tuple(sample.gt_sem_seg.sem_seg.shape[1:])
        assert torch.equal(sample.gt_panoptic.label_map(255), sample.gt_sem_seg.sem_seg[0])
        for mask, segment_id in zip(
            sample.gt_instances.masks.masks, sample.gt_instances.segment_ids.tolist(), strict=True
        ):
            assert np.array_equal(mask.astype(bool), sample.gt_panoptic.mask(segment_id).numpy())


def test_photographs_at_a_reduced_size(real_data: Path) -> None:
    reduced = [{"type": LoadReducedImage, "fit": (150, 150)}]
    steps = [*reduced, {"type": LoadPanoptic, "at_image_size": True}]
    rest = [{"type": ResizeToTarget}, {"type": PackPanopticInputs}]
    dataset = make(real_data, "coco train", [*steps, *rest])
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        whole = cv2.imread(info["img_path"])
        small = LoadReducedImage(fit=(150, 150)).transform(dict(info))
        assert small["reduced_by"] in (2, 4)
        assert small["ori_shape"] == whole.shape[:2]
        assert _mean_distance(whole, small["img"], small["reduced_by"]) < 0.6  # of 255
        packed = dataset[i]
        sample = packed["data_samples"]
        assert max(packed["inputs"].shape[1:]) == 150
        assert sample.gt_panoptic.shape == tuple(packed["inputs"].shape[1:])
        # No class of more than a hundredth of the image is lost or grows by much.
        full = make(real_data, "coco train", [*LOAD, {"type": PackPanopticInputs}], indices=[i])[0]
        labels = full["data_samples"].gt_sem_seg.sem_seg.flatten().bincount(minlength=256)
        fewer = sample.gt_sem_seg.sem_seg.flatten().bincount(minlength=256)
        shares, kept = labels / labels.sum(), fewer / fewer.sum()
        assert (shares - kept).abs().max() < 0.01


def _mean_distance(whole: np.ndarray, small: np.ndarray, factor: int) -> float:
    """Return how far pixels are from the means of their blocks, on average; cut blocks are left out."""
    rows, columns = whole.shape[0] // factor, whole.shape[1] // factor
    inner = whole[: rows * factor, : columns * factor].astype(float)
    means = inner.reshape(rows, factor, columns, factor, 3).mean(axis=(1, 3))
    return float(np.abs(means - small[:rows, :columns]).mean())
