"""Non-maximum suppression of boxes and of masks; exact, ties to the lower index."""

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_device,
    check_finite,
    check_fraction,
    check_shape,
    check_size,
)
from panoptic_fusion._instances import MaskReader, as_box_masks
from panoptic_fusion.box_masks import BoxMasks


def nms(boxes: ArrayLike, scores: ArrayLike, threshold: float, labels: ArrayLike | None = None) -> Tensor:
    """Drop boxes that overlap a better one.

    Args:
        boxes: ``(N, 4)`` xyxy, half-open.
        scores: ``(N,)``.
        threshold: A box goes if its IoU with a kept, better box is **above** this, in [0, 1].
        labels: ``(N,)``; only boxes of one label suppress each other. By default all do.

    Returns:
        ``(K,)`` int64 indices of the kept boxes by falling score (equal scores: the lower index first), on
        the device of `boxes`. Works on the host: one small copy there and back.

    Raises:
        ValueError: If counts do not fit, a value is not finite or the threshold is out of range.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [8, 8, 9, 9]])
        >>> nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.7).tolist()
        [1, 2]
    """
    boxes = as_tensor(boxes, "boxes")
    check_shape(boxes, "boxes", (None, 4), "(N, 4)")
    host_boxes = boxes.detach().cpu().double().numpy()
    check_finite(host_boxes, "boxes")
    order, host_labels = _order(scores, labels, boxes.shape[0], boxes.device, threshold)
    kept = suppress_boxes(host_boxes, order, threshold, host_labels)
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)


def mask_nms(
    masks: BoxMasks | ArrayLike,
    scores: ArrayLike,
    threshold: float,
    size: tuple[int, int],
    labels: ArrayLike | None = None,
) -> Tensor:
    """Drop masks that overlap a better one.

    Only pairs whose windows and areas allow an IoU above the threshold are compared, and only where their
    windows meet.

    Args:
        masks: ``N`` masks, or ``(N, H, W)`` bool.
        scores: ``(N,)``.
        threshold: A mask goes if its IoU with a kept, better mask is **above** this, in [0, 1]. Empty masks
            overlap nothing and stay.
        size: ``(H, W)`` of the image.
        labels: ``(N,)``; only masks of one label suppress each other. By default all do.

    Returns:
        ``(K,)`` int64 indices of the kept masks by falling score (equal scores: the lower index first), on
        the device of the masks.

    Raises:
        ValueError: If counts do not fit, a score is not finite or the threshold is out of range.

    Example:
        >>> masks = torch.tensor([[[1, 1, 0, 0]], [[1, 1, 1, 0]], [[0, 0, 1, 1]]], dtype=torch.bool)
        >>> mask_nms(masks, torch.tensor([0.5, 0.9, 0.1]), 0.6, (1, 4)).tolist()
        [1, 2]
    """
    size = check_size(size)
    masks = as_box_masks(masks, size)
    order, host_labels = _order(scores, labels, len(masks), masks.device, threshold)
    reader = MaskReader(masks, size)
    areas = np.array(masks.areas(size).tolist(), dtype=np.int64)
    kept = suppress_masks(reader, order, areas, threshold, host_labels)
    return torch.tensor(kept, dtype=torch.int64, device=masks.device)


def suppress_boxes(
    boxes: np.ndarray, order: list[int], threshold: float, labels: np.ndarray | None
) -> list[int]:
    """Return the kept indices of `order`, in that order; all arrays on the host."""
    boxes = boxes.astype(np.float64)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    rest = np.array(order, dtype=np.int64)
    kept = []
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (high - low).clip(0).prod(axis=1)
        suppressed = shared > threshold * (areas[best] + areas[rest] - shared)
        if labels is not None:
            suppressed &= labels[rest] == labels[best]
        rest = rest[~suppressed]
    return kept


def suppress_masks(
    reader: MaskReader, order: list[int], areas: np.ndarray, threshold: float, labels: np.ndarray | None
) -> list[int]:
    """Return the kept indices of `order`, in that order; at most one wait for the device a kept mask."""
    rest = np.array(order, dtype=np.int64)
    kept = []
    while rest.size:
        best, rest = int(rest[0]), rest[1:]
        kept.append(best)
        rivals = rest if labels is None else rest[labels[rest] == labels[best]]
        shared = _shared_pixels(reader, best, rivals, areas, threshold)
        suppressed = shared > threshold * (areas[best] + areas[rivals] - shared)
        rest = rest[~np.isin(rest, rivals[suppressed])]
    return kept


def overlapping_masks(
    reader: MaskReader, order: list[int], areas: np.ndarray, threshold: float
) -> set[tuple[int, int]]:
    """Return the pairs ``(earlier, later)`` of `order` whose IoU reaches the threshold; no mask is empty."""
    pairs: set[tuple[int, int]] = set()
    for place, best in enumerate(order):
        rivals = np.array(order[place + 1 :], dtype=np.int64)
        shared = _shared_pixels(reader, best, rivals, areas, threshold)
        reached = shared >= threshold * (areas[best] + areas[rivals] - shared)
        pairs.update((best, int(rival)) for rival in rivals[reached])
    return pairs


def _shared_pixels(
    reader: MaskReader, best: int, rivals: np.ndarray, areas: np.ndarray, threshold: float
) -> np.ndarray:
    """Return the pixels that a mask shares with its rivals, 0 where the IoU cannot reach the threshold."""
    windows = np.array(reader.windows, dtype=np.int64).reshape(-1, 4)
    low = np.maximum(windows[best, :2], windows[rivals, :2])
    high = np.minimum(windows[best, 2:], windows[rivals, 2:])
    most = np.minimum((high - low).clip(0).prod(axis=1), np.minimum(areas[best], areas[rivals]))
    places = np.flatnonzero((most > 0) & (most >= threshold * (areas[best] + areas[rivals] - most)))
    shared = np.zeros(len(rivals), dtype=np.int64)
    if places.size:
        shared[places] = torch.stack(reader.intersections(best, rivals[places].tolist())).tolist()
    return shared


def _order(
    scores: ArrayLike, labels: ArrayLike | None, count: int, device: torch.device, threshold: float
) -> tuple[list[int], np.ndarray | None]:
    """Return the indices by falling score and the labels on the host."""
    check_fraction(threshold, "threshold")
    scores = as_tensor(scores, "scores")
    check_shape(scores, "scores", (count,), f"(N,) = ({count},)")
    check_device(scores, "scores", device, "the boxes")
    host_scores = scores.detach().float().cpu().numpy()
    check_finite(host_scores, "scores")
    host_labels = None
    if labels is not None:
        labels = as_tensor(labels, "labels")
        check_shape(labels, "labels", (count,), f"(N,) = ({count},)")
        host_labels = labels.cpu().numpy()
    return np.argsort(-host_scores, kind="stable").tolist(), host_labels
