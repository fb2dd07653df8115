"""Which pixels, with which weights, make up each bin of RoIAlign."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from panoptic_core.ops._row_sums import index_dtype

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
    """A rectangular table of bags: box by box, bin by bin, ``B = k * P * Q`` rows of ``T`` taps."""

    boxes: Tensor  # (k,) which boxes
    index: Tensor  # (B, T) int32 or int64, rows of the (N * H * W, C) pixels
    weight: Tensor  # (B, T)


def roi_bags(
    rois: Tensor, input_shape: tuple[int, ...], geometry: RoIGeometry, dtype: torch.dtype
) -> Iterator[RoIBags]:
    """Yield the tables that together cover all boxes once.

    Args:
        rois: ``(K, 5)``, image index and xyxy.
        input_shape: ``(N, C, H, W)``.
        geometry: The numbers of the operator.
        dtype: Type of the weights.

    Yields:
        Tables of at most 4 million taps (or one box).
    """
    if not len(rois):
        return
    num_maps, channels, height, width = input_shape
    rois = rois.detach().to(torch.float64 if rois.dtype == torch.float64 else dtype)
    image = rois[:, 0].to(index_dtype(num_maps * height * width))
    shift = 0.5 if geometry.aligned else 0.0
    start = rois[:, 1:3] * geometry.spatial_scale - shift  # (K, 2) x, y
    extent = rois[:, 3:5] * geometry.spatial_scale - shift - start
    if not geometry.aligned:
        extent = extent.clamp(min=1)
    finite = (start.isfinite() & extent.isfinite()).all(1, keepdim=True)
    start, extent = start.where(finite, 0), extent.where(finite, 0)
    step = extent / extent.new_tensor(geometry.bins[::-1])  # size of a bin
    if geometry.sampling_ratio > 0:
        grid = torch.full_like(step, geometry.sampling_ratio)
    else:
        grid = step.ceil().clamp_(0, _MAX_GRID)
    grid *= finite  # no points, hence zeros
    lines = torch.stack([start, step, grid])  # (3, K, 2)
    points = grid.cpu().numpy().astype(np.int64)
    for group in _groups(np.minimum(points, 2 * np.array([width, height]) + 8), geometry.bins, channels):
        boxes, most = torch.from_numpy(group).to(rois.device), points[group].max(0).tolist()
        part = lines[:, boxes]
        column, along = _axis_taps(part[..., 0], geometry.bins[1], width, most[0], dtype)
        row, down = _axis_taps(part[..., 1], geometry.bins[0], height, most[1], dtype)
        row = (row + (image[boxes] * height)[:, None, None]) * width  # (k, P, Ty)
        index = _outer(torch.add, row, column)
        weight = _outer(torch.mul, down, along)
        yield RoIBags(boxes, index, weight)


def _outer(combine: Callable[[Tensor, Tensor], Tensor], down: Tensor, across: Tensor) -> Tensor:
    """Combine ``(k, P, Ty)`` and ``(k, Q, Tx)`` to ``(k * P * Q, Ty * Tx)``."""
    rows, columns = down.shape[2], across.shape[2]
    down = down[:, :, :, None].expand(-1, -1, -1, columns).flatten(2)  # (k, P, Ty * Tx)
    across = across[:, :, None, :].expand(-1, -1, rows, -1).flatten(2)  # (k, Q, Ty * Tx)
    return combine(down[:, :, None], across[:, None]).flatten(0, 2)


def _axis_taps(lines: Tensor, bins: int, size: int, most: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Merge the points of each bin along one axis into weights of pixels.

    Args:
        lines: ``(3, k)``: where the boxes begin, the size of their bins, points a bin (whole numbers).
        bins: Bins ``P``.
        size: Pixels of the map along this axis.
        most: The largest number of points.
        dtype: Type of the weights.

    Returns:
        ``(k, P, T)`` int32 pixels in ``[0, size)`` and their weights.
    """
    start, step, grid = lines
    begin = start[:, None] + torch.arange(bins, device=start.device) * step[:, None]  # (k, P)
    share = 1 / grid.clamp(min=1)
    pitch = step * share  # distance of two points
    number = torch.arange(most, device=start.device)  # (S,)
    if most > 2 * size + 8:  # a bin far larger than the map: only the points near it, (k, P, S)
        most = min(most, int((size + 4) / max(float(pitch[grid > 1].min()), 1e-6)) + 2)
        skipped = ((-2 - begin) / pitch[:, None]).nan_to_num_(0, 0, 0).floor_().clamp_(min=0)
        number = skipped[:, :, None] + number[:most]
    point = begin[:, :, None] + (number + 0.5) * step[:, None, None] / grid.clamp(min=1)[:, None, None]
    inside = (point >= -1) & (point <= size) & (number < grid[:, None, None])
    point = point.clamp_(0, size - 1)
    low = point.floor().clamp_(max=max(size - 2, 0))  # (k, P, S)
    total = (inside * share[:, None, None]).to(dtype)
    high_weight = total * (point - low).to(dtype)
    low_weight = total - high_weight
    low = low.to(torch.int64)
    reach = float(pitch.max()) * max(most - 1, 0) if pitch.numel() else 0.0
    taps = size if reach >= size else min(int(np.ceil(reach)) + 2, size)
    if taps >= 2 * most:  # points further apart than a pixel: nothing to merge
        index = torch.cat([low, low + 1], 2).clamp_(max=size - 1)
        return index.to(torch.int32), torch.cat([low_weight, high_weight], 2)
    base = low.amin(2, keepdim=True).clamp_(max=size - taps)  # (k, P, 1)
    place = (low - base).clamp_(max=max(taps - 2, 0))
    weight = torch.zeros(*begin.shape, taps + 1, dtype=dtype, device=start.device)
    weight.scatter_add_(2, place, low_weight).scatter_add_(2, place + 1, high_weight)
    index = base + torch.arange(taps, device=start.device)
    return index.to(torch.int32), weight[:, :, :taps]  # the last slot only serves maps of one pixel


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
