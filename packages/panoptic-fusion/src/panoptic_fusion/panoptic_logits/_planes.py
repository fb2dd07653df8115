"""What the dense and the lean form share: options checked, and where instances get their values from."""

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_choice,
    check_count,
    check_device,
    check_integer,
    check_label_range,
    check_sem_logits,
    check_shape,
)
from panoptic_fusion._instances import as_box_masks
from panoptic_fusion._mask_values import MaskValues
from panoptic_fusion.box_masks import BoxMasks

Outside: TypeAlias = Literal["zero", "-inf"]
"""What an instance's channel holds outside its box."""

CROP_LOGIT = 20.0
"""The mask logit inside a mask that is known by its pixels only; its negative is the logit beside it."""


def check_options(num_things: int, num_classes: int, count: int, unknown: bool, outside: str) -> None:
    """Raise a ValueError where the channels of Z cannot be made.

    Args:
        num_things: Number of thing classes.
        num_classes: Number of all classes.
        count: Number of instances.
        unknown: Whether Z has the unknown channel.
        outside: See `Outside`.
    """
    check_choice(outside, "outside", ("zero", "-inf"))
    if unknown and num_things == 0:
        msg = "Expected `num_things` >= 1 with the unknown channel, got 0. Pass `unknown=False`."
        raise ValueError(msg)
    if num_classes == num_things and count == 0 and not unknown:
        msg = "Expected at least one channel, got no stuff class, no instance and no unknown channel."
        raise ValueError(msg)


def read_planes(
    sem_logits: ArrayLike, masks: BoxMasks | ArrayLike, labels: ArrayLike, num_things: int
) -> tuple[Tensor, BoxMasks, list[int]]:
    """Return checked logits ``(C, H, W)``, masks, and labels on the host."""
    check_count(num_things, "num_things")
    sem_logits = as_tensor(sem_logits, "sem_logits")
    check_sem_logits(sem_logits, num_things)
    masks = as_box_masks(masks, (sem_logits.shape[1], sem_logits.shape[2]))
    labels = as_tensor(labels, "labels")
    check_shape(labels, "labels", (len(masks),), f"(N,) = ({len(masks)},), one value for each mask")
    for name, tensor in (("labels", labels), ("masks", masks.boxes)):
        check_device(tensor, name, sem_logits.device, "sem_logits")
    if not len(masks):
        return sem_logits, masks, []
    check_integer(labels, "labels")
    host_labels = labels.tolist()
    check_label_range(min(host_labels), max(host_labels), num_things)
    return sem_logits, masks, host_labels


def mask_logit_values(masks: BoxMasks, size: tuple[int, int], dtype: torch.dtype) -> MaskValues:
    """Return a reader of mask logits; crops count as certain."""
    cells = masks.mask_logits
    if cells is not None and dtype == torch.float64:
        cells = cells.double()
    return MaskValues(masks, size, cells=cells, crop_values=(-CROP_LOGIT, CROP_LOGIT))


def outside_value(outside: str) -> float:
    """Return what an instance's channel holds outside its box."""
    return 0.0 if outside == "zero" else -math.inf
