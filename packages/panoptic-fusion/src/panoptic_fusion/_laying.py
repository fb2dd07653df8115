"""Laying instances one after another: what the fusions by confidence and by ranking share."""

from collections.abc import Iterable

from torch import Tensor

from panoptic_fusion._canvas import Canvas
from panoptic_fusion._windows import count_true
from panoptic_fusion.paste import Window


def lay_instances(
    canvas: Canvas, crops: Iterable[Tensor], windows: Iterable[Window], overlap_threshold: float
) -> None:
    """Give each instance its free pixels, unless too much of it is taken already.

    Args:
        canvas: With room for all of them.
        crops: ``(h, w)`` bool masks, the first to lay first.
        windows: Where they lie.
        overlap_threshold: An instance is left out if more than this share of its area is taken.
    """
    for turn, (crop, window) in enumerate(zip(crops, windows, strict=True)):
        keep = _overlap(canvas.taken(window, crop), count_true(crop)) <= overlap_threshold
        canvas.place(turn, window, crop, keep=keep)


def _overlap(taken: Tensor, area: Tensor) -> Tensor:
    """Return the taken share of an area as a float64 scalar; NaN, which no threshold admits, for no area."""
    return taken.double() / area
