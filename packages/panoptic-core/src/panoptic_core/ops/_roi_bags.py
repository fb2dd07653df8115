"""Which pixels, with which weights, make up each bin of RoIAlign.

The tables are made on the host, in numpy: they are small beside the map, and torch would wake threads
(or start dozens of kernels) for each of the many steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_Floats = npt.NDArray[np.floating]
_Ints = npt.NDArray[np.integer]

MAX_TAPS = 1 << 22  # taps in one table: 16 MB of indices and as much of weights
_MAX_GRID = 1 << 20  # points a bin and axis: boxes of a million pixels and more
_GROUP_COST = 4_000_000  # what one more group of boxes costs, in numbers summed
_TAP_COST = 32  # what a tap costs whatever the channels, in numbers summed


@dataclass(frozen=True)
class RoIGeometry:
    """The numbers of a RoIAlign; see :func:`panoptic_core.ops.roi_align`."""

    bins: tuple[int, int]  # (P, Q)
    spatial_scale: float = 1.0
    sampling_ratio: int = 0
    aligned: bool = True


@dataclass(frozen=True)
class RoIBags:
    """A rectangular table of bags on the host, box by box, bin by bin: ``B = k * P * Q`` rows of ``T``."""

    boxes: Tensor  # (k,) int64, which boxes
    index: Tensor  # (B, T) int32 or int64, rows of the (N * H * W, C) pixels
    weight: Tensor  # (B, T)


def roi_bags(
    rois: Tensor, input_shape: tuple[int, ...], geometry: RoIGeometry, dtype: torch.dtype
) -> Iterator[RoIBags]:
    """Yield the tables that together cover all boxes once.

    Args:
        rois: ``(K, 5)``, image index and xyxy, on any device.
        input_shape: ``(N, C, H, W)``.
        geometry: The numbers of the operator.
        dtype: Type of the weights, float32 or float64.

    Yields:
        Tables of at most 4 million taps (or one box).
    """
    if not len(rois):
        return
    num_maps, channels, height, width = input_shape
    kind = np.float64 if dtype == torch.float64 else np.float32
    host = rois.detach().to("cpu", torch.float64 if rois.dtype == torch.float64 else dtype).numpy()
    image: _Ints = host[:, 0].astype(np.int32 if num_maps * height * width < 2**31 else np.int64)
    lines = _lines(host[:, 1:], geometry)
    points = lines[2].astype(np.int64)  # (K, 2)
    for boxes in _groups(np.minimum(points, 2 * np.array([width, height]) + 8), geometry.bins, channels):
        part, most = lines[:, boxes], points[boxes].max(0).tolist()
        column, along = _axis_taps(part[..., 0], geometry.bins[1], width, most[0], kind)
        row, down = _axis_taps(part[..., 1], geometry.bins[0], height, most[1], kind)
        first_row: _Ints = image[boxes] * height
        row = (row + first_row[:, None, None]) * width  # (k, P, Ty)
        index: _Ints = row[:, :, None, :, None] + column[:, None, :, None, :].astype(image.dtype)
        weight = down[:, :, None, :, None] * along[:, None, :, None, :]  # (k, P, Q, Ty, Tx)
        shape = (-1, row.shape[2] * column.shape[2]) if index.size else (index[..., 0, 0].size, 0)
        tables = (torch.from_numpy(table.reshape(shape)) for table in (index, weight))
        yield RoIBags(torch.from_numpy(boxes), *tables)


def _lines(boxes: _Floats, geometry: RoIGeometry) -> _Floats:
    """Where boxes begin, the size of a bin, its points: ``(K, 4)`` xyxy to ``(3, K, 2)`` for x and y."""
    shift = boxes.dtype.type(0.5 if geometry.aligned else 0.0)
    scale = boxes.dtype.type(geometry.spatial_scale)
    with np.errstate(invalid="ignore", over="ignore"):
        start = boxes[:, :2] * scale - shift
        extent = boxes[:, 2:] * scale - shift - start
        if not geometry.aligned:
            extent = np.maximum(extent, 1)
    finite = (np.isfinite(start) & np.isfinite(extent)).all(1, keepdims=True)
    start, extent = np.where(finite, start, 0), np.where(finite, extent, 0)
    step = extent / np.array(geometry.bins[::-1], dtype=boxes.dtype)
    grid = np.full_like(step, geometry.sampling_ratio)
    if geometry.sampling_ratio <= 0:
        grid = np.clip(np.ceil(step), 0, _MAX_GRID)
    return np.stack([start, step, grid * finite])  # no points, hence zeros, where a box is not finite


def _axis_taps(lines: _Floats, bins: int, size: int, most: int, kind: type) -> tuple[_Ints, _Floats]:
    """Merge the points of each bin along one axis into weights of pixels.

    Args:
        lines: ``(3, k)``: where the boxes begin, the size of their bins, points a bin (whole numbers).
        bins: Bins ``P``.
        size: Pixels of the map along this axis.
        most: The largest number of points.
        kind: Type of the weights.

    Returns:
        ``(k, P, T)`` int32 pixels in ``[0, size)`` and their weights.
    """
    start, step, grid = lines
    begin = start[:, None] + np.arange(bins, dtype=lines.dtype) * step[:, None]  # (k, P)
    divisor = np.maximum(grid, 1)
    pitch = step / divisor  # distance of two points
    number = np.arange(most, dtype=lines.dtype)  # (S,)
    if most > 2 * size + 8:  # a bin far larger than the map: only the points near it, (k, P, S)
        most = min(most, int((size + 4) / max(float(pitch[grid > 1].min()), 1e-6)) + 2)
        skipped = np.floor((-2 - begin) / np.maximum(pitch, 1e-6)[:, None])
        number = np.maximum(skipped, 0)[:, :, None] + number[:most]
    point = (
        begin[:, :, None] + (number + lines.dtype.type(0.5)) * step[:, None, None] / divisor[:, None, None]
    )
    inside = (point >= -1) & (point <= size) & (number < grid[:, None, None])
    point = np.clip(point, 0, size - 1)
    low = np.minimum(np.floor(point), max(size - 2, 0))  # (k, P, S)
    total = (inside / divisor[:, None, None]).astype(kind)
    high_weight = total * (point - low).astype(kind)
    low_weight = total - high_weight
    low = low.astype(np.int32)
    reach = float(pitch.max()) * max(most - 1, 0)
    taps = size if reach >= size else min(int(np.ceil(reach)) + 2, size)
    if taps >= 2 * most:  # points further apart than a pixel: nothing to merge
        index = np.concatenate([low, np.minimum(low + 1, size - 1)], 2)
        return index, np.concatenate([low_weight, high_weight], 2)
    base = np.minimum(low.min(2, keepdims=True), size - taps)  # (k, P, 1)
    place = np.minimum(low - base, max(taps - 2, 0))
    place += np.arange(begin.size, dtype=np.int32).reshape(*begin.shape, 1) * (taps + 1)
    slots = begin.size * (taps + 1)  # one more a bin than there are taps: it only serves maps of one pixel
    weight = np.bincount(place.ravel(), low_weight.ravel(), slots)
    weight += np.bincount(place.ravel() + 1, high_weight.ravel(), slots)
    index = base + np.arange(taps, dtype=np.int32)
    return index, weight.reshape(*begin.shape, taps + 1)[:, :, :taps].astype(kind)


def _groups(
    points: npt.NDArray[np.int64], bins: tuple[int, int], channels: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the boxes that share a table: few groups, little padding.

    Args:
        points: ``(K, 2)`` points a bin along x and y.
        bins: ``(P, Q)``.
        channels: Weigh padding, which is summed over, against one more group.

    Yields:
        ``(k,)`` indices of boxes, rising.
    """
    need = points + 1  # taps of one axis, about
    size = np.where(need <= 8, need, 1 << np.ceil(np.log2(need)).astype(np.int64))
    best_cost = np.inf
    for plan in (np.zeros(len(need), dtype=np.int64), size.max(1), size[:, 0] << 32 | size[:, 1]):
        group = np.unique(plan, return_inverse=True)[1]
        count = np.bincount(group)
        widest = np.zeros((len(count), 2), dtype=np.int64)
        np.maximum.at(widest, group, need)
        table = widest.prod(1) * bins[0] * bins[1]  # taps of one box
        cost = float((count * table).sum()) * (channels + _TAP_COST) + len(count) * _GROUP_COST
        if cost < best_cost:
            best_cost, member, taps = cost, group, table
    order = np.argsort(member, kind="stable")
    ends = np.cumsum(np.bincount(member)).tolist()
    for begin, end, table in zip([0, *ends[:-1]], ends, taps.tolist(), strict=True):
        chunk = max(1, MAX_TAPS // table)
        for first in range(begin, end, chunk):
            yield order[first : min(first + chunk, end)]
