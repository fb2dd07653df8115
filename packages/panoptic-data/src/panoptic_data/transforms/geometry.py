"""Padding and scaled crops of an image together with its panoptic map.

MMCV's and MMDetection's Resize, RandomResize, RandomChoiceResize, RandomFlip and RandomCrop act on our
``gt_seg_map`` exactly as they are. Their Pad does not: OpenCV pads four channels at most, and the default
value 255 would be a segment's row.
"""

from typing import Any, Literal

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from panoptic_data.registry import TRANSFORMS
from panoptic_data.transforms.reduced import require_target, resize_image

Color = tuple[float, float, float]


@TRANSFORMS.register_module()
class PadPanoptic(BaseTransform):
    """Grow an image and its map to the right and the bottom; the map's new pixels are void.

    Args:
        size: Least ``(height, width)`` of the result; a larger image keeps its side.
        divisor: The sides of the result are multiples of it, plus `remainder`.
        pad_value: Colour of the new pixels, in the image's channel order.
        remainder: In ``[0, divisor)``. 1 with the stride for a divisor gives DeepLab's sizes k * stride + 1.

    Raises:
        ValueError: If the remainder is not in that range.
    """

    def __init__(
        self,
        size: tuple[int, int] = (0, 0),
        divisor: int = 1,
        pad_value: Color = (0.0, 0.0, 0.0),
        remainder: int = 0,
    ) -> None:
        if not 0 <= remainder < divisor:
            msg = f"Expected `remainder` in [0, `divisor`) = [0, {divisor}), got {remainder}."
            raise ValueError(msg)
        self.size = size
        self.divisor = divisor
        self.pad_value = pad_value
        self.remainder = remainder

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pad ``img`` and ``gt_seg_map``."""
        sides = (max(have, want) for have, want in zip(results["img"].shape[:2], self.size, strict=True))
        height, width = (
            -(-(side - self.remainder) // self.divisor) * self.divisor + self.remainder for side in sides
        )
        results["img"] = _pad(results["img"], height, width, self.pad_value)
        results["img_shape"] = results["pad_shape"] = (height, width)
        if results.get("gt_seg_map") is not None:
            results["gt_seg_map"] = _pad(results["gt_seg_map"], height, width, 0)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, divisor={self.divisor}, pad_value={self.pad_value}, "
            f"remainder={self.remainder})"
        )


@TRANSFORMS.register_module()
class RandomScaledCrop(BaseTransform):
    """Scale an image by a random factor and cut a random window of fixed size out of it, in one resampling.

    The window is cut first and then scaled, so a 2x zoom of a 1024x2048 image never makes the 2048x4096 one.
    Where the scaled image is smaller than the window, the rest is padded (void).

    Args:
        size: ``(height, width)`` of the result.
        scale_range: The factor is drawn uniformly from ``[low, high]``. None: the image is scaled to the size
            that :class:`~panoptic_data.transforms.LoadReducedImage` has drawn (``target_shape``).
        pad_value: Colour of the padded pixels, in the image's channel order.
        fit: Factor 1 is where the image just fits into this ``(height, width)``; None: the image's own size.
            With ``fit=(641, 641)`` images are resized to 641 pixels at the longest side, then scaled by the
            factor, still in one resampling (Panoptic-DeepLab on COCO).
        padding: ``"after"``: on the right and the bottom. ``"random"``: the image lies anywhere in the
            window. Panoptic-DeepLab's public code names padding always after as a cause of lower PQ on COCO.

    Raises:
        ValueError: If the range is empty or not positive, or an option does not fit.
    """

    def __init__(
        self,
        size: tuple[int, int],
        scale_range: tuple[float, float] | None = (0.5, 2.0),
        pad_value: Color = (0.0, 0.0, 0.0),
        fit: tuple[int, int] | None = None,
        padding: Literal["after", "random"] = "after",
    ) -> None:
        if scale_range is None and fit is not None:
            msg = f"Expected no `fit` where LoadReducedImage draws the size, got {fit}. Give it to that one."
            raise ValueError(msg)
        if scale_range is not None and not 0 < scale_range[0] <= scale_range[1]:
            msg = f"Expected `scale_range` to be 0 < low <= high, got {scale_range}."
            raise ValueError(msg)
        if padding not in ("after", "random"):
            msg = f"Expected `padding` to be 'after' or 'random', got {padding!r}."
            raise ValueError(msg)
        if fit is not None and min(fit) < 1:
            msg = f"Expected `fit` to be None or (height, width) of at least 1 pixel, got {fit}."
            raise ValueError(msg)
        self.size = size
        self.scale_range = scale_range
        self.pad_value = pad_value
        self.fit = fit
        self.padding = padding

    def _draw_scale(self, results: dict[str, Any]) -> tuple[float, float]:
        """Return the factors of height and width."""
        height, width = results["img"].shape[:2]
        if self.scale_range is None:
            target = require_target(results, type(self).__name__)
            return target[0] / height, target[1] / width
        scale = float(np.random.uniform(*self.scale_range))  # noqa: NPY002
        if self.fit is not None:
            scale *= min(self.fit[0] / height, self.fit[1] / width)
        return scale, scale

    def _draw_corner(self, height: int, width: int) -> tuple[int, int]:
        """Return where the upper left corner of what was cut out lies in the result."""
        if self.padding == "after":
            return 0, 0
        rest_y, rest_x = self.size[0] - height, self.size[1] - width
        return int(np.random.randint(rest_y + 1)), int(np.random.randint(rest_x + 1))  # noqa: NPY002

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Cut, scale and pad ``img`` and ``gt_seg_map``."""
        image = results["img"]
        scale_y, scale_x = self._draw_scale(results)
        # Where the window lies: fractions of the free margins
        place_y, place_x = float(np.random.rand()), float(np.random.rand())  # noqa: NPY002
        y0, y1, out_h = _window(image.shape[0], self.size[0], scale_y, place_y)
        x0, x1, out_w = _window(image.shape[1], self.size[1], scale_x, place_x)
        cut = np.ascontiguousarray(resize_image(image[y0:y1, x0:x1], (out_h, out_w)))
        corner = self._draw_corner(out_h, out_w)
        results["img"] = _pad(cut, *self.size, self.pad_value, corner)
        results["img_shape"] = results["pad_shape"] = tuple(self.size)
        results["scale_factor"] = (out_w / (x1 - x0), out_h / (y1 - y0))
        if results.get("gt_seg_map") is not None:
            cut = np.ascontiguousarray(results["gt_seg_map"][y0:y1, x0:x1])
            cut = mmcv.imresize(cut, (out_w, out_h), interpolation="nearest", backend="cv2")
            results["gt_seg_map"] = _pad(cut, *self.size, 0, corner)
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, scale_range={self.scale_range}, "
            f"pad_value={self.pad_value}, fit={self.fit}, padding={self.padding!r})"
        )


def _window(side: int, wanted: int, scale: float, place: float) -> tuple[int, int, int]:
    """Return where to cut one axis of the source, and how many pixels that becomes (at most `wanted`)."""
    length = min(side, max(1, round(wanted / scale)))
    start = round(place * (side - length))
    # A window inside the image fills the result: rounding its length must not leave a line of padding.
    filled = wanted if length < side else max(1, min(wanted, round(length * scale)))
    return start, start + length, filled


def _pad(
    array: NDArray, height: int, width: int, value: float | Color, corner: tuple[int, int] = (0, 0)
) -> NDArray:
    """Return `array`, grown to ``(height, width)``, its first pixel at `corner`; new pixels hold `value`."""
    if array.shape[:2] == (height, width):
        return array
    top, left = corner
    bottom, right = top + array.shape[0], left + array.shape[1]
    padded = np.empty((height, width, *array.shape[2:]), dtype=array.dtype)
    padded[top:bottom, left:right] = array
    padded[:top] = value
    padded[bottom:] = value
    padded[top:bottom, :left] = value
    padded[top:bottom, right:] = value
    return padded
