"""Greedy suppression in numpy: what :func:`panoptic_core.ops.nms` runs on the CPU.

Calls are small and many there, and numpy wakes no threads. Two plans say which pairs of boxes are looked at:

* *blocks*: boxes by falling score, each block against everything that is left, suppressed boxes dropped on
  the way. Right for boxes which lie on top of each other, and so the first block is always done this way.
* *sweep*: boxes sorted along the axis that separates them better, each block against those which begin before
  its last one ends. Right for boxes which are spread out; classes moved apart by mmcv's ``batched_nms`` never
  meet.
"""

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.floating]
_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

_BLOCK = 64  # rows and
_WIDTH = 512  # columns of the pairs that are looked at together: four such matrices stay in the cache
_LATER = np.triu(np.ones((_BLOCK, _BLOCK), dtype=bool), 1)
_MAX_PAIRS = 1 << 23  # overlapping pairs that a sweep may hold


def suppress(ordered: _Floats, iou_threshold: float, offset: int) -> _Ints:
    """Suppress boxes that are sorted by falling score.

    Args:
        ordered: ``(4, N)`` rows x1, y1, x2, y2, float32 or float64, contiguous.
        iou_threshold: A box is suppressed by a kept one before it if their IoU is greater.
        offset: Added to widths and heights, 0 or 1.

    Returns:
        ``(K,)`` int64 columns of the kept boxes, rising.
    """
    threshold = ordered.dtype.type(iou_threshold)
    rank = np.arange(ordered.shape[1])
    kept = []
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        boxes = _with_areas(ordered, offset)
        while rank.size:
            size = min(_BLOCK, rank.size)
            suppresses = _overlaps(boxes[:, :size], boxes, threshold, offset)  # (size, n)
            keep = _settle(suppresses[:, :size] & _LATER[:size, :size])
            kept.append(rank[:size][keep])
            if rank.size == size:
                break
            left = np.flatnonzero(np.logical_not(suppresses[keep, size:].any(axis=0))) + size
            boxes, rank = boxes.take(left, axis=1), rank[left]
            if len(kept) == 1 and rank.size > 2 * _BLOCK and threshold >= 0:
                swept = _sweep(boxes, threshold, offset)
                if swept is not None:
                    kept.append(rank[swept])
                    break
    return np.concatenate(kept) if kept else rank


def _with_areas(ordered: _Floats, offset: int) -> _Floats:
    x1, y1, x2, y2 = ordered
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    return np.concatenate([ordered, areas[None]])  # (5, N)


def _overlaps(rows: _Floats, columns: _Floats, threshold: np.floating, offset: int) -> _Bools:
    """Say of every pair whether its IoU is above the threshold, ``(5, m)`` and ``(5, n)`` to ``(m, n)``."""
    num, width = rows.shape[1], columns.shape[1]
    above = np.empty((num, width), dtype=bool)
    scratch = np.empty(4 * num * min(width, _WIDTH), dtype=rows.dtype)
    for begin in range(0, width, _WIDTH):
        part = columns[:, begin : begin + _WIDTH]
        extent, other = scratch[: 4 * num * part.shape[1]].reshape(2, 2, num, -1)  # of x and y
        np.minimum(rows[2:4, :, None], part[2:4, None], out=extent)
        np.maximum(rows[:2, :, None], part[:2, None], out=other)
        np.subtract(extent, other, out=extent)
        if offset:
            np.add(extent, offset, out=extent)
        np.maximum(extent, np.zeros_like(part[0]), out=extent)  # a row of zeros is faster here than a zero
        inter, union = extent[0], other[0]
        np.multiply(inter, extent[1], out=inter)
        np.add(rows[4, :, None], part[4], out=union)
        np.subtract(union, inter, out=union)
        np.divide(inter, union, out=inter)
        np.greater(inter, threshold, out=above[:, begin : begin + _WIDTH])
    return above


def _settle(among: _Bools) -> _Bools:
    """Find the greedy choice: ``among[i, j]`` says that ``i`` would suppress the later ``j``."""
    keep = np.ones(len(among), dtype=bool)
    while True:
        settled = np.logical_not(among[keep].any(axis=0))
        if np.array_equal(settled, keep):
            return keep
        keep = settled


def _sweep(boxes: _Floats, threshold: np.floating, offset: int) -> _Ints | None:
    """:func:`suppress` by sweeping along one axis, or None if it would not pay."""
    num = boxes.shape[1]
    starts = np.arange(0, num, _BLOCK)
    order, end = np.arange(0), np.arange(0)
    fewest = num * num // 5
    for axis in (0, 1):
        by_begin = np.argsort(boxes[axis])
        reach = np.maximum.reduceat(boxes[2 + axis][by_begin], starts)
        if offset:  # one pixel further, and what rounding may add
            reach += offset + 8 * np.finfo(reach.dtype).eps * np.abs(reach)
        # A box whose numbers are not finite sorts last or reaches everything.
        until = np.maximum(boxes[axis][by_begin].searchsorted(reach), np.minimum(starts + _BLOCK, num))
        pairs = int((until - starts).sum()) * _BLOCK
        if pairs < fewest:
            order, end, fewest = by_begin, until, pairs
    if not order.size:
        return None
    boxes = boxes.take(order, axis=1)
    winners, losers, total = [], [], 0
    for begin, stop in zip(starts.tolist(), end.tolist(), strict=True):
        above = _overlaps(boxes[:, begin : begin + _BLOCK], boxes[:, begin:stop], threshold, offset)
        row, column = np.divmod(np.flatnonzero(above), stop - begin)
        once = column > row
        first, second = order[row[once] + begin], order[column[once] + begin]
        winners.append(np.minimum(first, second))
        losers.append(np.maximum(first, second))
        total += first.size
        if total > _MAX_PAIRS:
            return None
    winner, loser = np.concatenate(winners), np.concatenate(losers)
    keep = np.ones(num, dtype=bool)
    while True:  # as in `_settle`, over a list of pairs
        settled = np.ones(num, dtype=bool)
        settled[loser[keep[winner]]] = False
        if np.array_equal(settled, keep):
            return np.flatnonzero(keep)
        keep = settled
