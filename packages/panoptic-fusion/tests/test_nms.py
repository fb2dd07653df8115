"""Both suppressions, held against loops over all pairs."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import BoxMasks, mask_nms, nms
from panoptic_fusion.testing.literal import box_iou, full_masks, mask_iou


def greedy(
    count: int, scores: list[float], threshold: float, labels: list[int] | None, iou: Callable
) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(count), key=lambda i: (-scores[i], i)):
        rivals = [j for j in kept if labels is None or labels[i] == labels[j]]
        if all(iou(i, j) <= threshold for j in rivals):
            kept.append(i)
    return kept


def test_boxes_by_hand() -> None:
    # IoU of the first two: 8 / (16 + 8 - 8) = 0.5, not above 0.5; of the first and the third: 12 / 16 = 0.75.
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2], [0, 0, 4, 3], [0, 0, 0, 9]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.95])
    assert nms(boxes, scores, 0.5).tolist() == [3, 0, 1]
    assert nms(boxes, scores, 0.49).tolist() == [3, 0]
    assert nms(boxes, scores, 0.5, torch.tensor([0, 0, 1, 1])).tolist() == [3, 0, 1, 2]
    assert nms(boxes, scores, 1.0).tolist() == [3, 0, 1, 2]


def test_equal_scores_keep_the_lower_index() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, 10, 10]])
    assert nms(boxes, torch.full((3,), 0.5), 0.5).tolist() == [0, 2]
    assert mask_nms(torch.ones(2, 3, 3, dtype=torch.bool), torch.full((2,), 0.5), 0.5, (3, 3)).tolist() == [0]


@pytest.mark.parity
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.booleans())
def test_boxes_match_a_loop(seed: int, threshold: float, with_labels: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 8, (15, 2), generator=generator).float()
    boxes = torch.cat([corner, corner + torch.randint(-1, 9, (15, 2), generator=generator)], dim=1)
    scores = torch.randint(0, 6, (15,), generator=generator) / 5
    labels = torch.randint(0, 2, (15,), generator=generator) if with_labels else None
    expected = greedy(
        15,
        scores.tolist(),
        threshold,
        None if labels is None else labels.tolist(),
        lambda i, j: box_iou(boxes[i], boxes[j]),
    )
    assert nms(boxes, scores, threshold, labels).tolist() == expected
    assert (
        nms(boxes.numpy(), scores.numpy(), threshold, None if labels is None else labels.numpy()).tolist()
        == expected
    )


@pytest.mark.parity
@pytest.mark.parametrize("form", ["logits", "crops", "full", "numpy"])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 1.0])
def test_masks_match_a_loop(scene: Callable, threshold: float, form: str) -> None:
    for seed in range(6):
        one = scene(seed, count=14)
        size = tuple(one.sem_seg.shape)
        full = full_masks(one.masks, size)
        masks = {"logits": one.masks, "crops": BoxMasks.from_full(full), "full": full, "numpy": full.numpy()}[
            form
        ]
        for labels in (None, one.labels):
            expected = greedy(
                14,
                one.scores.tolist(),
                threshold,
                None if labels is None else labels.tolist(),
                lambda i, j, full=full: mask_iou(full[i], full[j]),
            )
            scores = one.scores.numpy() if form == "numpy" else one.scores
            assert mask_nms(masks, scores, threshold, size, labels).tolist() == expected


def test_nothing_to_suppress() -> None:
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    masks = BoxMasks.from_logits(torch.zeros(0, 7, 7), torch.zeros(0, 4))
    assert mask_nms(masks, torch.zeros(0), 0.5, (3, 3)).tolist() == []
    assert mask_nms(
        torch.zeros(2, 3, 3, dtype=torch.bool), torch.tensor([0.1, 0.2]), 0.5, (3, 3)
    ).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` to be a number in \[0, 1\], got 1.5"),
        ({"scores": torch.zeros(3)}, r"`scores` to have the shape \(N,\) = \(2,\), got \(3,\)"),
        ({"labels": torch.zeros(3)}, r"`labels` to have the shape"),
        ({"scores": torch.tensor([0.5, np.nan])}, r"`scores` to be finite, got 1 NaN"),
        ({"boxes": torch.full((2, 4), np.inf)}, r"`boxes` to be finite, got 8 NaN or infinite"),
    ],
)
def test_rejects_what_does_not_fit(change: dict, message: str) -> None:
    arguments = {"boxes": torch.zeros(2, 4), "scores": torch.zeros(2), "threshold": 0.5, **change}
    with pytest.raises(ValueError, match=message):
        nms(**arguments)
