"""Which instances join and which class they end with: UPSNet's pruning and class resolution.

Xiong et al., CVPR 2019, arXiv:1901.03784, sections 3.2 ("Inference") and 3.1.
"""

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_count,
    check_device,
    check_finite,
    check_fraction,
    check_integer,
    check_label_range,
    check_shape,
    check_size,
)
from panoptic_fusion._instances import MaskReader, as_box_masks
from panoptic_fusion._windows import count_true, is_host, on_host
from panoptic_fusion.box_masks import BoxMasks

_PIXELS_AT_ONCE = (1 << 15) - 1


@torch.no_grad()
def prune_masks(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    size: tuple[int, int],
    threshold: float = 0.3,
) -> Tensor:
    """Drop masks that better masks of their class have covered already.

    By falling score, each class has its own canvas: a mask is dropped if more than `threshold` of its area is
    taken there, or if it has no area; else it joins the canvas. The masks themselves stay whole.

    Args:
        masks: ``N`` masks, or ``(N, H, W)`` bool.
        labels: ``(N,)`` integers; only masks of one label meet.
        scores: ``(N,)``.
        size: ``(H, W)`` of the image.
        threshold: In [0, 1]; 0.3 by default.

    Returns:
        ``(K,)`` int64 indices of the kept masks by falling score (equal scores: the lower index first), on
        the device of the masks.

    Raises:
        ValueError: If counts or devices do not fit, a score is not finite or the threshold is out of range.
        TypeError: If the labels are not integers.

    Example:
        >>> masks = torch.tensor([[[1, 1, 0, 0]], [[0, 1, 1, 1]], [[1, 1, 1, 0]]], dtype=torch.bool)
        >>> prune_masks(masks, torch.tensor([0, 0, 1]), torch.tensor([0.7, 0.9, 0.8]), (1, 4)).tolist()
        [1, 2]
    """
    check_fraction(threshold, "threshold")
    size = check_size(size)
    masks = as_box_masks(masks, size)
    labels, scores = as_tensor(labels, "labels"), as_tensor(scores, "scores")
    for name, column in (("labels", labels), ("scores", scores)):
        check_shape(column, name, (len(masks),), f"(N,) = ({len(masks)},), one value for each mask")
        check_device(column, name, masks.device, "masks")
    if len(masks):
        check_integer(labels, "labels")
    host_scores = scores.detach().float().cpu().numpy()
    check_finite(host_scores, "scores")
    order = np.argsort(-host_scores, kind="stable").tolist()
    kept = prune(MaskReader(masks, size), order, labels.cpu().numpy(), threshold)
    return torch.tensor(kept, dtype=torch.int64, device=masks.device)


def prune(reader: MaskReader, order: list[int], labels: np.ndarray, threshold: float) -> list[int]:
    """Return the kept indices of `order`, in that order; one canvas serves the classes in turn."""
    canvas = torch.zeros(reader.size, dtype=torch.bool, device=reader.masks.device)
    by_class = sorted(order, key=lambda i: labels[i])  # stable: by score inside a class
    keeps: dict[int, Tensor] = {}
    used: list[tuple[slice, slice]] = []
    for place, (i, crop) in enumerate(zip(by_class, reader.crops(by_class), strict=True)):
        if place and labels[i] != labels[by_class[place - 1]]:
            for window in used:
                canvas[window] = False
            used = []
        x0, y0, x1, y1 = reader.windows[i]
        used.append((slice(y0, y1), slice(x0, x1)))
        view, mask = on_host(canvas[used[-1]]), on_host(crop)
        # NaN, which no threshold admits, for no area.
        keeps[i] = count_true(view & mask).double() / count_true(mask) <= threshold
        view |= mask & (bool(keeps[i]) if is_host(canvas) else keeps[i])
    if not order:
        return []
    kept = torch.stack([keeps[i] for i in order]).tolist()  # one wait for the device
    return [i for i, keep in zip(order, kept, strict=True) if keep]


@torch.no_grad()
def resolve_classes(
    winners: ArrayLike,
    sem_seg: ArrayLike,
    labels: ArrayLike,
    *,
    num_things: int,
    num_classes: int,
    threshold: float = 0.5,
    inclusive: bool = False,
) -> Tensor:
    """Let the semantic map overrule the class of instances, where it says stuff.

    Of the pixels that an instance won, the most frequent semantic class is taken (equal counts: the lowest).
    If it is stuff and its share is above `threshold`, the instance becomes that stuff; else it keeps its
    label.

    Args:
        winners: ``(H, W)`` integers, the channels of `argmax_panoptic_logits`: stuff, instances, unknown.
        sem_seg: ``(H, W)`` integer labels in ``[0, num_classes)``: the argmax over **all** classes, things
            first.
        labels: ``(N,)`` integer thing ids.
        num_things: Number of thing classes.
        num_classes: Number of all classes.
        threshold: Share in [0, 1]; 0.5 by default.
        inclusive: Let a share that equals the threshold suffice, as the authors' code does.

    Returns:
        ``(N,)`` int64 classes in ``[0, num_classes)``, on the device of `winners`. Without a pixel an
        instance keeps its label.

    Raises:
        ValueError: If shapes, devices, labels or counts do not fit.
        TypeError: If a dtype does not fit.

    Example:
        >>> winners, sem_seg = torch.tensor([[1, 1, 1, 2, 2]]), torch.tensor([[1, 1, 0, 1, 0]])
        >>> resolve_classes(winners, sem_seg, torch.tensor([0, 0]), num_things=1, num_classes=2).tolist()
        [1, 0]
    """
    check_fraction(threshold, "threshold")
    check_count(num_things, "num_things")
    check_count(num_classes, "num_classes", low=num_things)
    winners, sem_seg = as_tensor(winners, "winners"), as_tensor(sem_seg, "sem_seg")
    labels = as_tensor(labels, "labels")
    check_shape(winners, "winners", (None, None), "(H, W)")
    check_shape(sem_seg, "sem_seg", tuple(winners.shape), f"{tuple(winners.shape)} of `winners`")
    check_shape(labels, "labels", (None,), "(N,)")
    for name, tensor in (("sem_seg", sem_seg), ("labels", labels)):
        check_device(tensor, name, winners.device, "winners")
    for name, tensor in (("winners", winners), ("sem_seg", sem_seg)):
        check_integer(tensor, name)
    if not labels.numel():
        return torch.zeros(0, dtype=torch.int64, device=winners.device)
    check_integer(labels, "labels")
    host_labels = labels.cpu().numpy().astype(np.int64)
    check_label_range(int(host_labels.min()), int(host_labels.max()), num_things)
    if sem_seg.numel():
        low, high = (int(value) for value in torch.aminmax(sem_seg))
        if low < 0 or high >= num_classes:
            msg = f"Expected `sem_seg` to hold labels in [0, {num_classes}), got values in [{low}, {high}]."
            raise ValueError(msg)
    resolved = vote(winners, sem_seg, host_labels, num_things, num_classes, threshold, inclusive)
    return torch.from_numpy(resolved).to(winners.device)


def vote(
    winners: Tensor,
    sem_seg: Tensor,
    labels: np.ndarray,
    num_things: int,
    num_classes: int,
    threshold: float,
    inclusive: bool,
) -> np.ndarray:
    """Return the class of each instance, ``(N,)`` int64; all of it checked before."""
    counts = _count_pairs(winners, sem_seg, num_classes - num_things, len(labels), num_classes)
    areas, mode = counts.sum(axis=1), counts.argmax(axis=1)
    share = counts.max(axis=1) / np.maximum(areas, 1)
    sure = (share >= threshold if inclusive else share > threshold) & (areas > 0)
    return np.where(sure & (mode >= num_things), mode, labels)


def _count_pairs(winners: Tensor, sem_seg: Tensor, first: int, count: int, num_classes: int) -> np.ndarray:
    """Return how many pixels each instance won of each class, ``(count, num_classes)`` int64 on the host.

    Channels from `first` on are instances.
    """
    totals = torch.zeros(count * num_classes + 1, dtype=torch.int64, device=winners.device)
    rows = max(1, _PIXELS_AT_ONCE // max(winners.shape[1], 1)) if is_host(winners) else len(winners)
    for top in range(0, winners.shape[0], max(rows, 1)):
        instance = winners[top : top + rows].long() - first
        won = (instance >= 0) & (instance < count)
        pairs = torch.where(won, instance * num_classes + sem_seg[top : top + rows], len(totals) - 1)
        totals += torch.bincount(pairs.view(-1), minlength=len(totals))
    return totals[:-1].view(count, num_classes).cpu().numpy()
