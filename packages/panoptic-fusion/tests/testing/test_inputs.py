"""Inputs made from ground truth say what it says."""

import pytest
import torch

from panoptic_fusion.testing import (
    NUM_CLASSES,
    NUM_THINGS,
    LargestTensor,
    example_segmentation,
    raw_outputs_from_segmentation,
)


@pytest.mark.parametrize("size", [(24, 32), (12, 16), (37, 61)])
def test_every_part_says_the_same(size: tuple[int, int]) -> None:
    seg = example_segmentation(*size)
    raw = raw_outputs_from_segmentation(seg, num_things=NUM_THINGS, num_classes=NUM_CLASSES)
    assert len(seg) == 8
    known = seg.id_map > 0
    assert torch.equal(raw.sem_logits.argmax(dim=0)[known], seg.label_map()[known])
    assert torch.equal(raw.sem_seg, seg.label_map())
    instances = seg.ids[seg.is_thing & ~seg.iscrowd].tolist()
    assert len(raw.masks) == len(instances) == 4
    grid = torch.stack(torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij"))
    for i, segment_id in enumerate(instances):
        mask = seg.mask(segment_id)
        assert torch.equal(raw.masks.to_full(size)[i], mask)
        assert (raw.ranking[raw.labels[i]][mask] > 0).all()
        centers = (grid + raw.offsets)[:, mask]
        assert (centers - centers[:, :1]).abs().max() < 1e-4
        y, x = centers[:, 0].round().long()
        assert raw.center_heatmap[0, y, x] > 0.9
    assert (raw.scores.diff() < 0).all()
    crowd = seg.mask(int(seg.ids[seg.iscrowd]))
    assert not raw.offsets[:, crowd].any()


def test_logits_are_near_the_masks() -> None:
    seg = example_segmentation(48, 64)
    options = {"num_things": NUM_THINGS, "num_classes": NUM_CLASSES}
    exact = raw_outputs_from_segmentation(seg, **options).masks.to_full((48, 64))
    blurred = raw_outputs_from_segmentation(seg, mask_form="logits", **options).masks.to_full((48, 64))
    iou = (exact & blurred).flatten(1).sum(1) / (exact | blurred).flatten(1).sum(1)
    assert iou.min() > 0.9


def test_largest_tensor_is_seen() -> None:
    with LargestTensor() as largest:
        torch.zeros(3, 5).t().contiguous()
        torch.zeros(2)
    assert largest.numel == 15
