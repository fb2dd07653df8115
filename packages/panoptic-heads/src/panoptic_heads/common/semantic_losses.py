"""Losses of semantic heads: cross entropy, and bootstrapped cross entropy with class weights.

Both work in float32, count annotated pixels only, and give a 0 that is attached to the logits where there are
none, so that every parameter has a gradient on every rank.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common.precision import at_least_float32
from panoptic_heads.registry import MODELS


def pixel_cross_entropy(
    logits: Tensor, target: Tensor, *, class_weight: Tensor | None = None, ignore_index: int = 255
) -> Tensor:
    """Return each pixel's weighted cross entropy, 0 where it is ignored.

    Args:
        logits: ``(N, C, H, W)``.
        target: ``(N, H, W)`` int64 in [0, C), or ``ignore_index``.
        class_weight: ``(C,)``.
        ignore_index: The label without a loss.

    Returns:
        ``(N, H, W)``, float32 or better.

    Raises:
        ValueError: If the sizes differ or a label is out of range.
    """
    if logits.shape[0] != target.shape[0] or logits.shape[2:] != target.shape[1:]:
        msg = (
            f"Expected `target` to be {(logits.shape[0], *logits.shape[2:])} for logits of "
            f"{tuple(logits.shape)}, got {tuple(target.shape)}. Resize the logits to the labels' size first."
        )
        raise ValueError(msg)
    try:
        return F.cross_entropy(
            at_least_float32(logits), target, class_weight, ignore_index=ignore_index, reduction="none"
        )
    except IndexError as error:
        wrong = (target != ignore_index) & ((target < 0) | (target >= logits.shape[1]))
        found = torch.unique(target[wrong]).tolist()
        msg = (
            f"Expected `target` to hold labels in [0, {logits.shape[1]}) or {ignore_index}, got {found}. "
            f"Let num_things and num_stuff of the model fit the dataset's classes."
        )
        raise ValueError(msg) from error


@MODELS.register_module()
class SemanticCrossEntropy(nn.Module):
    """Mean cross entropy over the annotated pixels of the batch.

    Args:
        loss_weight: Multiplies the loss.
        class_weight: A weight for each channel of the head; the mean is then over pixels, not over weights.
        ignore_index: The label of pixels without annotation.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        self.register_buffer("class_weight", weight, persistent=False)
        self.class_weight: Tensor | None

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of ``(N, C, H, W)`` logits against ``(N, H, W)`` labels, a scalar."""
        loss = pixel_cross_entropy(
            logits, target, class_weight=self.class_weight, ignore_index=self.ignore_index
        )
        valid = (target != self.ignore_index).sum()
        return self.loss_weight * loss.sum() / valid.clamp(min=1)


@MODELS.register_module()
class BootstrappedCrossEntropy(SemanticCrossEntropy):
    """Cross entropy over the hardest pixels of each image, with class weights.

    TASCNet trains its semantic head so on Mapillary Vistas ("a weighted, bootstrapped loss", appendix); how
    many pixels count is not printed.

    Args:
        top_k: How many pixels of each image count: a share of its annotated pixels (a float in (0, 1]) or a
            number (an int; all annotated pixels, if there are fewer).
        loss_weight: Multiplies the loss.
        class_weight: A weight for each channel of the head; it also decides which pixels are hardest.
        ignore_index: The label of pixels without annotation.
    """

    def __init__(
        self,
        top_k: float,
        loss_weight: float = 1.0,
        class_weight: Sequence[float] | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(loss_weight, class_weight, ignore_index)
        if top_k <= 0 or (isinstance(top_k, float) and top_k > 1):
            msg = f"Expected `top_k` to be a share in (0, 1] or a number of pixels >= 1, got {top_k!r}."
            raise ValueError(msg)
        self.top_k = top_k

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of ``(N, C, H, W)`` logits against ``(N, H, W)`` labels, a scalar."""
        loss = pixel_cross_entropy(
            logits, target, class_weight=self.class_weight, ignore_index=self.ignore_index
        ).flatten(1)
        valid = (target != self.ignore_index).flatten(1)  # (N, P)
        counts = valid.sum(dim=1).tolist()
        numbers = [
            int(n * self.top_k) if isinstance(self.top_k, float) else min(n, int(self.top_k)) for n in counts
        ]
        # An ignored pixel must lose against every annotated one, also against one of loss 0.
        ranked = loss.masked_fill(~valid, -1.0)
        hardest = [row.topk(number).values.sum() for row, number in zip(ranked, numbers, strict=True)]
        return self.loss_weight * torch.stack(hardest).sum() / max(sum(numbers), 1)
