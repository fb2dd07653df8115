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
