"""Grouping by hand, and held against every center times every pixel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import group_pixels
from panoptic_fusion.testing import LargestTensor
from panoptic_fusion.testing.literal_centers import group_pixels_literally


def draw(
    seed: int, height: int, width: int, count: int, noise: float, whole: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return centers, offsets and a thing mask; whole numbers make many equal distances."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.rand(count, 2, generator=generator) * torch.tensor([height, width])
    offsets = torch.randn(2, height, width, generator=generator) * noise
    if whole:
        centers, offsets = centers.floor(), offsets.round()
    return centers, offsets, torch.rand(height, width, generator=generator) < 0.6


def test_by_hand() -> None:
    # Centers (0, 1) and (2, 1). Row 1 lies between them: equal distance, the lower index. Offsets move
    # (1, 0) up by 0.25: 0.75**2 + 1 < 1.25**2 + 1, and (1, 2) down by 0.25: the other way round.
    offsets = torch.zeros(2, 3, 3)
    offsets[0, 1, 0], offsets[0, 1, 2] = -0.25, 0.25
    thing_mask = torch.tensor([[1, 1, 1], [1, 1, 1], [1, 0, 1]]).bool()
    groups = group_pixels(torch.tensor([[0, 1], [2, 1]]), offsets, thing_mask)
    assert groups.tolist() == [[1, 1, 1], [1, 1, 2], [2, 0, 2]]
    assert groups.dtype == torch.int32
    offsets[0, 1, 0] = 0.0
    groups = group_pixels(torch.tensor([[2, 1], [0, 1]]), offsets, thing_mask)
    assert groups.tolist() == [[2, 2, 2], [1, 1, 1], [1, 0, 1]]


@pytest.mark.parity
@settings(max_examples=80, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    count=st.integers(0, 30),
    noise=st.sampled_from([0.0, 1.0, 12.0, 300.0]),
    whole=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_matches_all_pairs(height: int, width: int, count: int, noise: float, whole: bool, seed: int) -> None:
    centers, offsets, thing_mask = draw(seed, height, width, count, noise, whole)
    expected = group_pixels_literally(centers, offsets, thing_mask)
    assert torch.equal(group_pixels(centers, offsets, thing_mask), expected)


@pytest.mark.parity
@pytest.mark.parametrize("spread", [0.0, 0.01, 5.0, 400.0])
def test_crowded_and_far_centers(spread: float) -> None:
    # All in one spot, in one cell, or around the image, beyond its border too.
    centers, offsets, thing_mask = draw(3, 120, 400, 60, 10.0)
    centers = torch.tensor([60.0, 200.0]) + spread * (centers / torch.tensor([120, 400]) - 0.5)
    expected = group_pixels_literally(centers, offsets, thing_mask)
    assert torch.equal(group_pixels(centers, offsets, thing_mask), expected)


def test_wild_offsets() -> None:
    centers, offsets, thing_mask = draw(4, 30, 50, 9, 3e38)
    offsets = offsets.clamp(-3e38, 3e38)  # squares overflow: all distances are infinite, the first center
    offsets[:, :10] *= 1e-30
    expected = group_pixels_literally(centers, offsets, thing_mask)
    assert torch.equal(group_pixels(centers, offsets, thing_mask), expected)


def test_large_cells() -> None:
    centers, offsets, _ = draw(5, 900, 1100, 40, 30.0)  # more than 8192 cells of 8 pixels
    thing_mask = torch.zeros(900, 1100, dtype=torch.bool)
    thing_mask[::3] = True
    expected = group_pixels_literally(centers, offsets, thing_mask)
    assert torch.equal(group_pixels(centers, offsets, thing_mask), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_offsets_of_any_float(dtype: torch.dtype) -> None:
    centers, offsets, thing_mask = draw(6, 30, 50, 9, 8.0)
    offsets = offsets.to(dtype)
    expected = group_pixels_literally(centers, offsets, thing_mask)
    assert torch.equal(group_pixels(centers, offsets, thing_mask), expected)


def test_arrays_and_strides() -> None:
    centers, offsets, thing_mask = draw(7, 30, 50, 9, 8.0)
    expected = group_pixels(centers, offsets, thing_mask)
    turned = offsets.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(group_pixels(centers, turned, thing_mask.T.contiguous().T), expected)
    assert torch.equal(group_pixels(centers.numpy(), offsets.numpy(), thing_mask.numpy()), expected)


def test_makes_nothing_of_centers_times_pixels() -> None:
    centers, offsets, _ = draw(8, 200, 300, 300, 20.0)
    thing_mask = torch.ones(200, 300, dtype=torch.bool)
    with LargestTensor() as largest:
        group_pixels(centers, offsets, thing_mask)
    assert largest.numel <= 2 * 200 * 300, largest.operation


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0)])
def test_no_pixel(size: tuple[int, int]) -> None:
    groups = group_pixels(torch.zeros(3, 2), torch.zeros(2, *size), torch.zeros(size, dtype=torch.bool))
    assert groups.shape == size


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_rejects_broken_offsets_of_things(value: float) -> None:
    offsets = torch.zeros(2, 3, 4)
    offsets[1, 0, 2] = value
    thing_mask = torch.zeros(3, 4, dtype=torch.bool)
    centers = torch.zeros(1, 2)
    group_pixels(centers, offsets, thing_mask)
    thing_mask[0, 1:] = True
    with pytest.raises(ValueError, match=r"`offsets` to be finite at thing pixels, got .* at 1 of 3 of them"):
        group_pixels(centers, offsets, thing_mask)
    with pytest.raises(ValueError, match=r"`centers` to be finite"):
        group_pixels(torch.full((1, 2), value), torch.zeros(2, 3, 4), thing_mask)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"centers": torch.zeros(2)},
            ValueError,
            r"`centers` to have the shape \(K, 2\), y and x, got \(2,\)",
        ),
        ({"centers": torch.zeros(1, 2, device="meta")}, ValueError, r"`centers` on the device of `offsets`"),
        ({"offsets": torch.zeros(1, 3, 4)}, ValueError, r"`offsets` to have the shape \(2, H, W\)"),
        ({"offsets": torch.zeros(2, 3, 4, dtype=torch.int64)}, TypeError, r"`offsets` to hold floats"),
        ({"thing_mask": torch.ones(4, 3).bool()}, ValueError, r"`thing_mask` .*\(3, 4\) of `offsets`"),
        ({"thing_mask": torch.ones(3, 4)}, TypeError, r"`thing_mask` to be bool, got torch.float32"),
    ],
)
def test_rejects_what_does_not_fit(change: dict, error: type[Exception], message: str) -> None:
    arguments = {
        "centers": torch.zeros(1, 2),
        "offsets": torch.zeros(2, 3, 4),
        "thing_mask": torch.ones(3, 4, dtype=torch.bool),
        **change,
    }
    with pytest.raises(error, match=message):
        group_pixels(**arguments)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_same() -> None:
    centers, offsets, thing_mask = draw(9, 300, 500, 50, 20.0)
    there = group_pixels(centers.cuda(), offsets.cuda(), thing_mask.cuda())
    assert torch.equal(there.cpu(), group_pixels(centers, offsets, thing_mask))
