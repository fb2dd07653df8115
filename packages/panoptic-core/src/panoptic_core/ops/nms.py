"""Greedy non-maximum suppression, in numpy on the CPU and in PyTorch elsewhere.

The rule is mmcv's (and torchvision's with ``offset=0``): go through the boxes by falling score; a box that is
still there suppresses every later one whose IoU with it is *greater* than the threshold. Equal scores keep
their input order.

The textbook loop is sequential. Here the IoUs of many pairs are computed at once, and the greedy choice is
found as the fixed point of ``keep[j] = no kept i before j overlaps j``: starting from "all kept", every round
settles at least the next link of each chain of suppressions, so it ends after as many rounds as the longest
chain has links, usually two to five. Two plans say which pairs are looked at:

* *sweep*: boxes sorted along the axis that separates them better, each block of boxes against those which
  begin before its last one ends. Classes moved apart by mmcv's ``batched_nms`` never meet here.
* *blocks*: boxes by falling score, each block against everything that is left, suppressed boxes dropped on
  the way. Right for boxes which all lie on top of each other.

On the CPU numpy is used because calls are small and many: it wakes no threads.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from panoptic_core.ops._torchvision import torchvision_ops

_Floats = npt.NDArray[np.floating]
_Ints = npt.NDArray[np.int64]
_BLOCK = 96  # rows of one IoU matrix on the CPU: the matrices stay in the second-level cache
_BLOCK_GPU = 2048


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Select boxes by greedy non-maximum suppression.

    Args:
        boxes: ``(N, 4)``, xyxy, any floating type; narrower types than float32 are widened.
        scores: ``(N,)``.
        iou_threshold: A box is suppressed if its IoU with a kept one of higher score is greater.
        offset: Added to widths and heights: 0 for half-open boxes, 1 for boxes of inclusive pixels.

    Returns:
        ``(K,)`` int64 indices of the kept boxes by falling score, equal scores in input order.

    Raises:
        ValueError: If the shapes do not fit or ``offset`` is neither 0 nor 1.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]])
        >>> nms(boxes, torch.tensor([0.5, 0.9, 0.7]), 0.5).tolist()
        [1, 2]
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        msg = (
            "Expected `boxes` of shape (N, 4) and `scores` of shape (N,), got "
            f"{tuple(boxes.shape)} and {tuple(scores.shape)}."
        )
        raise ValueError(msg)
    if offset not in (0, 1):
        msg = f"Expected `offset` to be 0 (half-open boxes) or 1 (inclusive pixels), got {offset}."
        raise ValueError(msg)
    if boxes.shape[0] == 0:
        return torch.empty(0, dtype=torch.int64, device=boxes.device)
    boxes = boxes.detach().to(torch.float64 if boxes.dtype == torch.float64 else torch.float32)
    if boxes.is_cuda and offset == 0 and (ops := torchvision_ops()) is not None:
        kept: Tensor = ops.nms(boxes, scores.detach().to(boxes.dtype), iou_threshold)
        return kept
    order = torch.sort(scores.detach(), descending=True, stable=True).indices
    ordered = boxes[order].t().contiguous()  # (4, N)
    if boxes.device.type == "cpu":
        kept_ranks = torch.from_numpy(_nms_numpy(ordered.numpy(), iou_threshold, offset))
    else:
        kept_ranks = nms_by_blocks(ordered, iou_threshold, offset, _BLOCK_GPU)
    return order[kept_ranks]


def nms_by_blocks(ordered: Tensor, iou_threshold: float, offset: int, block: int) -> Tensor:
    """Suppress boxes that are sorted by falling score, on any device.

    Args:
        ordered: ``(4, N)`` x1, y1, x2, y2 rows, float32 or float64.
        iou_threshold: As in :func:`nms`.
        offset: As in :func:`nms`.
        block: Boxes of one round; memory is ``block x N`` numbers.

    Returns:
        ``(K,)`` int64 columns of the kept boxes, rising.
    """
    rank = torch.arange(ordered.shape[1], device=ordered.device)
    kept = []
    while rank.numel():
        suppresses = _overlap_torch(ordered[:, :block], ordered, offset) > iou_threshold  # (b, n)
        among = suppresses[:, :block].triu(1)
        keep = torch.ones(among.shape[0], dtype=torch.bool, device=ordered.device)
        while not torch.equal(keep, settled := ~(among & keep[:, None]).any(0)):
            keep = settled
        kept.append(rank[:block][keep])
        left = ~(suppresses[:, block:] & keep[:, None]).any(0)
        ordered, rank = ordered[:, block:][:, left], rank[block:][left]
    return torch.cat(kept)


def _overlap_torch(rows: Tensor, columns: Tensor, offset: int) -> Tensor:
    """IoU of every pair, ``(4, m)`` and ``(4, n)`` to ``(m, n)``."""
    (x1, y1, x2, y2), (u1, v1, u2, v2) = rows[:, :, None], columns
    inter = (torch.minimum(x2, u2) - torch.maximum(x1, u1) + offset).clamp_(min=0)
    inter *= (torch.minimum(y2, v2) - torch.maximum(y1, v1) + offset).clamp_(min=0)
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    return inter / (area + (u2 - u1 + offset) * (v2 - v1 + offset) - inter)


def _nms_numpy(ordered: _Floats, iou_threshold: float, offset: int) -> _Ints:
    """:func:`nms_by_blocks` in numpy, with the choice of a plan."""
    threshold = ordered.dtype.type(iou_threshold)
    x1, y1, x2, y2 = ordered
    areas = (x2 - x1 + offset) * (y2 - y1 + offset)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if ordered.shape[1] > 2 * _BLOCK and threshold >= 0:
            plan = _plan_sweep(ordered, offset)
            if plan is not None:
                return _sweep(ordered, areas, threshold, offset, *plan)
        return _blocks(ordered, areas, threshold, offset)


def _plan_sweep(ordered: _Floats, offset: int) -> tuple[_Ints, _Ints] | None:
    """Sort along the better axis: ``(order (N,), end (blocks,))``, or None if a sweep would not pay."""
    num = ordered.shape[1]
    best: tuple[_Ints, _Ints] | None = None
    fewest = num * num // 5
    for begins, ends in ((ordered[0], ordered[2]), (ordered[1], ordered[3])):
        order = np.argsort(begins, kind="stable")
        first = begins[order]
        reach = np.maximum.reduceat(ends[order], np.arange(0, num, _BLOCK))
        if offset:
            reach = reach + (offset + 8 * np.finfo(reach.dtype).eps * np.abs(reach))
        starts = np.arange(0, num, _BLOCK)
        end = np.searchsorted(first, reach, side="left")  # NaN boxes sort last and reach everything
        end = np.maximum(end, np.minimum(starts + _BLOCK, num))
        pairs = int((end - starts).sum()) * _BLOCK
        if pairs < fewest:
            best, fewest = (order, end), pairs
    return best


def _sweep(
    ordered: _Floats, areas: _Floats, threshold: np.floating, offset: int, order: _Ints, end: _Ints
) -> _Ints:
    along, areas = np.ascontiguousarray(ordered[:, order]), areas[order]
    firsts, seconds = [], []
    for begin, stop in zip(range(0, len(order), _BLOCK), end.tolist(), strict=True):
        rows = slice(begin, begin + _BLOCK)
        overlap = _overlap(along[:, rows], areas[rows], along[:, begin:stop], areas[begin:stop], offset)
        first, second = np.divmod(np.flatnonzero(overlap > threshold), stop - begin)
        later = second > first  # each pair once
        firsts.append(order[first[later] + begin])
        seconds.append(order[second[later] + begin])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    winner, loser = np.minimum(first, second), np.maximum(first, second)
    keep = np.ones(len(order), dtype=bool)
    while True:
        settled = np.ones(len(order), dtype=bool)
        settled[loser[keep[winner]]] = False
        if np.array_equal(settled, keep):
            return np.flatnonzero(keep)
        keep = settled


def _blocks(ordered: _Floats, areas: _Floats, threshold: np.floating, offset: int) -> _Ints:
    rank = np.arange(ordered.shape[1])
    kept = []
    while rank.size:
        size = min(_BLOCK, rank.size)
        overlap = _overlap(ordered[:, :size], areas[:size], ordered, areas, offset)
        suppresses = overlap > threshold  # (size, n)
        among = np.triu(suppresses[:, :size], 1)
        keep = np.ones(size, dtype=bool)
        while not np.array_equal(keep, settled := np.logical_not(among[keep].any(axis=0))):
            keep = settled
        kept.append(rank[:size][keep])
        left = np.flatnonzero(np.logical_not(suppresses[keep, size:].any(axis=0))) + size
        ordered, areas, rank = ordered[:, left], areas[left], rank[left]
    return np.concatenate(kept)


def _overlap(rows: _Floats, row_areas: _Floats, columns: _Floats, areas: _Floats, offset: int) -> _Floats:
    """IoU of every pair, ``(4, m)`` and ``(4, n)`` to ``(m, n)``, in as few passes as possible."""
    x1, y1, x2, y2 = rows[:, :, None]
    inter = np.minimum(x2, columns[2])
    other = np.maximum(x1, columns[0])
    inter -= other
    if offset:
        inter += offset
    np.maximum(inter, 0, out=inter)
    height = np.minimum(y2, columns[3])
    np.maximum(y1, columns[1], out=other)
    height -= other
    if offset:
        height += offset
    np.maximum(height, 0, out=height)
    inter *= height
    np.add(row_areas[:, None], areas, out=other)
    other -= inter
    inter /= other
    return inter
