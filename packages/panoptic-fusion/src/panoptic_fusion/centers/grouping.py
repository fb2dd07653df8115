"""Grouping: the nearest center of every thing pixel (arXiv:1911.10194, section 3.2).

On the host a table of square cells says which centers can be the nearest one of some point in the cell;
mostly that is one, and the pixel is done. Elsewhere a GPU goes through the centers one by one. Both compare
the same float32 distances, so that they, and the plain loop, agree in every pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_bool, check_device, check_shape
from panoptic_fusion._windows import is_host, row_bands

_CELLS = 8192  # at most, in the table
_SMALLEST_CELL = 8  # pixels
_MARGIN = 4  # cells around the image: where most offsets that miss it lead
_DISTANCES_AT_ONCE = 1 << 18  # while the table is made
_SLACK = 1e-5  # relative; float32 distances are off by less than 1e-6


@torch.no_grad()
def group_pixels(centers: ArrayLike, offsets: ArrayLike, thing_mask: ArrayLike) -> Tensor:
    """Give every thing pixel the nearest center after its offset.

    Pixel ``(y, x)`` goes to the ``k`` with the least ``(y + offsets[0] - centers[k, 0])**2 + (x + offsets[1]
    - centers[k, 1])**2``, in float32; equal distances: the lowest ``k``. Memory beyond the result does not
    grow with the number of pixels on the host, and nowhere with centers x pixels.

    Args:
        centers: ``(K, 2)`` integers or floats, y and x, in pixels; a pixel's own place is a whole number.
            They may lie outside the image.
        offsets: ``(2, H, W)`` floats, y then x, from the pixel to its center.
        thing_mask: ``(H, W)`` bool.

    Returns:
        ``(H, W)`` int32 on the device of the offsets: ``1 + k``; 0 where there is no thing, and everywhere
        if there is no center.

    Raises:
        ValueError: If shapes or devices do not fit, or a center, or the offset of a thing pixel, is NaN or
            infinite.
        TypeError: If a dtype does not fit.

    Example:
        >>> centers = torch.tensor([[0, 0], [0, 4]])
        >>> offsets = torch.zeros(2, 1, 5)
        >>> offsets[1, 0, 4] = -4
        >>> thing_mask = torch.tensor([[True, False, True, True, True]])
        >>> group_pixels(centers, offsets, thing_mask).tolist()
        [[1, 0, 1, 2, 1]]
    """
    offsets, thing_mask = as_tensor(offsets, "offsets").detach(), as_tensor(thing_mask, "thing_mask")
    check_shape(offsets, "offsets", (2, None, None), "(2, H, W), y then x")
    _check_floats(offsets, "offsets")
    height, width = offsets.shape[1:]
    check_shape(thing_mask, "thing_mask", (height, width), f"(H, W) = {(height, width)} of `offsets`")
    check_bool(thing_mask, "thing_mask")
    check_device(thing_mask, "thing_mask", offsets.device, "offsets")
    points = _check_centers(centers, offsets.device)  # (K, 2) float32
    out = torch.zeros(height, width, dtype=torch.int32, device=offsets.device)
    if not len(points) or not out.numel():
        return out
    cells = _make_cells(points, (height, width)) if is_host(offsets) else None
    nearest = _nearest_one_by_one if cells is None else cells.nearest
    for rows in row_bands(out):
        flat = thing_mask[rows].reshape(-1).nonzero().view(-1)  # (P,)
        if not flat.numel():
            continue
        row = torch.div(flat, width, rounding_mode="floor")
        places = offsets[:, rows].reshape(2, -1).index_select(1, flat).float()  # (2, P)
        places[0] += row + rows.start
        places[1] += flat - row * width
        _check_places(places)
        out[rows].view(-1)[flat] = (nearest(places[0], places[1], points) + 1).to(torch.int32)
    return out


@dataclass
class _Cells:
    """Which centers can be the nearest one, for each square cell of the image and its surroundings.

    Attributes:
        side: Of a cell in pixels, a power of two: dividing by it is exact.
        shape: Rows and columns of cells; the first ones lie `_MARGIN` cells before the image. The outermost
            ring stands for everything beyond.
        only: ``(cells,)`` int64, the cell's single candidate; -1 if it has several, -2 in the ring.
        first: ``(cells,)`` int64, where the cell's candidates begin in `candidates`.
        count: ``(cells,)`` int64, how many it has.
        candidates: Indices of centers, rising in each cell.
    """

    side: int
    shape: tuple[int, int]
    only: Tensor
    first: Tensor
    count: Tensor
    candidates: Tensor

    def nearest(self, y: Tensor, x: Tensor, points: Tensor) -> Tensor:
        """Return the index of the nearest point, ``(P,)`` int64."""
        # The clamp keeps places far away within what an integer holds, and sends them to the ring.
        row = (y / self.side).floor_().add_(_MARGIN).clamp_(0, self.shape[0] - 1)
        column = (x / self.side).floor_().add_(_MARGIN).clamp_(0, self.shape[1] - 1)
        cell = row.mul_(self.shape[1]).add_(column).long()
        best = self.only[cell]
        choice = (best == -1).nonzero().view(-1)
        if choice.numel():
            best[choice] = self._choose(cell[choice], y[choice], x[choice], points)
        beyond = (best == -2).nonzero().view(-1)
        if beyond.numel():
            best[beyond] = _nearest_one_by_one(y[beyond], x[beyond], points)
        return best

    def _choose(self, cell: Tensor, y: Tensor, x: Tensor, points: Tensor) -> Tensor:
        """Return the nearest of the candidates; the pixels with most candidates come first meanwhile."""
        count, order = self.count[cell].sort(descending=True)
        cell, y, x = cell[order], y[order], x[order]
        first = self.first[cell]
        best = self.candidates[first]
        least = _distances(y, x, points[best])
        more = torch.bincount(count).flip(0).cumsum(0).flip(0).tolist()  # pixels with at least so many
        for turn in range(1, int(count[0])):
            reached = more[turn + 1]
            rival = self.candidates[first[:reached] + turn]
            distance = _distances(y[:reached], x[:reached], points[rival])
            closer = distance < least[:reached]  # equal ones stay with the lower index
            least[:reached] = torch.where(closer, distance, least[:reached])
            best[:reached] = torch.where(closer, rival, best[:reached])
        out = torch.empty_like(best)
        out[order] = best
        return out


def _make_cells(points: Tensor, size: tuple[int, int]) -> _Cells:
    """List the candidates of all cells.

    A center is one if its least distance to the cell is not above the least of all greatest distances.
    """
    side = _SMALLEST_CELL
    while -(-size[0] // side) * -(-size[1] // side) > _CELLS:
        side *= 2
    shape = -(-size[0] // side) + 2 * _MARGIN, -(-size[1] // side) + 2 * _MARGIN
    host = points.double().numpy()
    axes = []
    for axis in (0, 1):
        low = (np.arange(shape[axis])[:, None] - _MARGIN) * side  # (cells of the axis, 1)
        place = host[:, axis]
        least = np.maximum(np.maximum(low - place, place - (low + side)), 0)
        greatest = np.maximum(np.abs(place - low), np.abs(place - (low + side)))
        axes.append((least**2, greatest**2))  # (cells of the axis, K)
    (least_y, greatest_y), (least_x, greatest_x) = axes
    counts, candidates = [], []
    rows = max(1, _DISTANCES_AT_ONCE // max(greatest_x.size, 1))
    for top in range(0, shape[0], rows):
        piece = slice(top, top + rows)
        limit = (greatest_y[piece, None] + greatest_x).min(axis=2)  # (rows, columns)
        possible = least_y[piece, None] + least_x <= limit[..., None] * (1 + _SLACK)  # (rows, columns, K)
        counts.append(possible.sum(axis=2).reshape(-1))
        candidates.append(possible.nonzero()[2])
    count, listed = torch.from_numpy(np.concatenate(counts)), torch.from_numpy(np.concatenate(candidates))
    first = count.cumsum(0) - count
    only = torch.where(count == 1, listed[first], -1).view(shape)
    only[[0, -1]] = only[:, [0, -1]] = -2
    return _Cells(side, shape, only.view(-1), first, count, listed)


def _nearest_one_by_one(y: Tensor, x: Tensor, points: Tensor) -> Tensor:
    """Return the index of the nearest point, ``(P,)`` int64, by going through all of them."""
    least = torch.full_like(y, torch.inf)
    best = torch.zeros_like(y, dtype=torch.int64)
    for k, point in enumerate(points):
        distance = _distances(y, x, point)
        closer = distance < least
        least = torch.where(closer, distance, least)
        best.masked_fill_(closer, k)
    return best


def _distances(y: Tensor, x: Tensor, points: Tensor) -> Tensor:
    """Return squared distances to ``(2,)`` or ``(P, 2)`` points, ``(P,)``.

    Every step rounds to float32 by itself: no fused multiplication, which would differ between machines.
    """
    down = y - points[..., 0]
    right = x - points[..., 1]
    return down.mul_(down).add_(right.mul_(right))


def _check_floats(values: Tensor, name: str) -> None:
    if not values.is_floating_point():
        msg = f"Expected `{name}` to hold floats, got {values.dtype}."
        raise TypeError(msg)


def _check_centers(centers: ArrayLike, device: torch.device) -> Tensor:
    """Return the centers as float32, or raise where they are none."""
    centers = as_tensor(centers, "centers").detach()
    check_shape(centers, "centers", (None, 2), "(K, 2), y and x")
    check_device(centers, "centers", device, "offsets")
    points = centers.float()
    if not bool(points.isfinite().all()):
        msg = f"Expected `centers` to be finite, got NaN or infinity among {len(points)} centers."
        raise ValueError(msg)
    return points


def _check_places(places: Tensor) -> None:
    """Raise where a place ``(2, P)``, a pixel plus its offset, is not finite."""
    if not bool(torch.stack(torch.aminmax(places)).isfinite().all()):
        bad = int((~places.isfinite()).any(dim=0).sum())
        msg = (
            f"Expected `offsets` to be finite at thing pixels, got NaN or infinity at {bad} "
            f"of {places.shape[1]} of them."
        )
        raise ValueError(msg)
