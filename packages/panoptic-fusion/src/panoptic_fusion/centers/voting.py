"""What grouped pixels say about their instance: its class by majority, and its score (sections 3.2, 3.3)."""

from typing import NamedTuple

import torch
from torch import Tensor

from panoptic_fusion._canvas import check_label_map
from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_count,
    check_device,
    check_integer,
    check_shape,
)
from panoptic_fusion._windows import row_bands
from panoptic_fusion.centers.peaks import check_heatmap


class Votes(NamedTuple):
    """The classes of ``K`` instances.

    Attributes:
        labels: ``(K,)`` int64, the class with most votes, the lowest of equal ones; -1 without any vote.
        counts: ``(K, num_things)`` int64, the pixels that vote for each class.
    """

    labels: Tensor
    counts: Tensor

    def shares(self) -> Tensor:
        """Return which share of its votes made each instance's class, ``(K,)`` float64; 0 without votes."""
        if not self.counts.numel():
            return torch.zeros(len(self.labels), dtype=torch.float64, device=self.counts.device)
        return self.counts.amax(dim=1).double() / self.counts.sum(dim=1).clamp(min=1)


@torch.no_grad()
def majority_vote(
    instance_map: ArrayLike,
    sem_seg: ArrayLike,
    *,
    num_things: int,
    num_instances: int | None = None,
    ignore_index: int = 255,
) -> Votes:
    """Give each instance the thing class that most of its pixels have.

    One histogram over all pixels. Pixels whose label is no thing do not vote.

    Args:
        instance_map: ``(H, W)`` integers: ``1 + k`` for instance ``k``, 0 for none.
        sem_seg: ``(H, W)`` integer labels, things in ``[0, num_things)``.
        num_things: Number of thing classes.
        num_instances: ``K``; by default the largest number in the map.
        ignore_index: Void in `sem_seg`, also where it is the number of a thing.

    Returns:
        The votes on the device of the maps.

    Raises:
        ValueError: If shapes or devices do not fit, or the map holds a number out of ``[0, K]``.
        TypeError: If a dtype does not fit.

    Example:
        >>> instance_map = torch.tensor([[1, 1, 1, 0, 2, 2]])
        >>> sem_seg = torch.tensor([[0, 1, 1, 1, 1, 0]])
        >>> votes = majority_vote(instance_map, sem_seg, num_things=2)
        >>> votes.labels.tolist(), votes.counts.tolist()
        ([1, 0], [[1, 2], [1, 1]])
    """
    check_count(num_things, "num_things")
    instance_map, count = check_instance_map(instance_map, num_instances)
    sem_seg = check_label_map(sem_seg)
    _check_same_place(sem_seg, "sem_seg", instance_map)
    counts = torch.zeros(count * num_things, dtype=torch.int64, device=instance_map.device)
    if not counts.numel():
        return Votes(counts.new_full((count,), -1), counts.view(count, num_things))
    nobody = counts.numel()  # where pixels without a vote go
    dtype = torch.int32 if nobody < 2**31 else torch.int64
    for rows in row_bands(instance_map):
        label, instance = sem_seg[rows], instance_map[rows].to(dtype)
        silent = (label < 0) | (label >= num_things) | (instance == 0)
        if 0 <= ignore_index < num_things:
            silent |= label == ignore_index
        codes = (instance - 1).mul_(num_things).add_(label.to(dtype)).masked_fill_(silent, nobody)
        counts += torch.bincount(codes.view(-1), minlength=nobody + 1)[:nobody]
    counts = counts.view(count, num_things)
    labels = counts.argmax(dim=1)  # of equal ones the first
    return Votes(labels.masked_fill(counts.sum(dim=1) == 0, -1), counts)


@torch.no_grad()
def instance_scores(
    instance_map: ArrayLike,
    labels: ArrayLike,
    objectness: ArrayLike,
    *,
    sem_logits: ArrayLike | None = None,
    sem_seg: ArrayLike | None = None,
) -> Tensor:
    """Return objectness times the mean probability of the instance's class over its pixels.

    Args:
        instance_map: ``(H, W)`` integers: ``1 + k`` for instance ``k``, 0 for none.
        labels: ``(K,)`` integer class of each; -1 gives the score 0.
        objectness: ``(K,)`` floats, the heat map at the center; see `objectness_at_centroids`, too.
        sem_logits: ``(C, H, W)`` floats, before the softmax (probabilities that were averaged: their
            logarithm).
        sem_seg: ``(H, W)`` integer labels, where there are no logits: a pixel's own class has probability 1.

    Returns:
        ``(K,)`` float32 on the device of the maps; 0 for an instance without pixels.

    Raises:
        ValueError: If not exactly one of the last two is given, shapes, devices or values do not fit, or a
            logit that is read is NaN or plus infinity.
        TypeError: If a dtype does not fit.

    Example:
        >>> instance_map = torch.tensor([[1, 1, 1, 1, 0]])
        >>> sem_seg = torch.tensor([[3, 3, 3, 0, 3]])
        >>> instance_scores(instance_map, torch.tensor([3]), torch.tensor([0.8]), sem_seg=sem_seg)
        tensor([0.6000])
    """
    labels, objectness = as_tensor(labels, "labels"), as_tensor(objectness, "objectness").detach()
    check_shape(labels, "labels", (None,), "(K,)")
    check_integer(labels, "labels")
    count = len(labels)
    check_shape(objectness, "objectness", (count,), f"(K,) = ({count},), one value for each of `labels`")
    instance_map, _ = check_instance_map(instance_map, count)
    for name, column in (("labels", labels), ("objectness", objectness)):
        check_device(column, name, instance_map.device, "instance_map")
    if not bool(objectness.isfinite().all()):
        msg = f"Expected `objectness` to be finite, got NaN or infinity among {count} values."
        raise ValueError(msg)
    if (sem_logits is None) == (sem_seg is None):
        got = "neither" if sem_seg is None else "both"
        msg = f"Expected either `sem_logits` or `sem_seg`, got {got}. The logits say more."
        raise ValueError(msg)
    if sem_logits is not None:
        sums, areas = _sum_probs(instance_map, labels, _check_logits(sem_logits, instance_map, labels))
    else:
        assert sem_seg is not None
        sem_seg = check_label_map(sem_seg)
        _check_same_place(sem_seg, "sem_seg", instance_map)
        sums, areas = _count_labels(instance_map, labels, sem_seg)
    means = sums / areas.clamp(min=1)
    return (objectness.double() * torch.where(labels >= 0, means, torch.zeros_like(means))).float()


@torch.no_grad()
def objectness_at_centroids(
    instance_map: ArrayLike, center_heatmap: ArrayLike, *, num_instances: int | None = None
) -> Tensor:
    """Return the heat map at the centroid of each instance's pixels, as two public codes score.

    The paper takes it at the predicted center; the centroid's coordinates are rounded down.

    Args:
        instance_map: ``(H, W)`` integers: ``1 + k`` for instance ``k``, 0 for none.
        center_heatmap: ``(1, H, W)`` or ``(H, W)`` floats.
        num_instances: ``K``; by default the largest number in the map.

    Returns:
        ``(K,)`` float32; 0 for an instance without pixels.

    Raises:
        ValueError: If shapes, devices or values do not fit.
        TypeError: If a dtype does not fit.

    Example:
        >>> objectness_at_centroids(torch.tensor([[1, 1, 1, 0]]), torch.tensor([[0.0, 0.5, 0.9, 0.0]]))
        tensor([0.5000])
    """
    instance_map, count = check_instance_map(instance_map, num_instances)
    heat = check_heatmap(center_heatmap)
    _check_same_place(heat, "center_heatmap", instance_map)
    sums = torch.zeros(3, count + 1, dtype=torch.int64, device=instance_map.device)  # pixels, y, x
    for rows in row_bands(instance_map):
        owned = instance_map[rows] > 0
        y, x = owned.nonzero(as_tuple=True)
        instance = instance_map[rows][owned].long()
        for row, values in enumerate((torch.ones_like(y), y + rows.start, x)):
            sums[row].index_add_(0, instance, values)
    areas, y_sum, x_sum = sums[:, 1:]
    y = torch.div(y_sum, areas.clamp(min=1), rounding_mode="floor")
    x = torch.div(x_sum, areas.clamp(min=1), rounding_mode="floor")
    if not heat.numel():
        return torch.zeros(count, device=heat.device)
    return heat[y, x].float() * (areas > 0)


def check_instance_map(instance_map: ArrayLike, num_instances: int | None) -> tuple[Tensor, int]:
    """Return a map of instance numbers and how many instances there are.

    Raises:
        ValueError: If the map has another shape or holds a number out of range.
        TypeError: If it does not hold integers.
    """
    instance_map = as_tensor(instance_map, "instance_map")
    check_shape(instance_map, "instance_map", (None, None), "(H, W)")
    check_integer(instance_map, "instance_map")
    low, high = (0, 0)
    if instance_map.numel():
        low, high = torch.stack(torch.aminmax(instance_map)).tolist()
    if num_instances is None:
        num_instances = max(high, 0)
    check_count(num_instances, "num_instances")
    if low < 0 or high > num_instances:
        msg = (
            f"Expected `instance_map` to hold 0 or instance numbers up to {num_instances}, "
            f"got values in [{low}, {high}]."
        )
        raise ValueError(msg)
    return instance_map, num_instances


def _check_same_place(values: Tensor, name: str, instance_map: Tensor) -> None:
    size = tuple(instance_map.shape)
    check_shape(values, name, size, f"(H, W) = {size} of `instance_map`")
    check_device(values, name, instance_map.device, "instance_map")


def _check_logits(sem_logits: ArrayLike, instance_map: Tensor, labels: Tensor) -> Tensor:
    sem_logits = as_tensor(sem_logits, "sem_logits").detach()
    size = tuple(instance_map.shape)
    check_shape(sem_logits, "sem_logits", (None, *size), f"(C, H, W) = (C, {size[0]}, {size[1]})")
    check_device(sem_logits, "sem_logits", instance_map.device, "instance_map")
    if not sem_logits.is_floating_point():
        msg = f"Expected `sem_logits` to hold floats, got {sem_logits.dtype}. A label map goes to `sem_seg`."
        raise TypeError(msg)
    highest = int(labels.max()) if labels.numel() else -1
    if highest >= len(sem_logits):
        msg = f"Expected `labels` below the {len(sem_logits)} classes of `sem_logits`, got {highest}."
        raise ValueError(msg)
    return sem_logits


def _sum_probs(instance_map: Tensor, labels: Tensor, sem_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum of the probabilities of each instance's class, ``(K,)`` float64, and its pixels."""
    count = len(labels)
    sums = torch.zeros(2, count, dtype=torch.float64, device=instance_map.device)  # probabilities, pixels
    fine = torch.ones((), dtype=torch.bool, device=instance_map.device)
    for rows in row_bands(instance_map):
        numbers = instance_map[rows].reshape(-1)
        owned = numbers.nonzero().view(-1)  # (P,)
        if not owned.numel():
            continue
        instance = numbers[owned].long() - 1
        logits = sem_logits[:, rows].reshape(len(sem_logits), -1).index_select(1, owned).float()  # (C, P)
        own = logits.gather(0, labels[instance].clamp(min=0)[None])[0]
        normaliser = logits.logsumexp(dim=0)
        fine &= normaliser.isfinite().all()
        probs = (own - normaliser).exp_()
        sums[0].index_add_(0, instance, probs.double())
        sums[1] += torch.bincount(instance, minlength=count)
    if not bool(fine):
        msg = (
            "Expected `sem_logits` to be finite on instances, got NaN, plus infinity, or only minus infinity."
        )
        raise ValueError(msg)
    return sums[0], sums[1]


def _count_labels(instance_map: Tensor, labels: Tensor, sem_seg: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixels of each instance that have its label, ``(K,)`` float64, and all its pixels."""
    count = len(labels)
    counts = torch.zeros(2, count, dtype=torch.int64, device=instance_map.device)
    for rows in row_bands(instance_map):
        owned = instance_map[rows] > 0
        instance = instance_map[rows][owned].long() - 1
        agrees = sem_seg[rows][owned] == labels[instance]
        counts[0] += torch.bincount(instance[agrees], minlength=count)
        counts[1] += torch.bincount(instance, minlength=count)
    return counts[0].double(), counts[1]
