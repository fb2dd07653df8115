"""Finding centers: the peaks of a heat map (arXiv:1911.10194, section 3.2)."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_count, check_fraction, check_shape
from panoptic_fusion._windows import is_host

_TILE = 128, 512  # rows and columns at once on the host, so that they stay in the cache
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
    found = [_peaks(heat, *tile, threshold, nms_kernel // 2) for tile in _tiles(heat)]
    if not found:
        nothing = torch.zeros(0, 2, dtype=torch.int64, device=heat.device)
        return Centers(nothing, torch.zeros(0, device=heat.device))
    places = torch.cat([places for places, _ in found])  # (P, 2)
    reading = (places[:, 0] * heat.shape[1] + places[:, 1]).argsort()
    scores, order = torch.cat([scores for _, scores in found])[reading].sort(descending=True, stable=True)
    return Centers(places[reading[order[:top_k]]], scores[:top_k])


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


def _tiles(heat: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of tiles that cover a map; one tile on a GPU."""
    height, width = heat.shape
    rows, columns = _TILE if is_host(heat) else (max(height, 1), max(width, 1))
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield slice(top, min(top + rows, height)), slice(left, min(left + columns, width))


def _peaks(heat: Tensor, rows: slice, columns: slice, threshold: float, radius: int) -> tuple[Tensor, Tensor]:
    """Return the peaks of a tile, ``(P, 2)`` int64, and their values, ``(P,)`` float32."""
    tile = heat[rows, columns].float()  # (h, w)
    peak = tile > threshold
    height, width = tile.shape
    if radius and not (is_host(heat) and not bool(peak.any())):
        padded = _with_surroundings(heat, rows, columns, radius)
        sides = _running_max(padded[radius : radius + height], 1, radius)  # (h, w + radius + 1)
        lines = _running_max(_running_max(padded, 1, 2 * radius + 1), 0, radius)  # (h + radius + 1, w)
        peak &= tile > torch.maximum(sides[:, :width], lines[:height])  # what comes earlier
        peak &= tile >= torch.maximum(sides[:, radius + 1 :], lines[radius + 1 :])
    places = peak.nonzero()
    scores = tile[places[:, 0], places[:, 1]]
    return places + places.new_tensor([rows.start, columns.start]), scores


def _with_surroundings(heat: Tensor, rows: slice, columns: slice, radius: int) -> Tensor:
    """Return a tile and what lies around it, float32; minus infinity beyond the image, where nothing is."""
    top, bottom = max(rows.start - radius, 0), min(rows.stop + radius, heat.shape[0])
    left, right = max(columns.start - radius, 0), min(columns.stop + radius, heat.shape[1])
    missing = (
        radius - (columns.start - left),
        radius - (right - columns.stop),
        radius - (rows.start - top),
        radius - (bottom - rows.stop),
    )
    return F.pad(heat[top:bottom, left:right].float(), missing, value=-torch.inf)


def _running_max(values: Tensor, axis: int, count: int) -> Tensor:
    """Return the maximum of `count` neighbours, starting at each place that has so many, along an axis."""
    reach = 1
    while reach < count:
        step = min(reach, count - reach)
        length = values.shape[axis] - step
        values = torch.maximum(values.narrow(axis, 0, length), values.narrow(axis, step, length))
        reach += step
    return values
