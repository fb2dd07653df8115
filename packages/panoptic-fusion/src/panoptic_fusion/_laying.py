"""Laying instances one after another: what the fusions by confidence and by ranking share."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from panoptic_fusion._canvas import Canvas
from panoptic_fusion._windows import count_true, is_host
from panoptic_fusion.paste import Window


def lay_instances(
    canvas: Canvas, crops: Iterable[Tensor], windows: Iterable[Window], overlap_threshold: float
) -> None:
    """Give each instance its free pixels, unless too much of it is taken already, or it has no area.

    Args:
        canvas: With room for all of them.
        crops: ``(h, w)`` bool masks, the first to lay first.
        windows: Where they lie.
        overlap_threshold: An instance is left out if more than this share of its area is taken.
    """
    lay = _lay_on_host if is_host(canvas.codes) else _lay_elsewhere
    for turn, (crop, window) in enumerate(zip(crops, windows, strict=True)):
        lay(canvas, turn, crop, window, overlap_threshold)


def _lay_on_host(canvas: Canvas, turn: int, crop: Tensor, window: Window, overlap_threshold: float) -> None:
    """Lay one instance; plain numbers, since wrapping them costs more than most windows do."""
    x0, y0, x1, y1 = window
    view, mask = canvas.codes.numpy()[y0:y1, x0:x1], crop.numpy()
    area = np.count_nonzero(mask)
    taken = np.count_nonzero((view >= canvas.base) & mask)
    if area and taken / area <= overlap_threshold:
        np.maximum(view, mask * np.int32(canvas.code(turn)), out=view)


def _lay_elsewhere(canvas: Canvas, turn: int, crop: Tensor, window: Window, overlap_threshold: float) -> None:
    """Lay one instance without waiting for the device; the share of no area is NaN, which nothing admits."""
    share = canvas.taken(window, crop).double() / count_true(crop)
    canvas.place(turn, window, crop, keep=share <= overlap_threshold)
