"""Pasting by two thin products, held against sampling at every pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import BoxMasks
from panoptic_fusion import paste as paste_module
from panoptic_fusion.paste import paste_masks, paste_windows, resample_mask
from panoptic_fusion.testing.literal import paste_literally


def test_one_axis_by_hand() -> None:
    # Two cells over 4 pixels: cell centres at 1 and 3, pixel centres at .5, 1.5, 2.5, 3.5.
    #   0.5: beyond the first centre, weight 1 - (1 - 0.5) / 2 = 0.75 of cell 0, the rest is zero padding
    #   1.5: 0.75 of cell 0, 0.25 of cell 1;   2.5: 0.25, 0.75;   3.5: 0.75 of cell 1
    # The single cell of the other axis, 1 pixel high, is read at its centre: weight 1.
    values = torch.tensor([[8.0, 4.0]])
    out = resample_mask(values, torch.tensor([0.0, 0.0, 4.0, 1.0]), (0, 0, 4, 1))
    assert out.tolist() == [[6.0, 7.0, 5.0, 3.0]]


@pytest.mark.parity
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 9), st.integers(1, 9))
def test_matches_sampling_at_every_pixel(seed: int, rows: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    size, count = (17, 23), 6
    corner = torch.rand(count, 2, generator=generator) * 40 - 10
    boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 25 - 1], dim=1)
    logits = 3 * torch.randn(count, rows, columns, generator=generator)
    masks = BoxMasks.from_logits(logits, boxes)
    full = paste_literally(logits, boxes, size)
    assert torch.equal(masks.to_full(size), full)
    for i, (x0, y0, x1, y1) in enumerate(masks.windows(size)):
        outside = full[i].clone()
        outside[y0:y1, x0:x1] = False
        assert not outside.any()


@pytest.mark.parity
def test_values_match_grid_sample() -> None:
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(28, 28, generator=generator, dtype=torch.float64).float()
    box = torch.tensor([3.7, -2.2, 61.1, 40.9])
    x0, y0, x1, y1 = box
    x = (torch.arange(64) + 0.5 - x0) / (x1 - x0) * 2 - 1
    y = (torch.arange(48) + 0.5 - y0) / (y1 - y0) * 2 - 1
    grid = torch.stack([x.expand(48, 64), y[:, None].expand(48, 64)], dim=-1)
    expected = torch.nn.functional.grid_sample(values[None, None], grid[None], align_corners=False)[0, 0]
    out = resample_mask(values, box, (0, 0, 64, 48))
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_large_windows_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(5)
    masks = BoxMasks.from_logits(
        torch.randn(3, 14, 14, generator=generator), torch.rand(3, 4) + torch.tensor([0, 0, 30, 40])
    )
    whole = masks.to_full((48, 40))
    monkeypatch.setattr(paste_module, "_PIXELS_AT_ONCE", 70)
    monkeypatch.setattr(paste_module, "_LINES_AT_ONCE", 50)
    assert torch.equal(masks.to_full((48, 40)), whole)
    assert whole.any()


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ([1.0, 1.0, 3.0, 2.0], (1, 1, 3, 2)),
        ([1.4, 1.6, 2.6, 2.4], (1, 2, 3, 2)),  # no pixel centre between 1.6 and 2.4 on the y axis
        ([1.5, 1.5, 1.5, 4.0], (1, 1, 1, 1)),  # no width: the first pixel only says where
        ([5.0, 5.0, 3.0, 9.0], (5, 5, 5, 5)),
        ([-4.0, -4.0, 99.0, 99.0], (0, 0, 8, 6)),
        ([-9.0, -9.0, -2.0, -2.0], (0, 0, 0, 0)),
        ([20.0, 20.0, 30.0, 30.0], (8, 6, 8, 6)),
        ([-3e38, -3e38, 3e38, 3e38], (0, 0, 8, 6)),
    ],
)
def test_windows(box: list[float], window: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = paste_windows(torch.tensor([box]).numpy(), (6, 8))[0].tolist()
    assert (max(x1 - x0, 0) * max(y1 - y0, 0)) == (window[2] - window[0]) * (window[3] - window[1])
    if x1 > x0 and y1 > y0:
        assert (x0, y0, x1, y1) == window
    assert 0 <= x0 <= x1 <= 8
    assert 0 <= y0 <= y1 <= 6


def test_precision_switches_change_nothing() -> None:
    generator = torch.Generator().manual_seed(7)
    probs = torch.rand(1, 28, 28, generator=generator)
    boxes, windows = np.array([[0.3, 0.4, 50.2, 40.1]]), [(0, 0, 50, 40)]
    (expected,) = paste_masks(probs, boxes, windows, [0])
    values = resample_mask(probs[0], boxes[0], windows[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (mixed,) = paste_masks(probs, boxes, windows, [0])
        torch.testing.assert_close(resample_mask(probs[0], boxes[0], windows[0]), values)
    torch.set_float32_matmul_precision("medium")
    try:
        (medium,) = paste_masks(probs, boxes, windows, [0])
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(mixed, expected)
    assert torch.equal(medium, expected)


def test_gradient_reaches_the_cells_and_not_the_box() -> None:
    values = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    box = torch.tensor([0.0, 0.0, 4.0, 4.0], requires_grad=True)
    resample_mask(values, box, (0, 0, 4, 4)).sum().backward()
    # On each axis the two cells share the weights .75 + .75 + .25 = 1.75: 1.75 ** 2 each.
    assert values.grad is not None
    assert values.grad.tolist() == [[3.0625, 3.0625], [3.0625, 3.0625]]
    assert box.grad is None
