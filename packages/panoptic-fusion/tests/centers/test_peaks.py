"""Peaks by hand, and held against a look around every pixel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import find_centers
from panoptic_fusion.testing.literal_centers import find_centers_literally, pooled_centers_literally


def draw_heat(seed: int, height: int, width: int, levels: int | None) -> torch.Tensor:
    """Return heat in [0, 1]; with few levels there are plateaus."""
    heat = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    return heat if levels is None else (heat * levels).floor() / levels


def test_by_hand() -> None:
    # A square of 3: 0.9 beats its neighbours; of the two 0.5 the upper one stays; 0.1 is not above 0.1.
    heat = torch.tensor(
        [
            [0.9, 0.8, 0.0, 0.1],
            [0.0, 0.0, 0.0, 0.0],
            [0.5, 0.0, 0.2, 0.0],
            [0.0, 0.5, 0.0, 0.3],
        ]
    )
    centers = find_centers(heat[None], nms_kernel=3)
    # (2, 2) = 0.2 touches the 0.5 at (3, 1); (3, 3) = 0.3 is the highest of its square.
    assert centers.positions.tolist() == [[0, 0], [2, 0], [3, 3]]
    torch.testing.assert_close(centers.scores, torch.tensor([0.9, 0.5, 0.3]))
    assert find_centers(heat, nms_kernel=3, top_k=2).positions.tolist() == [[0, 0], [2, 0]]
    assert find_centers(heat, nms_kernel=1, threshold=0.4).positions.tolist() == [
        [0, 0],
        [0, 1],
        [2, 0],
        [3, 1],
    ]


def test_of_a_plateau_the_first_pixel_stays() -> None:
    assert find_centers(torch.full((1, 30, 40), 0.5)).positions.tolist() == [[0, 0]]
    heat = torch.zeros(1, 20)
    heat[0, 3:15] = 0.7  # longer than the square: every other pixel has an equal one before it
    assert find_centers(heat).positions.tolist() == [[0, 3]]


def test_equal_peaks_come_in_reading_order_and_the_first_stay() -> None:
    heat = torch.zeros(9, 40)
    places = [[0, 20], [4, 0], [4, 30], [8, 10]]
    for y, x in places:
        heat[y, x] = 0.6
    assert find_centers(heat).positions.tolist() == places
    assert find_centers(heat, top_k=2).positions.tolist() == places[:2]


@pytest.mark.parity
@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    kernel=st.sampled_from([1, 3, 5, 7, 41]),
    levels=st.sampled_from([None, 2, 5]),
    top_k=st.integers(0, 6),
    seed=st.integers(0, 10**6),
)
def test_matches_the_look_around(
    height: int, width: int, kernel: int, levels: int | None, top_k: int, seed: int
) -> None:
    heat = draw_heat(seed, height, width, levels)
    positions, scores = find_centers_literally(heat, nms_kernel=kernel, top_k=top_k)
    ours = find_centers(heat, nms_kernel=kernel, top_k=top_k)
    assert torch.equal(ours.positions, positions)
    assert torch.equal(ours.scores, scores)


def test_many_bands_and_no_ties_as_pooling_finds_them() -> None:
    heat = draw_heat(1, 300, 700, None)
    heat[100:230] *= 0.1  # a band without any center
    theirs = pooled_centers_literally(heat, 0.1, 7, 10**6)
    ours = find_centers(heat, top_k=10**6)
    assert sorted(ours.positions.tolist()) == theirs.tolist()
    assert torch.equal(ours.scores, ours.scores.sort(descending=True).values)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float(dtype: torch.dtype) -> None:
    heat = draw_heat(2, 20, 30, None).to(dtype)
    centers = find_centers(heat)
    assert centers.scores.dtype == torch.float32
    assert torch.equal(centers.positions, find_centers(heat.float()).positions)


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0)])
def test_no_pixel(size: tuple[int, int]) -> None:
    centers = find_centers(torch.zeros(size))
    assert centers.positions.shape == (0, 2)
    assert centers.scores.shape == (0,)


def test_nothing_above_the_threshold() -> None:
    assert find_centers(torch.full((1, 5, 5), 0.1)).positions.shape == (0, 2)
    assert find_centers(torch.full((1, 5, 5), -3.0), threshold=-4).positions.tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("heat", "options", "error", "message"),
    [
        (torch.full((1, 2, 2), float("nan")), {}, ValueError, r"`center_heatmap` to be finite, got 4 NaN"),
        (torch.tensor([[0.1, float("inf")]]), {}, ValueError, r"to be finite, got 1 NaN .* of 2"),
        (torch.zeros(2, 3, 3), {}, ValueError, r"`center_heatmap` to have the shape \(1, H, W\), got"),
        (torch.zeros(3, 3, dtype=torch.int64), {}, TypeError, r"to hold floats, got torch.int64"),
        (torch.zeros(3, 3), {"nms_kernel": 4}, ValueError, r"`nms_kernel` to be odd, got 4"),
        (torch.zeros(3, 3), {"nms_kernel": 0}, ValueError, r"`nms_kernel` to be a whole number >= 1, got 0"),
        (torch.zeros(3, 3), {"top_k": -1}, ValueError, r"`top_k` to be a whole number >= 0, got -1"),
        (torch.zeros(3, 3), {"threshold": float("nan")}, ValueError, r"`threshold` to be a number"),
    ],
)
def test_rejects_what_does_not_fit(
    heat: torch.Tensor, options: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        find_centers(heat, **options)
