"""Regions of a map by its row runs: tight boxes of segments and connected components.

A run is a longest stretch of equal values in one row. A map of two million pixels has some ten thousand runs:
everything after the first pass works on those. Pure PyTorch, any device, exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_integer, check_shape
from panoptic_fusion.segmentation import PanopticSegmentation


class RowRuns(NamedTuple):
    """The ``R`` runs of a map in reading order, ``(R,)`` int64 each, values in the map's dtype."""

    values: Tensor
    rows: Tensor
    starts: Tensor
    ends: Tensor

    @property
    def lengths(self) -> Tensor:
        """Pixels of each run."""
        return self.ends - self.starts


def row_runs(values: Tensor) -> RowRuns:
    """Cut the rows of an ``(H, W)`` map into runs of equal values."""
    height, width = values.shape
    begins = torch.ones(height, width, dtype=torch.bool, device=values.device)
    torch.ne(values[:, 1:], values[:, :-1], out=begins[:, 1:])
    flat = begins.view(-1).nonzero().view(-1)  # (R,)
    rows = torch.div(flat, max(width, 1), rounding_mode="floor")
    next_flat = torch.cat([flat[1:], flat.new_tensor([height * width])])[: flat.numel()]
    return RowRuns(values.reshape(-1)[flat], rows, flat - rows * width, next_flat - rows * width)


def segment_boxes(seg: PanopticSegmentation) -> Tensor:
    """Return the tight boxes of the segments.

    Args:
        seg: A panoptic map.

    Returns:
        ``(S, 4)`` int64 xyxy, half-open; zeros for a segment without pixels.

    Example:
        >>> id_map = torch.tensor([[0, 0, 0], [0, 3, 0], [3, 3, 0]])
        >>> segment_boxes(PanopticSegmentation.from_id_map(id_map, [3], [0], [True])).tolist()
        [[0, 1, 2, 3]]
    """
    values, rows, starts, ends = row_runs(seg.id_map)
    known, order = seg.ids.sort()
    boxes = torch.zeros(len(seg), 4, dtype=torch.int64, device=seg.device)
    if not len(seg):
        return boxes
    filled = values > 0
    owner = order[torch.searchsorted(known, values[filled])]  # (R',)
    sides = ((0, starts, "amin"), (1, rows, "amin"), (2, ends, "amax"), (3, rows + 1, "amax"))
    for side, ordinates, reduce in sides:
        boxes[:, side].scatter_reduce_(0, owner, ordinates[filled], reduce, include_self=False)
    return boxes


def connected_components(values: ArrayLike, *, connectivity: int = 8) -> tuple[Tensor, Tensor]:
    """Number the connected regions of equal value.

    Args:
        values: ``(H, W)`` integers; every value counts, 0 too.
        connectivity: 8 (edges and corners join) or 4 (edges only).

    Returns:
        ``(H, W)`` int64 component numbers from 0, in reading order of their first pixels, and ``(K,)`` int64
        pixels of each component.

    Raises:
        ValueError: If `connectivity` is neither 4 nor 8.

    Example:
        >>> numbers, areas = connected_components(torch.tensor([[5, 0, 5], [0, 5, 5]]), connectivity=4)
        >>> numbers.tolist(), areas.tolist()
        ([[0, 1, 2], [3, 2, 2]], [1, 1, 3, 1])
    """
    values = as_tensor(values, "values")
    check_shape(values, "values", (None, None), "(H, W)")
    check_integer(values, "values")
    runs = row_runs(values)
    component = run_components(values, runs, connectivity)
    count = int(component.max()) + 1 if component.numel() else 0
    areas = torch.zeros(count, dtype=torch.int64, device=values.device).index_add_(0, component, runs.lengths)
    return component.repeat_interleave(runs.lengths).view(values.shape), areas


def run_components(values: Tensor, runs: RowRuns, connectivity: int) -> Tensor:
    """Return the component number of each run, ``(R,)`` int64, numbered by their first runs."""
    if connectivity not in (4, 8):
        msg = f"Expected `connectivity` to be 4 or 8, got {connectivity}."
        raise ValueError(msg)
    upper, lower = _touching_runs(values, runs, connectivity)
    parent = torch.arange(runs.rows.numel(), device=values.device)
    while upper.numel():
        # Hook every tree's root below the smallest neighbouring root, then flatten the trees.
        low, high = torch.minimum(upper, lower), torch.maximum(upper, lower)
        parent.scatter_reduce_(0, high, low, "amin")
        parent = _flatten(parent)
        upper, lower = parent[upper], parent[lower]
        apart = upper != lower
        upper, lower = upper[apart], lower[apart]
    return torch.unique(parent, return_inverse=True)[1]


def _touching_runs(values: Tensor, runs: RowRuns, connectivity: int) -> tuple[Tensor, Tensor]:
    """Return the pairs of runs of equal value that touch, the upper one and the lower one, ``(P,)`` each."""
    width = values.shape[1]
    begins = torch.zeros(values.numel(), dtype=torch.bool, device=values.device)
    begins[runs.rows * width + runs.starts] = True
    begins = begins.view(values.shape)
    # Straight below: equal, and one of the two runs begins here (else the pixel to the left said it already).
    straight = (values[1:] == values[:-1]) & (begins[1:] | begins[:-1])
    pairs = [(straight, 0, 0)]
    if connectivity == 8:
        # Across a corner: only where the run above ends and the run below begins, or the other way round.
        pairs.append(((values[1:, 1:] == values[:-1, :-1]) & begins[1:, 1:] & begins[:-1, 1:], 0, 1))
        pairs.append(((values[1:, :-1] == values[:-1, 1:]) & begins[1:, 1:] & begins[:-1, 1:], 1, 0))
    flat_begins = runs.rows * width + runs.starts
    upper: list[Tensor] = []
    lower: list[Tensor] = []
    for touch, shift_upper, shift_lower in pairs:
        y, x = touch.nonzero(as_tuple=True)
        for into, flat in ((upper, y * width + x + shift_upper), (lower, (y + 1) * width + x + shift_lower)):
            into.append(torch.searchsorted(flat_begins, flat, right=True) - 1)
    return torch.cat(upper), torch.cat(lower)


def _flatten(parent: Tensor) -> Tensor:
    """Let every node point at its root."""
    while True:
        grand = parent[parent]
        if torch.equal(grand, parent):
            return parent
        parent = grand
