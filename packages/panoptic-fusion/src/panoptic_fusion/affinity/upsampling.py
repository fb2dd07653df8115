"""The best channel at full resolution of channels at a lower one, without upsampling them.

Bilinear interpolation mixes the four values around a pixel. Where one channel is the best of all four corners
it is the best everywhere between them; else only channels can win whose highest corner reaches the best of
all lowest corners: a few, of hundreds.
"""

from functools import reduce
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._windows import is_host

_VALUES_AT_ONCE = 1 << 18  # of all channels of a strip, on the host
_PIXELS_AT_ONCE = (1 << 15) - 1  # of the result there: less than PyTorch gives to a second thread
_VALUES_AT_ONCE_ON_DEVICE = 1 << 26


class _Axis(NamedTuple):
    """The two cells that each pixel lies between, and the weight of the second, ``(n,)``."""

    low: Tensor
    high: Tensor
    weight: Tensor


def upsampled_argmax(
    values: Tensor, winners: Tensor, size: tuple[int, int], stride: tuple[float, float]
) -> Tensor:
    """Return the best channel of the bilinear upsampling; equal values: the lowest channel.

    Args:
        values: ``(K, h, w)`` float32, ``K >= 1``, finite.
        winners: ``(h, w)`` int32, their best channels.
        size: ``(H, W)`` of the result.
        stride: Pixels of the result in a cell, y and x. Pixel and cell centres as in
            ``F.interpolate(mode="bilinear", align_corners=False)``; cells beyond the result are cut off.

    Returns:
        ``(H, W)`` int32.
    """
    channels, height, width = values.shape
    y = _axis(size[0], stride[0], height, values.device)
    x = _axis(size[1], stride[1], width, values.device)
    down, right = _next(winners, 0), _next(winners, 1)
    agree = (winners == down) & (winners == right) & (winners == _next(down, 1))
    out = torch.empty(size, dtype=torch.int32, device=values.device)
    budget = _VALUES_AT_ONCE if is_host(values) else _VALUES_AT_ONCE_ON_DEVICE
    cells_at_once = budget // channels
    if is_host(values):
        cells_at_once = min(cells_at_once, int(_PIXELS_AT_ONCE / (stride[0] * stride[1])))
    step = max(1, cells_at_once // width)
    begins = range(0, height, step)
    edges = torch.tensor([*begins, height], device=values.device)
    rows = torch.searchsorted(y.low, edges).tolist()  # the pixel rows between the cells of a strip
    for begin, top, bottom in zip(begins, rows[:-1], rows[1:], strict=True):
        cells = y.low[top:bottom]
        out[top:bottom] = winners.index_select(0, cells).index_select(1, x.low)
        open_row, open_column = (~agree[begin : begin + step]).nonzero().unbind(1)
        if top < bottom and open_row.numel():
            axes = _Axis(*(part[top:bottom] for part in y)), x
            _settle(out[top:bottom], values, begin, (open_row + begin, open_column), axes)
    return out


def _next(cells: Tensor, dim: int) -> Tensor:
    """Return each cell's next one along a dimension, the last one's itself, same shape."""
    return torch.cat([cells.narrow(dim, 1, cells.shape[dim] - 1), cells.narrow(dim, -1, 1)], dim=dim)


def _axis(pixels: int, stride: float, cells: int, device: torch.device) -> _Axis:
    position = (torch.arange(pixels, dtype=torch.float64, device=device) + 0.5) / stride - 0.5
    position = position.clamp(0, cells - 1)
    low = position.floor().long()
    return _Axis(low, (low + 1).clamp(max=cells - 1), (position - low).float())


def _settle(
    out: Tensor, values: Tensor, begin: int, quads: tuple[Tensor, Tensor], axes: tuple[_Axis, _Axis]
) -> None:
    """Decide the pixels between corners that disagree, into `out`, a strip of rows.

    Args:
        out: ``(n, W)`` int32.
        values: ``(K, h, w)``.
        begin: The first row of cells of the strip.
        quads: Row and column of the first corner of each group of four, ``(Q,)``.
        axes: The rows of this strip, and the columns.
    """
    y, x = axes
    row, column = quads
    height, width = values.shape[1:]
    below, right = (row + 1).clamp(max=height - 1), (column + 1).clamp(max=width - 1)
    places = [row * width + column, row * width + right, below * width + column, below * width + right]
    channels, counts = _candidates(values, places)
    firsts = counts.cumsum(0) - counts
    number = torch.full((int(y.low[-1]) + 1 - begin, width), -1, device=values.device)
    chosen = row <= y.low[-1]  # cells beyond the result are nobody's
    number[row[chosen] - begin, column[chosen]] = chosen.nonzero().view(-1)
    quad_map = number.index_select(0, y.low - begin).index_select(1, x.low)  # (n, W)
    pixel = (quad_map >= 0).view(-1).nonzero().view(-1)  # (P,)
    quad = quad_map.view(-1).index_select(0, pixel)
    down = y.weight.index_select(0, pixel // out.shape[1])
    across = x.weight.index_select(0, pixel % out.shape[1])
    up, back = 1 - down, 1 - across
    weights = [up * back, up * across, down * back, down * across]
    best = values.new_full((out.numel(),), -torch.inf)
    flat, cells, area = out.view(-1), values.view(-1), height * width
    for turn in range(int(counts.max())):  # channels rise: of equal values the first stays
        if turn:
            live = (counts.index_select(0, quad) > turn).nonzero().view(-1)
            pixel, quad, *weights = (part.index_select(0, live) for part in (pixel, quad, *weights))
        channel = channels.index_select(0, firsts.index_select(0, quad) + turn)  # (P,)
        value = torch.zeros_like(weights[0])
        for place, weight in zip(places, weights, strict=True):
            value += cells.index_select(0, channel * area + place.index_select(0, quad)) * weight
        before, chosen_before = best.index_select(0, pixel), flat.index_select(0, pixel)
        best.index_copy_(0, pixel, torch.maximum(before, value))
        flat.index_copy_(0, pixel, torch.where(value > before, channel.int(), chosen_before))


def _candidates(values: Tensor, places: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the channels that can win between four corners.

    Args:
        values: ``(K, h, w)``.
        places: Four corners of each group in the flattened maps, ``(Q,)`` each.

    Returns:
        The channels of the first group, rising, then those of the next, ``(M,)`` int64; how many each group
        has, ``(Q,)`` int64, at least one.
    """
    cells = values.flatten(1)
    if is_host(values):  # NumPy gives nothing to a second thread
        host = [np.take(cells.numpy(), place.numpy(), axis=1) for place in places]
        high, low = reduce(np.maximum, host), reduce(np.minimum, host)
        possible = torch.from_numpy(np.ascontiguousarray((high >= low.max(axis=0)).T))  # (Q, K)
        pairs = np.nonzero(possible.numpy())
        return torch.from_numpy(pairs[1]), torch.from_numpy(np.bincount(pairs[0], minlength=len(possible)))
    corners = [cells.index_select(1, place) for place in places]  # (K, Q) each
    highest, lowest = reduce(torch.maximum, corners), reduce(torch.minimum, corners)
    possible = (highest >= lowest.amax(dim=0)).T
    return possible.nonzero()[:, 1], possible.sum(dim=1)
