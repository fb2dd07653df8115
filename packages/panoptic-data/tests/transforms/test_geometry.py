from typing import Literal

import numpy as np
import pytest

from panoptic_data.transforms import PadPanoptic, RandomScaledCrop


def test_pad_by_hand() -> None:
    results = PadPanoptic(size=(2, 2), divisor=3, pad_value=(9.0, 8.0, 7.0)).transform(
        {"img": np.ones((1, 4, 3), dtype=np.uint8), "gt_seg_map": np.full((1, 4, 6), 5, dtype=np.int32)}
    )
    # Height max(1, 2) -> 3, width max(4, 2) -> 6.
    assert results["img_shape"] == (3, 6)
    assert results["img"][0, 4].tolist() == [9, 8, 7]
    assert results["img"][0, 3].tolist() == [1, 1, 1]
    assert results["img"][2, 0].tolist() == [9, 8, 7]
    assert results["gt_seg_map"].sum() == 4 * 6 * 5
    assert (results["gt_seg_map"][:1, :4] == 5).all()


def test_pad_without_map() -> None:
    results = PadPanoptic(size=(4, 4)).transform({"img": np.ones((4, 5, 3), dtype=np.uint8)})
    assert results["img"].shape == (4, 5, 3)
    assert "gt_seg_map" not in results


@pytest.mark.parametrize(("side", "expected"), [(1, 1), (2, 17), (16, 17), (17, 17), (18, 33), (1024, 1025)])
def test_pad_to_a_multiple_and_a_remainder(side: int, expected: int) -> None:
    results = PadPanoptic(divisor=16, remainder=1).transform({"img": np.ones((side, 1, 3), dtype=np.uint8)})
    assert results["img"].shape == (expected, 1, 3)
    assert results["img_shape"] == (expected, 1)


def test_pad_refuses_a_remainder_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"`remainder` in \[0, `divisor`\) = \[0, 16\), got 16"):
        PadPanoptic(divisor=16, remainder=16)


def scaled_crop(transform: RandomScaledCrop, seed: int, height: int = 20, width: int = 30) -> dict:
    """Run the crop on an image whose blue channel is the column, and a map that is the column + 1."""
    columns = np.broadcast_to(np.arange(width), (height, width))
    image = np.stack([columns * 8, np.zeros_like(columns), np.zeros_like(columns)], axis=-1).astype(np.uint8)
    np.random.seed(seed)  # noqa: NPY002 - what the transform draws from
    return transform.transform({"img": image, "gt_seg_map": columns.astype(np.int32) + 1})


def test_scaled_crop_of_the_whole_image_is_identity() -> None:
    results = scaled_crop(RandomScaledCrop((20, 30), (1.0, 1.0)), seed=0)
    assert (results["gt_seg_map"] == np.arange(1, 31)).all()
    assert (results["img"][..., 0] == np.arange(30) * 8).all()
    assert results["scale_factor"] == (1.0, 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_scaled_crop_keeps_image_and_map_aligned(seed: int) -> None:
    results = scaled_crop(RandomScaledCrop((12, 12), (0.5, 2.0)), seed)
    assert results["img"].shape == (12, 12, 3)
    assert results["gt_seg_map"].shape == (12, 12)
    inside = results["gt_seg_map"] > 0
    column = results["img"][..., 0] / 8.0  # what column the colour says
    assert inside.any()
    assert np.abs(column - (results["gt_seg_map"] - 1))[inside].max() <= 1.0
    assert not column[~inside].any()


def test_scaled_crop_reaches_every_place() -> None:
    transform = RandomScaledCrop((20, 28), (1.0, 1.0))
    starts = {int(scaled_crop(transform, seed)["gt_seg_map"][0, 0]) for seed in range(40)}
    assert starts == {1, 2, 3}


def test_scaled_crop_pads_a_small_image_with_void() -> None:
    # At 0.5 the 20x30 image becomes 10x15 in a 12x20 window.
    results = scaled_crop(RandomScaledCrop((12, 20), (0.5, 0.5), pad_value=(50.0, 60.0, 70.0)), seed=1)
    assert (results["gt_seg_map"][:10, :15] > 0).all()
    assert not results["gt_seg_map"][10:].any()
    assert not results["gt_seg_map"][:, 15:].any()
    assert results["img"][11, 19].tolist() == [50, 60, 70]


@pytest.mark.parametrize("scale_range", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_scaled_crop_refuses_an_empty_range(scale_range: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"`scale_range` to be 0 < low <= high, got"):
        RandomScaledCrop((4, 4), scale_range)


def test_random_padding_by_hand() -> None:
    # 20x30 at 0.5 is 10x15 in a 11x17 window: the corner lies in rows 0 to 1 and columns 0 to 2.
    transform = RandomScaledCrop((11, 17), (0.5, 0.5), pad_value=(50.0, 60.0, 70.0), padding="random")
    corners = set()
    for seed in range(40):
        results = scaled_crop(transform, seed)
        inside = results["gt_seg_map"] > 0
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        assert (len(rows), len(columns), inside.sum()) == (10, 15, 150)
        corners.add((int(rows[0]), int(columns[0])))
        assert (results["img"][~inside] == [50, 60, 70]).all()
        assert (results["img"][inside][:, 1] == 0).all()
    assert corners == {(y, x) for y in range(2) for x in range(3)}


def test_factor_one_is_where_the_image_fits() -> None:
    # 20x30 fits into 41x41 at 41 / 30, as 27x41; at 0.5 of that the whole image is 14x20 or 14x21.
    whole = scaled_crop(RandomScaledCrop((41, 41), (1.0, 1.0), fit=(41, 41)), seed=0)
    inside = whole["gt_seg_map"] > 0
    assert (inside.any(axis=1).sum(), inside.any(axis=0).sum()) == (27, 41)
    np.testing.assert_allclose(whole["scale_factor"], (41 / 30, 27 / 20))
    half = scaled_crop(RandomScaledCrop((41, 41), (0.5, 0.5), fit=(41, 41)), seed=0)
    np.testing.assert_allclose(half["scale_factor"], (0.5 * 41 / 30,) * 2, atol=0.02)
    # At twice of it, the 41x41 window shows half of each side, and all of a side is the whole of the other.
    double = scaled_crop(RandomScaledCrop((41, 41), (2.0, 2.0), fit=(41, 41)), seed=0)
    assert (double["gt_seg_map"] > 0).all()
    assert len(np.unique(double["gt_seg_map"])) == 15


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (7, 33), (50, 2)])
@pytest.mark.parametrize("padding", ["after", "random"])
def test_any_image_gives_the_window(size: tuple[int, int], padding: Literal["after", "random"]) -> None:
    transform = RandomScaledCrop((33, 17), (0.5, 2.0), fit=(33, 33), padding=padding)
    for seed in range(5):
        results = scaled_crop(transform, seed, *size)
        assert results["img"].shape == (33, 17, 3)
        assert results["gt_seg_map"].shape == (33, 17)
        assert results["gt_seg_map"].any()


def test_scaled_crop_refuses_unknown_options() -> None:
    with pytest.raises(ValueError, match=r"`padding` to be 'after' or 'random', got 'before'"):
        RandomScaledCrop((4, 4), padding="before")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`fit` to be None or \(height, width\) .* got \(0, 4\)"):
        RandomScaledCrop((4, 4), fit=(0, 4))


@pytest.mark.parametrize("scale", [1.32, 1.5, 1.93])
def test_a_window_inside_the_image_has_no_padding(scale: float) -> None:
    # Side 24, scale 1.93: the window is round(12.4) = 12 pixels of the image, which scaled are 23.2, not 24.
    for side in range(20, 36):
        transform = RandomScaledCrop((side, side), (scale, scale))
        results = scaled_crop(transform, seed=side, height=30, width=30)
        assert results["gt_seg_map"].min() > 0, side
