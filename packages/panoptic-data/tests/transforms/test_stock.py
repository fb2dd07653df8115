"""MMCV's and MMDetection's own geometric transforms carry our map: int32, any number of channels."""

from collections.abc import Callable
from typing import Any

import mmcv.transforms
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmdet.datasets import transforms as mmdet_transforms
from numpy.typing import NDArray

from panoptic_data.transforms import PadPanoptic, RandomScaledCrop

LIBRARIES = {"mmcv": mmcv.transforms, "mmdet": mmdet_transforms}
STOCK: dict[str, Callable[[Any], BaseTransform]] = {
    "resize up": lambda lib: lib.Resize(scale=(29, 23), keep_ratio=False),
    "resize down": lambda lib: lib.Resize(scale=(5, 7), keep_ratio=True),
    "resize by a factor": lambda lib: lib.Resize(scale_factor=1.7, keep_ratio=True),
    "random resize": lambda lib: lib.RandomResize(
        scale=[(40, 10), (40, 20)], keep_ratio=True, resize_type=lib.Resize
    ),
    "choice resize": lambda lib: lib.RandomChoiceResize(
        scales=[(40, 10), (40, 20)], keep_ratio=True, resize_type=lib.Resize
    ),
    "flip": lambda lib: lib.RandomFlip(prob=1.0),
    "flip vertically": lambda lib: lib.RandomFlip(prob=1.0, direction="vertical"),
    "flip both": lambda lib: lib.RandomFlip(prob=1.0, direction="diagonal"),
}
ONE_LIBRARY: dict[str, Callable[[], BaseTransform]] = {
    "mmdet random crop": lambda: mmdet_transforms.RandomCrop((6, 5)),
    "mmdet relative crop": lambda: mmdet_transforms.RandomCrop((0.4, 0.6), crop_type="relative_range"),
    "mmdet shortest edge": lambda: mmdet_transforms.ResizeShortestEdge(
        scale=20, max_size=33, resize_type=mmdet_transforms.Resize
    ),
    "mmdet colours": lambda: mmdet_transforms.PhotoMetricDistortion(),
    "mmcv center crop": lambda: mmcv.transforms.CenterCrop((5, 6)),
    "our pad": lambda: PadPanoptic(divisor=32),
    "our scaled crop": lambda: RandomScaledCrop((19, 14)),
}
CASES = [
    pytest.param(lambda make=make, lib=lib: make(lib), id=f"{library} {name}")
    for library, lib in LIBRARIES.items()
    for name, make in STOCK.items()
    if hasattr(lib, "RandomResize") or not name.startswith(("random", "choice"))
] + [pytest.param(make, id=name) for name, make in ONE_LIBRARY.items()]


def place_map(height: int, width: int, layers: int) -> NDArray[np.int32]:
    """Return a map whose channel ``c`` holds each pixel's place, from 1 on, plus ``c`` million."""
    places = np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)
    if layers == 0:
        return places
    return places[..., None] + 1_000_000 * np.arange(1 + layers, dtype=np.int32)


def run(transform: BaseTransform, seg_map: NDArray[np.int32]) -> dict[str, Any]:
    image = np.zeros((*seg_map.shape[:2], 3), dtype=np.uint8)
    np.random.seed(3)  # noqa: NPY002 - what the transforms draw from
    results = transform({"img": image, "img_shape": image.shape[:2], "gt_seg_map": seg_map.copy()})
    assert results is not None
    return results


@pytest.mark.parametrize("size", [(13, 17), (8, 5), (1, 3)], ids=str)
@pytest.mark.parametrize("make", CASES)
def test_all_channels_move_together(make: Callable[[], BaseTransform], size: tuple[int, int]) -> None:
    alone = run(make(), place_map(*size, 0))
    assert alone["gt_seg_map"].shape == alone["img"].shape[:2]
    assert alone["gt_seg_map"].dtype == np.int32
    for layers in range(1, 9):
        stacked = run(make(), place_map(*size, layers))["gt_seg_map"]
        assert stacked.shape == (*alone["gt_seg_map"].shape, 1 + layers)
        assert stacked.dtype == np.int32
        for channel in range(1 + layers):
            inside = alone["gt_seg_map"] > 0  # padding is 0 in every channel
            expected = np.where(inside, alone["gt_seg_map"] + 1_000_000 * channel, 0)
            assert (stacked[..., channel] == expected).all()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal"])
@pytest.mark.parametrize("layers", [0, 3, 8])
def test_flip_twice_is_identity(library: str, direction: str, layers: int) -> None:
    seg_map = place_map(7, 11, layers)
    flip = LIBRARIES[library].RandomFlip(prob=1.0, direction=direction)
    once = run(flip, seg_map)["gt_seg_map"]
    assert not (once == seg_map).all()
    assert (run(flip, once)["gt_seg_map"] == seg_map).all()


@pytest.mark.parametrize("layers", range(9))
@pytest.mark.parametrize("out", [(7, 9), (26, 34), (1, 1), (40, 3)], ids=str)
def test_resize_is_nearest(layers: int, out: tuple[int, int]) -> None:
    # Pixel (i, j) of the result is the source pixel (floor(i * H / h), floor(j * W / w)): no new values.
    seg_map = place_map(13, 17, layers)
    resize = mmdet_transforms.Resize(scale=out[::-1], keep_ratio=False)
    rows = np.arange(out[0]) * 13 // out[0]
    columns = np.arange(out[1]) * 17 // out[1]
    assert (run(resize, seg_map)["gt_seg_map"] == seg_map[rows][:, columns]).all()
