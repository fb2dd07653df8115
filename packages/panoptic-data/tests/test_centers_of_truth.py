"""Targets made of ground truth are perfect predictions: fusion by centers, views and ensembles of them.

Crowds: they are no instances, so nothing can give them back. Their pixels are void here (255 in the labels,
`crowd_labels="ignored"`), they stay in the truth, and PQ does not count them as missed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import RandomFlip, Resize
from torch.nn import functional as F  # noqa: N812 (its usual name)

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics import count_segments, sum_counts, summarize
from panoptic_data.datasets import Cityscapes, CocoPanoptic, GeneratedScenes, PanopticDataset
from panoptic_data.transforms import LoadPanoptic, MakeCenterTargets, PackPanopticInputs, RandomScaledCrop
from panoptic_fusion import (
    PanopticSegmentation,
    RawOutputs,
    flip_raw_outputs,
    fuse_by_centers,
    merge_raw_outputs,
    resize_raw_outputs,
)

Make = Callable[[list[dict[str, Any]]], PanopticDataset]
LOAD = [{"type": LoadImageFromFile}, {"type": LoadPanoptic, "use_instance_file": False}]
PACK = [{"type": PackPanopticInputs, "with_instances": False, "crowd_labels": "ignored"}]
SETS = [
    "generated",
    *(
        pytest.param(name, marks=pytest.mark.realdata)
        for name in ("coco train", "coco val", "cityscapes train", "cityscapes val")
    ),
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture
def make(request: pytest.FixtureRequest, scenes: Path) -> Make:
    """Return a function from a pipeline to the data set that the test's parameter names."""
    kind, _, split = request.param.partition(" ")
    if kind == "generated":
        return lambda pipeline: GeneratedScenes(12, (128, 192), seed=5, cache_dir=scenes, pipeline=pipeline)
    root = request.getfixturevalue("real_data")
    if kind == "cityscapes":
        return lambda pipeline: Cityscapes(str(root / "cityscapes_mini"), split=split, pipeline=pipeline)
    return lambda pipeline: CocoPanoptic(
        str(root / "coco_mini"),
        ann_file=f"annotations/panoptic_{split}2017.json",
        data_prefix={"img": f"{split}2017"},
        pipeline=pipeline,
    )


def samples(dataset: PanopticDataset) -> Iterator[Any]:
    for i in range(len(dataset)):
        yield dataset[i]["data_samples"]


def pq(pairs: Iterator[tuple[PanopticSegmentation, PanopticSegmentation]], dataset: PanopticDataset) -> float:
    counts = [count_segments(ours, truth, len(dataset.table)) for ours, truth in pairs]
    result = summarize(sum_counts(counts, len(dataset.table)), dataset.table)
    assert result.all.n >= 5
    return result.all.pq


# --- targets and fusion


@pytest.mark.parametrize(
    "options", [{}, {"peak": "floored"}, {"offset_to": "peak"}], ids=["paper", "floored", "to the peak"]
)
@pytest.mark.parametrize("make", SETS, indirect=True)
def test_truth_comes_back(make: Make, options: dict[str, str]) -> None:
    """Whole images at full size, the paper's threshold, window and number of centers; no area limit."""
    dataset = make([*LOAD, {"type": MakeCenterTargets, **options}, *PACK])

    def pairs() -> Iterator[tuple[PanopticSegmentation, PanopticSegmentation]]:
        for sample in samples(dataset):
            centers, labels = sample.gt_centers, sample.gt_sem_seg.sem_seg[0]
            fused = fuse_by_centers(
                centers.heatmap,
                centers.offsets,
                labels,
                num_things=dataset.table.num_things,
                stuff_area_limit=0,
            )
            yield fused, sample.gt_panoptic

    assert pq(pairs(), dataset) >= 99.9


@pytest.mark.parametrize("make", SETS, indirect=True)
@pytest.mark.parametrize("padding", ["after", "random"])
def test_truth_of_crops_comes_back(make: Make, padding: Literal["after", "random"]) -> None:
    """Cut instances have the center of what is left of them."""
    crop = {"type": RandomScaledCrop, "size": (321, 513), "scale_range": (0.5, 1.0), "padding": padding}
    dataset = make([*LOAD, crop, {"type": RandomFlip, "prob": 0.5}, {"type": MakeCenterTargets}, *PACK])
    np.random.seed(3)  # noqa: NPY002 - what the transforms draw from

    def pairs() -> Iterator[tuple[PanopticSegmentation, PanopticSegmentation]]:
        for sample in samples(dataset):
            centers, labels = sample.gt_centers, sample.gt_sem_seg.sem_seg[0]
            exact = (centers.heatmap == 1).float()  # halved images have centers within three pixels
            fused = fuse_by_centers(
                exact,
                centers.offsets,
                labels,
                nms_kernel=1,
                num_things=dataset.table.num_things,
                stuff_area_limit=0,
            )
            yield fused, sample.gt_panoptic

    assert pq(pairs(), dataset) >= 99.9


# --- views and ensembles


def outputs(sample: Any, table: CategoryTable) -> RawOutputs:
    """Say what a perfect network would say of a view; it has no void: the first stuff class stands for it."""
    labels = sample.gt_sem_seg.sem_seg[0]
    labels = torch.where(labels == 255, table.num_things, labels)
    return RawOutputs(
        size=tuple(labels.shape),
        num_things=table.num_things,
        num_classes=len(table),
        sem_logits=torch.where(torch.arange(len(table))[:, None, None] == labels, 12.0, 0.0),
        center_heatmap=sample.gt_centers.heatmap,
        offsets=sample.gt_centers.offsets,
    )


def fuse(raw: RawOutputs) -> PanopticSegmentation:
    return fuse_by_centers(
        raw.center_heatmap,
        raw.offsets,
        raw.semantic_labels(),
        sem_logits=raw.sem_logits,
        num_things=raw.num_things,
        stuff_area_limit=0,
    )


def look(make: Make, view: tuple[float, bool]) -> PanopticDataset:
    """Return the set as a view sees it: resized and mirrored before the targets are made."""
    resize = {"type": Resize, "scale_factor": view[0], "keep_ratio": True}
    mirror = {"type": RandomFlip, "prob": float(view[1])}
    return make([*LOAD, resize, mirror, {"type": MakeCenterTargets}, *PACK])


def fused_and_alone(
    make: Make, views: list[tuple[float, bool]]
) -> Iterator[tuple[PanopticSegmentation, PanopticSegmentation]]:
    """Yield the map of all views together and of the first one alone, at the first one's size."""
    sets = [look(make, view) for view in views]
    for seen in zip(*(samples(dataset) for dataset in sets), strict=True):
        first = outputs(seen[0], sets[0].table)
        raws = (outputs(sample, sets[0].table) for sample in seen)
        back = (
            resize_raw_outputs(flip_raw_outputs(raw) if flip else raw, first.size)
            for raw, (_, flip) in zip(raws, views, strict=True)
        )
        yield fuse(merge_raw_outputs(back)), fuse(first)


# The smaller half of each real set, at half size: the maps hold all classes.
VIEWED = [
    pytest.param("generated", 1.0),
    *(pytest.param(name, 0.5, marks=pytest.mark.realdata) for name in ("coco val", "cityscapes val")),
]


@pytest.mark.parametrize(("make", "scale"), VIEWED, indirect=["make"])
def test_a_mirrored_view_leaves_the_map(make: Make, scale: float) -> None:
    for fused, alone in fused_and_alone(make, [(scale, False), (scale, True)]):
        assert torch.equal(fused.label_map(), alone.label_map())
        counts = count_segments(fused, alone, int(alone.labels.max()) + 1)
        assert counts.tp.sum() == len(alone)
        assert counts.iou.sum() == pytest.approx(len(alone))


@pytest.mark.parametrize(("make", "scale"), VIEWED, indirect=["make"])
def test_larger_and_smaller_views_leave_the_map(make: Make, scale: float) -> None:
    """Every segment comes back, and all pixels but those that resampling moves: at a border."""
    views = [(scale, False), (0.75 * scale, True), (1.5 * scale, False), (1.25 * scale, True)]
    for fused, alone in fused_and_alone(make, views):
        counts = count_segments(fused, alone, int(alone.labels.max()) + 1)
        assert counts.tp.sum() == len(fused) == len(alone)
        assert counts.iou.sum() >= 0.95 * len(alone)
        moved = torch.zeros(alone.shape, dtype=torch.bool)
        for one in alone.ids:
            mask = alone.id_map == one
            moved |= mask & (fused.id_map != fused.id_map[mask].mode().values)
        ids = alone.id_map.float()[None]
        highest, lowest = F.max_pool2d(ids, 5, 1, 2)[0], -F.max_pool2d(-ids, 5, 1, 2)[0]
        assert not (moved & (highest == lowest)).any()


@pytest.mark.parametrize(("make", "scale"), VIEWED, indirect=["make"])
def test_two_copies_are_one(make: Make, scale: float) -> None:
    dataset = look(make, (scale, False))
    for sample in samples(dataset):
        raw = outputs(sample, dataset.table)
        one, two = fuse(raw), fuse(merge_raw_outputs([raw, raw]))
        assert torch.equal(one.id_map, two.id_map)
        assert torch.equal(one.labels, two.labels)
        torch.testing.assert_close(one.scores, two.scores)
