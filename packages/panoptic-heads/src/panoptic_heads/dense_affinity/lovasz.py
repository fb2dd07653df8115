"""Lovasz-Softmax and the Lovasz hinge: losses that follow the intersection over union.

Berman et al., The Lovasz-Softmax loss, CVPR 2018, arXiv:1705.08790. Written from the paper. The
dense-affinity network uses the hinge for its masks and, on Cityscapes, Lovasz-Softmax for its semantic head
(Li et al., CVPR 2020, arXiv:2001.04982, appendices A.2 and B). It prints nothing but the names: what is left
open has its reason at the argument.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from panoptic_heads.common import at_least_float32
from panoptic_heads.registry import MODELS

Classes = Literal["present", "all"]
PerImage = Literal["image", "batch"]
PerMask = Literal["mask", "batch"]


@torch.no_grad()
def lovasz_weights(errors: Tensor, target: Tensor) -> Tensor:
    """Return the weights whose sum with the errors is the Lovasz extension of the Jaccard loss.

    A pixel's weight is by how much the Jaccard loss rises when, after all pixels of larger error, it becomes
    wrong, too. With ``I`` pixels of the foreground right afterwards and a union of ``U``:

    - a foreground pixel takes one from ``I``: ``1 / U``;
    - a background pixel adds one to ``U``: ``I / (U - 1) - I / U = I / (U (U - 1))``;
    - without any foreground the loss jumps to 1 at the first pixel.

    (Algorithm 1 of the paper subtracts one loss from the next. Among a million pixels these are equal in all
    but the last digits of float32.)

    Args:
        errors: ``(..., P)`` floats. Of equal ones the first counts as the larger.
        target: ``(..., P)`` bool, the foreground.

    Returns:
        ``(..., P)`` in the order and dtype of `errors`, detached, >= 0; the sum over ``P`` is 1.

    Example:
        >>> lovasz_weights(torch.tensor([0.2, 0.9, 0.5]), torch.tensor([True, False, True]))
        tensor([0.3333, 0.3333, 0.3333])
    """
    order = errors.argsort(dim=-1, descending=True, stable=True)
    foreground = target.gather(-1, order)
    wrong = foreground.cumsum(dim=-1, dtype=torch.int32)
    total = wrong[..., -1:]
    place = torch.arange(1, errors.shape[-1] + 1, dtype=torch.int32, device=errors.device)
    union = (total + place - wrong).to(errors.dtype)
    right = (total - wrong).to(errors.dtype)
    rise = torch.where(foreground, 1 / union, right / union / (union - 1).clamp(min=1))
    rise[..., :1] = torch.where(total == 0, 1, rise[..., :1])
    return torch.empty_like(errors).scatter_(-1, order, rise)


def lovasz_softmax(
    logits: Tensor,
    target: Tensor,
    *,
    classes: Classes = "present",
    per: PerImage = "batch",
    ignore_index: int = 255,
) -> Tensor:
    """Return the Lovasz extension of the Jaccard loss of the softmax, mean over classes.

    Args:
        logits: ``(N, C, H, W)``.
        target: ``(N, H, W)`` int64 in [0, C), or `ignore_index`.
        classes: The mean is over the classes that have a pixel, or over all. A class without one then costs
            its highest probability.
        per: One intersection over union for each image, and the mean over the images that have an annotated
            pixel, or one for the batch.
        ignore_index: The label without a loss.

    Returns:
        A scalar, float32 or better; 0, attached to the logits, where no pixel is annotated.

    Raises:
        ValueError: If an option is none of these, the sizes differ, or a label is out of range.

    Example:
        >>> logits = torch.tensor([[[[0.0, 9.0]], [[0.0, -9.0]]]])  # probabilities 1/2, 1/2 and 1, 0
        >>> lovasz_softmax(logits, torch.tensor([[[0, 255]]]))
        tensor(0.5000)
    """
    _check_choice("classes", classes, get_args(Classes))
    _check_choice("per", per, get_args(PerImage))
    if logits.shape[0] != target.shape[0] or logits.shape[2:] != target.shape[1:]:
        msg = (
            f"Expected `target` to be {(logits.shape[0], *logits.shape[2:])} for logits of "
            f"{tuple(logits.shape)}, got {tuple(target.shape)}. Resize the logits to the labels' size first."
        )
        raise ValueError(msg)
    parts = (
        zip(torch.split(logits, 1), torch.split(target, 1), strict=True)
        if per == "image"
        else [(logits, target)]
    )
    losses = []
    for own, labels in parts:
        annotated = labels != ignore_index
        pixels = at_least_float32(own.movedim(1, 0)[:, annotated])  # (C, P)
        if pixels.shape[1]:
            losses.append(_of_pixels(pixels.softmax(dim=0), labels[annotated], classes, ignore_index))
    return torch.stack(losses).mean() if losses else at_least_float32(logits).sum() * 0


def lovasz_hinge(logits: Tensor, target: Tensor, *, per: PerMask = "mask") -> Tensor:
    """Return the Lovasz extension of the Jaccard loss of binary masks' hinge errors.

    An error is ``max(0, 1 - logit)`` in the foreground, ``max(0, 1 + logit)`` elsewhere.

    Args:
        logits: ``(R, ...)``, of each of ``R`` masks.
        target: The same shape, bool.
        per: One intersection over union for each mask, and their mean, or one for all pixels together.

    Returns:
        A scalar, float32 or better; 0, attached to the logits, without a mask.

    Raises:
        ValueError: If `per` is neither, or the shapes differ.

    Example:
        >>> lovasz_hinge(torch.tensor([[2.0, 0.0, -2.0]]), torch.tensor([[True, False, False]]))  # 1 * 1 / 2
        tensor(0.5000)
    """
    _check_choice("per", per, get_args(PerMask))
    if logits.shape != target.shape:
        msg = f"Expected `target` to be {tuple(logits.shape)} as the logits, got {tuple(target.shape)}."
        raise ValueError(msg)
    logits = at_least_float32(logits)
    if not logits.numel():
        return logits.sum() * 0
    shape = (1, -1) if per == "batch" else (len(logits), -1)
    values, foreground = logits.reshape(shape), target.reshape(shape)
    errors = 1 - torch.where(foreground, values, -values)
    return (errors.relu() * lovasz_weights(errors, foreground)).sum(dim=1).mean()


@MODELS.register_module()
class LovaszSoftmax(nn.Module):
    """Lovasz-Softmax in the place of a semantic head's cross entropy.

    Args:
        loss_weight: Multiplies the loss.
        classes: See :func:`lovasz_softmax`. ``'present'`` is what its paper found better.
        per: See :func:`lovasz_softmax`. The network's paper uses the loss where "the large number of crops"
            in a step allows it, so ``'batch'``.
        ignore_index: The label of pixels without annotation.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        *,
        classes: Classes = "present",
        per: PerImage = "batch",
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        _check_choice("classes", classes, get_args(Classes))
        _check_choice("per", per, get_args(PerImage))
        self.loss_weight = loss_weight
        self.classes: Classes = classes
        self.per: PerImage = per
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of ``(N, C, H, W)`` logits against ``(N, H, W)`` labels, a scalar."""
        return self.loss_weight * lovasz_softmax(
            logits, target, classes=self.classes, per=self.per, ignore_index=self.ignore_index
        )


@MODELS.register_module()
class LovaszHingeMaskLoss(nn.Module):
    """The Lovasz hinge as ``loss_mask`` of MMDetection's mask head, in the place of its binary cross entropy.

    Args:
        loss_weight: Multiplies the loss.
        per: See :func:`lovasz_hinge`. The paper does not say; with ``'batch'`` small instances would drown,
            so ``'mask'``.
    """

    def __init__(self, loss_weight: float = 1.0, *, per: PerMask = "mask") -> None:
        super().__init__()
        _check_choice("per", per, get_args(PerMask))
        self.loss_weight = loss_weight
        self.per: PerMask = per

    def forward(self, mask_preds: Tensor, mask_targets: Tensor, labels: Tensor) -> Tensor:
        """Return the loss.

        Args:
            mask_preds: ``(R, C, M, M)`` logits of ``R`` RoIs.
            mask_targets: ``(R, M, M)`` in [0, 1]; the foreground is what is at least one half.
            labels: ``(R,)``, each RoI's channel.
        """
        own = mask_preds[torch.arange(len(labels), device=labels.device), labels]
        return self.loss_weight * lovasz_hinge(own, mask_targets >= 0.5, per=self.per)


def _of_pixels(probs: Tensor, labels: Tensor, classes: Classes, ignore_index: int) -> Tensor:
    """Return the mean over classes for ``(C, P)`` probabilities and ``(P,)`` labels, ``P >= 1``."""
    low, high = (int(bound) for bound in torch.aminmax(labels))
    if low < 0 or high >= len(probs):
        msg = (
            f"Expected `target` to hold labels in [0, {len(probs)}) or {ignore_index}, got labels in "
            f"[{low}, {high}]. Let num_things and num_stuff of the model fit the dataset's classes."
        )
        raise ValueError(msg)
    chosen = range(len(probs)) if classes == "all" else torch.unique(labels).tolist()
    losses = []
    for label in chosen:  # one at a time: sorting needs several times the memory of what is sorted
        foreground = labels == label
        errors = torch.where(foreground, 1 - probs[label], probs[label])
        losses.append((errors * lovasz_weights(errors, foreground)).sum())
    return torch.stack(losses).mean()


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"Expected `{name}` to be one of {', '.join(map(repr, choices))}, got {value!r}."
        raise ValueError(msg)
