"""RoI-Flatten: by hand, against a literal loop over full-size masks, and its gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import BoxMasks
from panoptic_heads.tascnet.roi_flatten import roi_flatten


def test_two_overlapping_masks_by_hand() -> None:
    # Boxes as large as their masks: every cell is one pixel.
    masks = torch.tensor([[[0.9, 0.2], [0.6, 0.8]], [[0.7, 1.0], [0.4, 0.5]]])
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]])
    flat = roi_flatten(masks, boxes, (2, 4))
    expected = torch.tensor(
        [
            # only A    A says 0.2: not counted, B 0.7   only B   nobody
            [0.9, 0.7, 1.0, 0.0],
            # only A    A 0.8, B says 0.4: not counted   0.5 counts
            [0.6, 0.8, 0.5, 0.0],
        ]
    )
    torch.testing.assert_close(flat, expected)


def test_mean_over_the_masks_that_count() -> None:
    # Three RoIs of one pixel: 0.9 and 0.6 count, 0.3 does not: (0.9 + 0.6) / 2.
    masks = torch.tensor([0.9, 0.6, 0.3]).view(3, 1, 1)
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(3, 1)
    torch.testing.assert_close(roi_flatten(masks, boxes, (1, 1)), torch.tensor([[0.75]]))


def test_mask_is_interpolated_between_pixel_centres() -> None:
    # Two cells over four pixels. Cell centres lie at 1 and 3, pixel centres at 0.5, 1.5, 2.5, 3.5:
    # 0.5 -> 3/4 of 1.0 (beyond the outer centre the mask fades to zero), 1.5 -> 3/4 * 1.0 + 1/4 * 0.4 = 0.85,
    # 2.5 -> 1/4 * 1.0 + 3/4 * 0.4 = 0.55, 3.5 -> 3/4 * 0.4 = 0.3, below the threshold.
    # The one row: its pixel centre is the cell's centre.
    flat = roi_flatten(torch.tensor([[[1.0, 0.4]]]), torch.tensor([[0.0, 0.0, 4.0, 1.0]]), (1, 4))
    torch.testing.assert_close(flat, torch.tensor([[0.75, 0.85, 0.55, 0.0]]))


def test_gradient_by_hand() -> None:
    # Pixel 0: A 0.9 and B 0.7 count, each has half of the gradient; pixel 1: only A; pixel 2: B says 0.4,
    # none.
    a = torch.tensor([[0.9, 0.8]]).view(1, 1, 2).requires_grad_()
    b = torch.tensor([[0.7, 0.4]]).view(1, 1, 2).requires_grad_()
    boxes = torch.tensor([[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 2.0, 1.0]])
    flat = roi_flatten(torch.cat([a, b]), boxes, (1, 2))
    (flat * torch.tensor([[1.0, 10.0]])).sum().backward()
    torch.testing.assert_close(a.grad, torch.tensor([[[0.5, 10.0]]]))
    torch.testing.assert_close(b.grad, torch.tensor([[[0.5, 0.0]]]))


BOX_SETS = {
    "none": [],
    "one": [[2.0, 1.0, 9.0, 7.0]],
    "nested": [[0.0, 0.0, 16.0, 12.0], [5.0, 5.0, 6.0, 6.0]],
    "fractional": [[0.3, 1.7, 7.9, 8.2], [3.5, 2.5, 4.5, 3.5], [6.25, 0.0, 15.75, 11.5]],
    "outside": [[-4.0, -3.0, 5.0, 6.0], [12.0, 8.0, 30.0, 20.0], [40.0, 40.0, 50.0, 50.0]],
    "thinner than a pixel": [[3.2, 1.0, 3.4, 9.0], [3.4, 1.0, 3.6, 9.0]],
    "empty": [[5.0, 5.0, 5.0, 9.0], [2.0, 2.0, 8.0, 8.0]],
}


def _literal(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The paper's five steps on full-size maps, resampled by grid_sample."""
    total, count = torch.zeros(size), torch.zeros(size)  # 1. an empty tensor
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.tolist(), strict=True):
        if x1 <= x0 or y1 <= y0:
            continue
        y = (torch.arange(size[0]) + 0.5 - y0) / (y1 - y0) * 2 - 1
        x = (torch.arange(size[1]) + 0.5 - x0) / (x1 - x0) * 2 - 1
        grid = torch.stack([x[None].expand(size), y[:, None].expand(size)], dim=-1)
        full = F.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]  # 3. interpolate
        for row in range(size[0]):
            for column in range(size[1]):
                if full[row, column] >= 0.5:  # 4. threshold and add
                    total[row, column] += full[row, column]
                    count[row, column] += 1
    return total / count.clamp(min=1)  # 5. normalise


@pytest.mark.parity
@pytest.mark.parametrize("boxes", BOX_SETS.values(), ids=BOX_SETS)
@pytest.mark.parametrize("cells", [1, 4, 28])
def test_matches_the_literal_steps(boxes: list[list[float]], cells: int) -> None:
    generator = torch.Generator().manual_seed(len(boxes) + cells)
    masks = torch.rand(len(boxes), cells, cells, generator=generator)
    table = torch.tensor(boxes).reshape(-1, 4)
    torch.testing.assert_close(roi_flatten(masks, table, (12, 16)), _literal(masks, table, (12, 16)))


@pytest.mark.parity
@pytest.mark.parametrize("boxes", [BOX_SETS["nested"], BOX_SETS["fractional"], BOX_SETS["outside"]])
def test_gradient_matches_autograd_of_the_literal_steps(boxes: list[list[float]]) -> None:
    generator = torch.Generator().manual_seed(7)
    masks = torch.rand(len(boxes), 5, 5, generator=generator)
    weights = torch.randn(12, 16, generator=generator)
    ours, literal = masks.clone().requires_grad_(), masks.clone().requires_grad_()
    (roi_flatten(ours, torch.tensor(boxes), (12, 16)) * weights).sum().backward()
    (_literal(literal, torch.tensor(boxes), (12, 16)) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, literal.grad)


def test_gradcheck() -> None:
    # Masks away from the threshold: there the map is differentiable.
    generator = torch.Generator().manual_seed(3)
    high = torch.rand(3, 4, 4, generator=generator, dtype=torch.float64) * 0.2 + 0.75
    boxes = torch.tensor([[0.3, 1.1, 7.4, 6.2], [2.0, 0.0, 9.5, 5.0], [4.0, 4.0, 5.5, 5.5]])
    assert torch.autograd.gradcheck(
        lambda masks: roi_flatten(masks, boxes, (8, 10)), high.requires_grad_(), eps=1e-7
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 6), st.integers(1, 9))
def test_a_pixel_counts_exactly_where_the_pasted_mask_is(seed: int, count: int, cells: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * 20 - 4
    boxes = torch.cat([corners, corners + torch.rand(count, 2, generator=generator) * 15], dim=1)
    logits = torch.randn(count, cells, cells, generator=generator) * 4
    flat = roi_flatten(logits.sigmoid(), boxes, (11, 13))
    pasted = BoxMasks.from_logits(logits, boxes).to_full((11, 13)).any(dim=0)
    assert torch.equal(flat > 0, pasted)
    assert ((flat == 0) | (flat >= 0.5)).all()


def test_order_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(1)
    masks, boxes = torch.rand(3, 5, 5, generator=generator), torch.tensor(BOX_SETS["fractional"])
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(
        roi_flatten(masks, boxes, (12, 16)), roi_flatten(masks[order], boxes[order], (12, 16))
    )


def test_no_roi_gives_zeros_that_are_attached() -> None:
    masks = torch.zeros(0, 28, 28, requires_grad=True)
    flat = roi_flatten(masks, torch.zeros(0, 4), (3, 5))
    assert flat.shape == (3, 5)
    flat.sum().backward()
    assert masks.grad is not None
    assert masks.grad.shape == (0, 28, 28)


def test_half_precision_and_autocast_give_float32() -> None:
    masks = torch.tensor([[[0.9, 0.2], [0.6, 0.8]]])
    boxes = torch.tensor([[0.0, 0.0, 3.0, 3.0]])
    expected = roi_flatten(masks.bfloat16().float(), boxes, (3, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        flat = roi_flatten(masks.bfloat16(), boxes, (3, 3))
    assert flat.dtype == torch.float32
    torch.testing.assert_close(flat, expected)


def test_rejects_all_class_channels() -> None:
    with pytest.raises(ValueError, match=r"\(K, M, M\) and `boxes` \(K, 4\), got \(2, 3, 7, 7\)"):
        roi_flatten(torch.zeros(2, 3, 7, 7), torch.zeros(2, 4), (4, 4))
