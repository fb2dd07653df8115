"""Perfect predictions made from real ground truth: every fusion gives the panoptic ground truth back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from panoptic_core.categories import CategoryTable
from panoptic_core.files import read_panoptic_json, read_segmentation
from panoptic_core.fusing import take_apart
from panoptic_core.metrics import count_segments, sum_counts, summarize
from panoptic_fusion import (
    PanopticSegmentation,
    encode_centers,
    fuse_by_affinity,
    fuse_by_centers,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_panoptic_logits,
    fuse_by_ranking,
)

pytestmark = pytest.mark.realdata


@pytest.fixture
def truths(annotations: Callable[[str, str], tuple[Path, Path]]) -> Callable[[str], Iterator]:
    """Ground truths of a set without their crowds, which a fusion cannot make; Cityscapes at a quarter."""

    def read(name: str) -> Iterator[tuple[PanopticSegmentation, CategoryTable]]:
        path, folder = annotations(name, "val")
        content = read_panoptic_json(path)
        step = 1 if name == "coco_mini" else 4
        for annotation in content.annotations:
            seg = read_segmentation(
                folder / annotation["file_name"], annotation["segments_info"], content.table
            )
            small = np.ascontiguousarray(seg.id_map[::step, ::step])
            seg = PanopticSegmentation.from_id_map(
                small, seg.ids, seg.labels, seg.is_thing, iscrowd=seg.iscrowd
            )
            yield seg.select(~seg.iscrowd), content.table

    return read


def _logits(seg: PanopticSegmentation, num_classes: int) -> torch.Tensor:
    """Return sure semantic scores ``(C, H, W)``; all 0 on void."""
    labels = seg.label_map(num_classes)
    classes = torch.arange(num_classes)[:, None, None]
    return torch.where(labels == classes, 12.0, -12.0) * (labels < num_classes)


def _fuse(method: str, seg: PanopticSegmentation, table: CategoryTable) -> PanopticSegmentation:
    raw = take_apart(seg, table)
    instances = raw.masks, raw.labels, raw.scores
    rest = {"num_things": table.num_things, "stuff_area_limit": 0}
    if method == "confidence":
        return fuse_by_confidence(*instances, raw.sem_seg, **rest)
    if method == "mask_guidance":
        return fuse_by_mask_guidance(*instances, raw.sem_seg, **rest)
    logits = _logits(seg, len(table))
    if method == "ranking":
        return fuse_by_ranking(*instances, logits[: table.num_things], raw.sem_seg, **rest)
    if method == "panoptic_logits":
        return fuse_by_panoptic_logits(*instances, logits, box_nms_threshold=1.0, **rest)
    if method == "affinity":
        return fuse_by_affinity(*instances, logits, **rest)
    targets = encode_centers(seg, offset_to="peak")
    centers = (targets.heatmap == 1).float()  # the exact places; neighbours must not swallow each other
    return fuse_by_centers(centers, targets.offsets, raw.sem_seg, nms_kernel=1, top_k=1000, **rest)


@pytest.mark.parametrize("name", ["coco_mini", "cityscapes_mini"])
@pytest.mark.parametrize(
    "method", ["confidence", "mask_guidance", "ranking", "panoptic_logits", "centers", "affinity"]
)
def test_truth_comes_back(truths: Callable[[str], Iterator], name: str, method: str) -> None:
    counts = []
    for seg, table in truths(name):
        counts.append(count_segments(_fuse(method, seg, table), seg, len(table)))
    result = summarize(sum_counts(counts, len(table)), table)
    assert result.all.n > 10
    assert result.all.pq >= 99
