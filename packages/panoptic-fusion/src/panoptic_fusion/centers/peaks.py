"""Finding centers: the peaks of a heat map (arXiv:1911.10194, section 3.2)."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_count, check_fraction, check_shape
from panoptic_fusion._windows import is_host

_PIXELS_AT_ONCE = 1 << 16  # of a band of rows on the host, so that it stays in the cache
_LARGEST = 3.4028234663852886e38  # of float32


class Centers(NamedTuple):
    """``K`` centers, the highest first; equal ones in reading order.

    Attributes:
        positions: ``(K, 2)`` int64, y and x of the pixel.
        scores: ``(K,)`` float32, the heat map there.
    """

    positions: Tensor
    scores: Tensor


@torch.no_grad()
def find_centers(
    center_heatmap: ArrayLike, *, threshold: float = 0.1, nms_kernel: int = 7, top_k: int = 200
) -> Centers:
    """Find the peaks of a heat map.

    A pixel is a center if it is above the threshold and no pixel of the square of `nms_kernel` pixels around
    it is higher, or as high and earlier in reading order. So of equal neighbours the first one stays, and no
    two centers lie in each other's square.

    Args:
        center_heatmap: ``(1, H, W)`` or ``(H, W)`` floats.
        threshold: Finite; 0.1 by default. A center is strictly higher, as in the public codes.
        nms_kernel: Odd; 7 by default.
        top_k: The most centers to return, 200 by default; of equal ones the first in reading order stay.

    Returns:
        The centers on the device of the map.

    Raises:
        ValueError: If the shape or an option does not fit, or the map holds NaN or infinity.
        TypeError: If the map does not hold floats.

    Example:
        >>> heatmap = torch.tensor([[[0.2, 0.9, 0.9, 0.0, 0.0, 0.3, 0.1]]])
        >>> centers = find_centers(heatmap, nms_kernel=3)
        >>> centers.positions.tolist(), centers.scores
        ([[0, 1], [0, 5]], tensor([0.9000, 0.3000]))
    """
    check_fraction(threshold, "threshold", low=-_LARGEST, high=_LARGEST)
    check_count(top_k, "top_k")
    check_count(nms_kernel, "nms_kernel", low=1)
    if nms_kernel % 2 == 0:
        msg = f"Expected `nms_kernel` to be odd, got {nms_kernel}. An even square has no middle pixel."
        raise ValueError(msg)
    heat = check_heatmap(center_heatmap)
    height, width = heat.shape
    places, scores = [], []
    rows = max(1, _PIXELS_AT_ONCE // max(width, 1)) if is_host(heat) else max(height, 1)
    for top in range(0, height if width else 0, rows):
        found = _peaks(heat, top, min(top + rows, height), threshold, nms_kernel // 2)
        if found is not None:
            places.append(found[0])
            scores.append(found[1])
    if not places:
        nothing = torch.zeros(0, 2, dtype=torch.int64, device=heat.device)
        return Centers(nothing, torch.zeros(0, device=heat.device))
    all_scores, order = torch.cat(scores).sort(descending=True, stable=True)
    return Centers(torch.cat(places)[order[:top_k]], all_scores[:top_k])


def check_heatmap(center_heatmap: ArrayLike) -> Tensor:
    """Return a heat map as ``(H, W)`` floats, or raise where it is none.

    Raises:
        ValueError: If it has another shape, or holds NaN or infinity.
        TypeError: If it holds no floats.
    """
    heat = as_tensor(center_heatmap, "center_heatmap").detach()
    if heat.ndim == 2:
        heat = heat[None]
    check_shape(heat, "center_heatmap", (1, None, None), "(1, H, W)")
    if not heat.is_floating_point():
        msg = f"Expected `center_heatmap` to hold floats, got {heat.dtype}."
        raise TypeError(msg)
    if heat.numel() and not bool(torch.stack(torch.aminmax(heat)).isfinite().all()):
        bad = int((~heat.isfinite()).sum())
        msg = f"Expected `center_heatmap` to be finite, got {bad} NaN or infinite values of {heat.numel()}."
        raise ValueError(msg)
    return heat[0]


def _peaks(
    heat: Tensor, top: int, bottom: int, threshold: float, radius: int
) -> tuple[Tensor, Tensor] | None:
    """Return the peaks of some rows in reading order, ``(P, 2)`` int64, and their values, ``(P,)``."""
    band = heat[top:bottom].float()  # (h, W)
    if is_host(heat) and not bool((band > threshold).any()):
        return None
    low, high = max(top - radius, 0), min(bottom + radius, len(heat))
    # A border of minus infinity: nothing beyond the image is higher or as high.
    around = (radius, radius, radius - (top - low), radius - (high - bottom))
    padded = F.pad(heat[low:high].float(), around, value=-torch.inf)
    peak = band > threshold
    if radius:
        height, width = band.shape
        middle = padded[radius : radius + height]
        sides = _running_max(middle, 1, radius)  # (h, W + radius + 1), starting at each pixel
        peak &= (band > sides[:, :width]) & (band >= sides[:, radius + 1 :])
        lines = _running_max(_running_max(padded, 1, 2 * radius + 1), 0, radius)  # (h + radius + 1, W)
        peak &= (band > lines[:height]) & (band >= lines[radius + 1 :])
    places = peak.nonzero()
    return places + places.new_tensor([top, 0]), band[peak]


def _running_max(values: Tensor, axis: int, count: int) -> Tensor:
    """Return the maximum of `count` neighbours, starting at each place that has so many, along an axis."""
    reach = 1
    while reach < count:
        step = min(reach, count - reach)
        length = values.shape[axis] - step
        values = torch.maximum(values.narrow(axis, 0, length), values.narrow(axis, step, length))
        reach += step
    return values
