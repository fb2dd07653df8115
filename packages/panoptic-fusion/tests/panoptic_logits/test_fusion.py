"""UPSNet's inference: pruning, class resolution, and all of it against a loop over full-size planes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from panoptic_fusion import (
    BoxMasks,
    PanopticSegmentation,
    RawOutputs,
    fuse_by_panoptic_logits,
    prune_masks,
    resolve_classes,
)
from panoptic_fusion.testing import InstanceFusionContract, with_instances
from panoptic_fusion.testing.literal import full_masks
from panoptic_fusion.testing.literal_panoptic_logits import (
    fuse_by_panoptic_logits_literally,
    prune_literally,
)

NUM_THINGS = 3
NUM_CLASSES = 7


def row(text: str) -> Tensor:
    return torch.tensor([[letter == "#" for letter in text]])


def test_pruning_by_hand() -> None:
    # Same class but for the last: the best (4 px) joins; the second has 1 of 3 taken: 0.33 > 0.3, gone, and
    # leaves nothing on the canvas: the third shares only with it and stays; the fourth is of another class;
    # the fifth has no area.
    masks = torch.stack(
        [
            row("####......"),
            row("...###...."),
            row("....###..."),
            row("####......"),
            row(".........."),
        ]
    )
    labels, scores = torch.tensor([0, 0, 0, 1, 0]), torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    assert prune_masks(masks, labels, scores, (1, 10)).tolist() == [0, 2, 3]
    assert prune_masks(masks, labels, scores, (1, 10), threshold=0.34).tolist() == [0, 1, 3]
    assert prune_masks(masks[:0], labels[:0], scores[:0], (1, 10)).tolist() == []


@pytest.mark.parity
@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_pruning_matches_literal_loop(scene: Callable, threshold: float) -> None:
    for seed in range(4):
        one = scene(seed, count=20)
        size = tuple(one.sem_seg.shape)
        expected = prune_literally(full_masks(one.masks, size), one.labels, one.scores, threshold)
        assert prune_masks(one.masks, one.labels, one.scores, size, threshold).tolist() == expected


def test_class_resolution_by_hand() -> None:
    # Channels: stuff 2 and 3 (0, 1), instances (2, 3, 4), unknown (5). Labels 0, 1, 0.
    winners = torch.tensor([[2, 2, 2, 3, 3, 3, 3, 5, 0, 1]])
    sem_seg = torch.tensor([[3, 3, 0, 2, 2, 0, 0, 3, 3, 3]])
    # The first: stuff 3 has 2 of 3 pixels; the second: thing 0 and stuff 2 have half each, the lower is a
    # thing; the third won nothing.
    options = {"num_things": 2, "num_classes": 4}
    labels = torch.tensor([0, 1, 0])
    assert resolve_classes(winners, sem_seg, labels, **options).tolist() == [3, 1, 0]
    halves = torch.tensor([[3, 3, 0, 2, 2, 3, 0, 3, 3, 3]])  # now stuff 2 has exactly half
    assert resolve_classes(winners, halves, labels, **options).tolist() == [3, 1, 0]
    assert resolve_classes(winners, halves, labels, inclusive=True, **options).tolist() == [3, 2, 0]
    assert resolve_classes(winners, sem_seg, labels, threshold=0.7, **options).tolist() == [0, 1, 0]
    assert resolve_classes(winners, sem_seg, labels[:0], **options).tolist() == []
    with pytest.raises(ValueError, match=r"labels in \[0, 3\), got values in \[0, 3\]"):
        resolve_classes(winners, sem_seg, labels, num_things=2, num_classes=3)


def test_fusion_by_hand() -> None:
    # Things 0; stuff 1 and 2. Box over all; the mask is 8 on pixels 0-3 (M = 6, one cell a pixel), -8 else.
    # Semantic: 0-2 stuff 1 by 1 over the thing, so the instance wins them by its mask, and 3 of its 4 pixels
    # are stuff 1 for the semantic head: it joins stuff 1. Pixel 5: stuff 2.
    sem_logits = torch.tensor([[[0.0, 0, 0, 2, 0, 0]], [[1.0, 1, 1, 0, 1, 0]], [[0.0, 0, 0, 0, 0, 1]]])
    mask_logits = torch.tensor([[[8.0, 8, 8, 8, -8, -8]] * 3])
    masks = BoxMasks.from_logits(mask_logits, torch.tensor([[0.0, -1.0, 6.0, 2.0]]))
    parts = masks, torch.tensor([0]), torch.tensor([0.9]), sem_logits
    options = {"num_things": 1, "stuff_area_limit": 1}
    seg = fuse_by_panoptic_logits(*parts, **options)
    assert seg.id_map.tolist() == [[1, 1, 1, 1, 1, 2]]
    assert [(s.label, s.is_thing, s.area) for s in seg.segments] == [(1, False, 5), (2, False, 1)]
    kept = fuse_by_panoptic_logits(*parts, resolve=False, **options)
    assert kept.id_map.tolist() == [[1, 1, 1, 1, 2, 3]]
    assert kept.segments[0] == (1, 0, True, pytest.approx(0.9), 4, False)
    # The small stuff goes last: stuff 1 has 5 pixels only with those of the instance.
    assert fuse_by_panoptic_logits(*parts, num_things=1, stuff_area_limit=5).id_map.tolist() == [
        [1, 1, 1, 1, 1, 0]
    ]
    # A score at the threshold is not above it: nothing but stuff, and unknown where the thing leads (2 > 0).
    none = fuse_by_panoptic_logits(*parts, score_threshold=0.9, **options)
    assert none.id_map.tolist() == [[1, 1, 1, 0, 1, 2]]


@pytest.mark.parity
@pytest.mark.parametrize("outside", ["zero", "-inf"])
@pytest.mark.parametrize("unknown", [True, False])
def test_matches_literal_loop(scene: Callable, unknown: bool, outside: str) -> None:
    joined = 0
    for seed in range(4):
        one = scene(seed, count=16)
        generator = torch.Generator().manual_seed(seed)
        sem_logits = torch.randn(NUM_CLASSES, *one.sem_seg.shape, generator=generator)
        preferred = (one.sem_seg, one.stuff_seg)[seed % 2]  # every other time stuff wherever an instance is
        sem_logits += 2.0 * (torch.arange(NUM_CLASSES)[:, None, None] == preferred)
        options = {
            "num_things": NUM_THINGS,
            "score_threshold": 0.4,
            "unknown": unknown,
            "outside": outside,
            "stuff_area_limit": 60,
        }
        full = full_masks(one.masks, tuple(one.sem_seg.shape))
        rest = one.labels, one.scores, sem_logits
        expected = fuse_by_panoptic_logits_literally(
            one.masks.mask_logits, one.masks.boxes, full, *rest, **options
        )
        seg = fuse_by_panoptic_logits(one.masks, *rest, **options)
        assert torch.equal(seg.id_map, expected.id_map)
        assert seg.segments == expected.segments
        assert seg.is_thing.any()
        unresolved = fuse_by_panoptic_logits(one.masks, *rest, resolve=False, **options)
        joined += int(unresolved.is_thing.sum() - seg.is_thing.sum())
    assert joined > 0


def test_an_image_without_pixels() -> None:
    masks = BoxMasks.from_logits(torch.full((1, 3, 3), 9.0), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    parts = masks, torch.tensor([0]), torch.tensor([0.9])
    for size in ((0, 5), (5, 0)):
        empty = fuse_by_panoptic_logits(*parts, torch.zeros(2, *size), num_things=1)
        assert empty.shape == size
        assert len(empty) == 0


def test_errors(scene: Callable) -> None:
    one = scene(0)
    sem_logits = torch.zeros(NUM_CLASSES, *one.sem_seg.shape)
    parts = one.masks, one.labels, one.scores
    with pytest.raises(TypeError, match="A label map is not enough"):
        fuse_by_panoptic_logits(*parts, sem_logits.long(), num_things=3)
    with pytest.raises(ValueError, match=r"have the shape \(C, H, W\)"):
        fuse_by_panoptic_logits(*parts, sem_logits[0], num_things=3)
    with pytest.raises(ValueError, match=r"`prune_threshold` to be a number in \[0, 1\], got 2"):
        fuse_by_panoptic_logits(*parts, sem_logits, num_things=3, prune_threshold=2)
    sem_logits[2, 5, 5] = float("nan")
    with pytest.raises(ValueError, match="`sem_logits` to be finite"):
        fuse_by_panoptic_logits(*parts, sem_logits, num_things=3)


class TestFuseByPanopticLogits(InstanceFusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        sem_logits = raw.sem_logits
        if sem_logits is None:
            assert raw.sem_seg is not None
            classes = torch.arange(raw.num_classes)[:, None, None]
            sem_logits = torch.where(classes == raw.sem_seg, 12.0, -12.0)
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        return fuse_by_panoptic_logits(
            raw.masks, raw.labels, raw.scores, sem_logits, num_things=raw.num_things, stuff_area_limit=1
        )

    def test_all_void(self) -> None:
        """Things everywhere for the semantic head, and no instance: unknown, which is void."""
        raw = with_instances(self.make_raw(), [])
        seg = self.fuse(replace(raw, sem_logits=None, sem_seg=torch.zeros(raw.size, dtype=torch.int64)))
        assert len(seg) == 0
        assert not seg.id_map.any()
