"""The best channel at full resolution of channels at a lower one, without upsampling them.

Bilinear interpolation mixes the four values around a pixel. Where one channel is the best of all four corners
it is the best everywhere between them; else only channels can win whose highest corner reaches the best of
all lowest corners: a few, of hundreds.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from panoptic_fusion._windows import is_host

_VALUES_AT_ONCE = 1 << 21  # corners of all channels of a strip, on the host
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
    step = max(1, budget // (4 * channels * max(width, 1)))
    begins = range(0, height, step)
    edges = torch.tensor([*begins, height], device=values.device)
    rows = torch.searchsorted(y.low, edges).tolist()  # the pixel rows between the cells of a strip
    for begin, top, bottom in zip(begins, rows[:-1], rows[1:], strict=True):
        cells = y.low[top:bottom]
        out[top:bottom] = winners[cells][:, x.low]
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
    cells = values.flatten(1)
    corners = torch.stack([cells.index_select(1, place) for place in places])  # (4, K, Q)
    possible = corners.amax(dim=0) >= corners.amin(dim=0).amax(dim=0)  # (K, Q)
    turns = possible.cumsum(dim=0, dtype=torch.int32)
    number = torch.full((int(y.low[-1]) + 1 - begin, width), -1, device=values.device)
    chosen = row <= y.low[-1]  # cells beyond the result are nobody's
    number[row[chosen] - begin, column[chosen]] = chosen.nonzero().view(-1)
    quad_map = number[y.low - begin][:, x.low]  # (n, W)
    pixel = (quad_map >= 0).view(-1).nonzero().view(-1)  # (P,)
    quad = quad_map.view(-1)[pixel]
    down, across = y.weight[pixel // out.shape[1]], x.weight[pixel % out.shape[1]]
    up, back = 1 - down, 1 - across
    weights = torch.stack([up * back, up * across, down * back, down * across])  # (4, P)
    best = torch.full((out.numel(),), -torch.inf, device=values.device)
    flat = out.view(-1)
    every = torch.arange(len(row), device=values.device)
    for turn in range(1, int(turns[-1].max()) + 1):  # channels rise: of equal values the first stays
        if turn > 1:
            live = (turns[-1][quad] >= turn).nonzero().view(-1)
            pixel, quad, weights = pixel[live], quad[live], weights[:, live]
        channel = (turns < turn).sum(dim=0).clamp(max=len(values) - 1)  # (Q,)
        value = (corners[:, channel, every].index_select(1, quad) * weights).sum(dim=0)  # (P,)
        before = best[pixel]
        best[pixel] = torch.maximum(before, value)
        flat[pixel] = torch.where(value > before, channel[quad].int(), flat[pixel])
