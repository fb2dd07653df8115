"""The heuristic, held against a loop over full-size masks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs, fuse_by_confidence
from panoptic_fusion.testing import InstanceFusionContract, assert_same_segments
from panoptic_fusion.testing.literal import full_masks, fuse_by_confidence_literally

NUM_THINGS = 3


def row(text: str) -> torch.Tensor:
    return torch.tensor([[letter == "#" for letter in text]])


def test_three_instances_by_hand() -> None:
    # By falling score: the second (4 px) is placed; the first has 2 of its 4 px taken: 0.5 is not above 0.5,
    # it gets the other 2; the third has 2 of 3 taken: dropped. Stuff 1 keeps 2 free pixels; stuff 2 has 1
    # and goes.
    masks = torch.stack([row("####......"), row("..####...."), row("....###...")])
    sem_seg = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1, 2, 255]])
    seg = fuse_by_confidence(
        masks,
        torch.tensor([0, 0, 0]),
        torch.tensor([0.7, 0.9, 0.6]),
        sem_seg,
        num_things=1,
        stuff_area_limit=2,
    )
    assert seg.id_map.tolist() == [[2, 2, 1, 1, 1, 1, 3, 3, 0, 0]]
    assert [(s.label, s.is_thing, s.area) for s in seg.segments] == [
        (0, True, 4),
        (0, True, 2),
        (1, False, 2),
    ]
    assert seg.scores.tolist() == pytest.approx([0.9, 0.7, 1.0])


def test_ties_go_to_the_lower_index() -> None:
    masks = torch.stack([row("##."), row(".##")])
    arguments = masks, torch.tensor([1, 0]), torch.tensor([0.5, 0.5]), torch.zeros(1, 3, dtype=torch.int64)
    seg = fuse_by_confidence(*arguments, num_things=2)
    assert seg.id_map.tolist() == [[1, 1, 2]]
    assert seg.labels.tolist() == [1, 0]


@pytest.mark.parity
@pytest.mark.parametrize("overlap_threshold", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("score_threshold", [0.0, 0.5, 0.7])
def test_matches_literal_loop(scene: Callable, score_threshold: float, overlap_threshold: float) -> None:
    options = {
        "num_things": NUM_THINGS,
        "score_threshold": score_threshold,
        "overlap_threshold": overlap_threshold,
        "stuff_area_limit": 90,
    }
    for seed in range(4):
        one = scene(seed)
        full = full_masks(one.masks, tuple(one.sem_seg.shape))
        expected = fuse_by_confidence_literally(full, one.labels, one.scores, one.sem_seg, **options)
        for masks in (one.masks, BoxMasks.from_full(full)):
            seg = fuse_by_confidence(masks, one.labels, one.scores, one.sem_seg, **options)
            assert torch.equal(seg.id_map, expected.id_map)
            assert seg.segments == expected.segments


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64])
def test_accepts_numpy_of_any_integer(scene: Callable, dtype: type) -> None:
    one = scene(1)
    seg = fuse_by_confidence(one.masks, one.labels, one.scores, one.sem_seg, num_things=NUM_THINGS)
    full = one.masks.to_full(tuple(one.sem_seg.shape)).numpy()
    sem_seg = np.asfortranarray(one.sem_seg.numpy().astype(dtype))
    labels, scores = one.labels.numpy().astype(dtype), one.scores.double().numpy()
    again = fuse_by_confidence(full, labels, scores, sem_seg, num_things=NUM_THINGS)
    assert torch.equal(seg.id_map, again.id_map)
    assert seg.segments == again.segments


@pytest.mark.parametrize("ignore_index", [-1, -100, 19, 40_000])
def test_void_by_any_name(scene: Callable, ignore_index: int) -> None:
    one = scene(2)
    seg = fuse_by_confidence(one.masks, one.labels, one.scores, one.sem_seg, num_things=NUM_THINGS)
    renamed = torch.where(one.sem_seg == 255, ignore_index, one.sem_seg)
    again = fuse_by_confidence(
        one.masks, one.labels, one.scores, renamed, num_things=NUM_THINGS, ignore_index=ignore_index
    )
    assert torch.equal(seg.id_map, again.id_map)


def test_large_image_in_pieces() -> None:
    sem_seg = torch.full((700, 800), 1, dtype=torch.uint8)
    boxes = torch.tensor([[0.0, 0, 800, 600], [0, 650, 9, 700]])
    masks = BoxMasks.from_logits(torch.full((2, 28, 28), 9.0), boxes)
    labels, scores = torch.tensor([0, 0]), torch.tensor([0.9, 0.8])
    seg = fuse_by_confidence(masks, labels, scores, sem_seg, num_things=1)
    full = full_masks(masks, (700, 800))
    expected = fuse_by_confidence_literally(full, labels, scores, sem_seg, num_things=1)
    assert torch.equal(seg.id_map, expected.id_map)
    assert seg.segments == expected.segments


class TestFuseByConfidence(InstanceFusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        return fuse_by_confidence(
            raw.masks,
            raw.labels,
            raw.scores,
            raw.semantic_labels(),
            num_things=raw.num_things,
            stuff_area_limit=1,
        )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"overlap_threshold": 1.1}, ValueError, r"`overlap_threshold` to be a number in \[0, 1\], got 1.1"),
        ({"score_threshold": float("nan")}, ValueError, r"`score_threshold` to be a number"),
        ({"stuff_area_limit": -1}, ValueError, r"`stuff_area_limit` to be a whole number >= 0, got -1"),
        ({"num_things": 1.5}, ValueError, r"`num_things` to be a whole number >= 0, got 1.5"),
        ({"ignore_index": 2}, ValueError, r"`ignore_index` not to be a thing id in \[0, 3\), got 2"),
        (
            {"labels": torch.zeros(5, dtype=torch.int64)},
            ValueError,
            r"`labels` to have the shape \(N,\) = \(12,\)",
        ),
        ({"labels": torch.zeros(12)}, TypeError, r"`labels` to hold integers, got torch.float32"),
        ({"scores": torch.zeros(3)}, ValueError, r"`scores` to have the shape \(N,\) = \(12,\).* got \(3,\)"),
        ({"sem_seg": torch.zeros(4, 5)}, TypeError, r"`sem_seg` to hold integers, got torch.float32"),
        ({"sem_seg": torch.zeros(7, 4, 5)}, ValueError, r"label map \(H, W\), got logits \(7, 4, 5\)"),
        ({"sem_seg": torch.full((4, 5), -3)}, ValueError, r"`ignore_index` = 255, got values in \[-3, -3\]"),
        ({"sem_seg": torch.full((4, 5), 70_000)}, ValueError, r"got values in \[70000, 70000\]"),
        ({"masks": torch.zeros(12, 4, 5, dtype=torch.bool)}, ValueError, r"\(N, H, W\) = \(N, 40, 56\)"),
        (
            {"sem_seg": torch.zeros(4, 5, dtype=torch.int64, device="meta")},
            ValueError,
            r"on the device of `sem_seg`, meta",
        ),
    ],
)
def test_rejects_what_does_not_fit(
    scene: Callable, change: dict, error: type[Exception], message: str
) -> None:
    one = scene(0)
    arguments = {
        "masks": one.masks,
        "labels": one.labels,
        "scores": one.scores,
        "sem_seg": one.sem_seg,
        "num_things": NUM_THINGS,
        **change,
    }
    with pytest.raises(error, match=message):
        fuse_by_confidence(**arguments)


def test_same_segments_helper_sees_a_difference(scene: Callable) -> None:
    one = scene(3)
    first, second = (
        fuse_by_confidence(
            one.masks, one.labels, one.scores, one.sem_seg, num_things=3, stuff_area_limit=limit
        )
        for limit in (1, 4096)
    )
    with pytest.raises(AssertionError):
        assert_same_segments(first, second)
