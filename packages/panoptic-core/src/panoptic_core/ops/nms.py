"""Greedy non-maximum suppression, in numpy on the CPU and in PyTorch elsewhere.

The rule is mmcv's (and torchvision's with ``offset=0``): go through the boxes by falling score; a box that is
still there suppresses every later one whose IoU with it is *greater* than the threshold. Equal scores keep
their input order.

The textbook loop is sequential. Here the IoUs of many pairs are computed at once, and the greedy choice is
found as the fixed point of ``keep[j] = no kept i before j overlaps j``: starting from "all kept", every round
settles at least the next link of each chain of suppressions, so it ends after as many rounds as the longest
chain has links, usually two to five.
"""

import torch
from torch import Tensor

from panoptic_core.ops import _torchvision
from panoptic_core.ops._nms_numpy import suppress
from panoptic_core.ops._row_sums import compute_dtype

_BLOCK = 2048  # boxes of one round on a GPU


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Select boxes by greedy non-maximum suppression.

    Args:
        boxes: ``(N, 4)``, xyxy, any floating type; types narrower than float32 are widened.
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
    boxes, scores = boxes.detach().to(compute_dtype(boxes.dtype)), scores.detach()
    if offset == 0 and (ops := _torchvision.gpu_kernels(boxes)) is not None:
        kept: Tensor = ops.nms(boxes, scores.to(boxes.dtype), iou_threshold)
        return kept
    order = torch.sort(scores, descending=True, stable=True).indices
    if boxes.device.type != "cpu":
        return order[suppress_by_blocks(boxes.t()[:, order], iou_threshold, offset)]
    ranked = order.numpy()  # from here on in numpy: torch's indexing wakes threads even for few boxes
    return torch.from_numpy(ranked[suppress(boxes.numpy().T.take(ranked, axis=1), iou_threshold, offset)])


def suppress_by_blocks(ordered: Tensor, iou_threshold: float, offset: int, block: int = _BLOCK) -> Tensor:
    """Suppress boxes that are sorted by falling score, on any device.

    Args:
        ordered: ``(4, N)`` rows x1, y1, x2, y2, float32 or float64.
        iou_threshold: As in :func:`nms`.
        offset: As in :func:`nms`.
        block: Boxes of one round; memory is ``block x N`` numbers.

    Returns:
        ``(K,)`` int64 columns of the kept boxes, rising.
    """
    rank = torch.arange(ordered.shape[1], device=ordered.device)
    kept = [rank[:0]]
    while rank.numel():
        suppresses = _overlap(ordered[:, :block], ordered, offset) > iou_threshold  # (b, n)
        among = suppresses[:, :block].triu(1)
        keep = torch.ones(among.shape[0], dtype=torch.bool, device=ordered.device)
        while not torch.equal(keep, settled := ~(among & keep[:, None]).any(0)):
            keep = settled
        kept.append(rank[:block][keep])
        left = ~(suppresses[:, block:] & keep[:, None]).any(0)
        ordered, rank = ordered[:, block:][:, left], rank[block:][left]
    return torch.cat(kept)


def _overlap(rows: Tensor, columns: Tensor, offset: int) -> Tensor:
    """IoU of every pair, ``(4, m)`` and ``(4, n)`` to ``(m, n)``."""
    (x1, y1, x2, y2), (u1, v1, u2, v2) = rows[:, :, None], columns
    inter = (torch.minimum(x2, u2) - torch.maximum(x1, u1) + offset).clamp_(min=0)
    inter *= (torch.minimum(y2, v2) - torch.maximum(y1, v1) + offset).clamp_(min=0)
    area = (x2 - x1 + offset) * (y2 - y1 + offset)
    return inter / (area + (u2 - u1 + offset) * (v2 - v1 + offset) - inter)
