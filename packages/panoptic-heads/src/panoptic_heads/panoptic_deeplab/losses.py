"""Panoptic-DeepLab's three losses (Cheng et al., CVPR 2020, arXiv:1911.10194, section 4).

All work in float32 or better, also under autocast, and give a 0 that is attached to the network's output
where there is nothing to learn from. The paper prints their weights, not what they are divided by: each class
says what it does, and which public code does otherwise.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common import at_least_float32, pixel_cross_entropy
from panoptic_heads.registry import MODELS

Per = Literal["image", "batch"]
ShareOf = Literal["all", "annotated"]
DivideBy = Literal["selected", "nonzero"]
CenterKind = Literal["mse", "sigmoid_cross_entropy"]
OffsetDivisor = Literal["values", "pixels"]


@MODELS.register_module()
class WeightedBootstrappedCrossEntropy(nn.Module):
    """Cross entropy over the hardest pixels, small instances heavier (DeeperLab, arXiv:1902.05093).

    Each pixel's loss is multiplied by its weight; then the ``k`` largest products are summed and divided.

    Args:
        top_k: Which share of the pixels counts, in (0, 1]; 1 is the mean over all. DeeperLab, which the paper
            cites for this loss, prints 0.15; the public codes of Panoptic-DeepLab have 0.2.
        per: The hardest pixels of each ``'image'`` (DeeperLab; the result is the mean over images), or of the
            whole ``'batch'``, where hard images get more (one public code).
        share_of: ``top_k`` is a share of ``'all'`` pixels (DeeperLab: "the total number of pixels in the
            image"), of which those without annotation have the loss 0, or of the ``'annotated'`` ones.
        divide_by: The sum is divided by the number of ``'selected'`` pixels, zeros included (DeeperLab's
            ``1 / K``), or of those among them with a loss that is ``'nonzero'`` (another public code).
        loss_weight: Multiplies the loss.
        ignore_index: The label of pixels without annotation.

    Raises:
        ValueError: If an argument is none of these.
    """

    def __init__(
        self,
        top_k: float = 0.15,
        *,
        per: Per = "image",
        share_of: ShareOf = "all",
        divide_by: DivideBy = "selected",
        loss_weight: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        if not 0 < top_k <= 1:
            msg = f"Expected `top_k` to be a share in (0, 1], got {top_k!r}. Of 20 percent it is 0.2."
            raise ValueError(msg)
        _check_choice("per", per, get_args(Per))
        _check_choice("share_of", share_of, get_args(ShareOf))
        _check_choice("divide_by", divide_by, get_args(DivideBy))
        self.top_k = top_k
        self.per = per
        self.share_of = share_of
        self.divide_by = divide_by
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            logits: ``(N, C, H, W)``.
            target: ``(N, H, W)`` int64 in [0, C), or ``ignore_index``.
            pixel_weight: ``(N, H, W)`` >= 0; all 1 by default.
        """
        loss = pixel_cross_entropy(logits, target, ignore_index=self.ignore_index)
        if pixel_weight is not None:
            loss = loss * pixel_weight
        annotated = target != self.ignore_index
        shape = (1, -1) if self.per == "batch" else (len(loss), -1)
        losses = [
            self._hardest(row, valid)
            for row, valid in zip(loss.reshape(shape), annotated.reshape(shape), strict=True)
        ]
        return self.loss_weight * torch.stack(losses).mean()

    def _hardest(self, loss: Tensor, annotated: Tensor) -> Tensor:
        """Return the mean of the largest of ``(P,)`` losses."""
        number = loss.numel()
        if self.share_of == "annotated":
            number = int(annotated.sum())
            # A pixel without annotation must lose against every annotated one, also against one of loss 0.
            loss = loss.masked_fill(~annotated, -1.0)
        count = max(int(number * self.top_k), min(number, 1))
        selected = loss if count == loss.numel() else loss.topk(count, sorted=False).values
        if self.divide_by == "nonzero":
            return selected.sum() / (selected > 0).sum().clamp(min=1)
        return selected.sum() / max(count, 1)


@MODELS.register_module()
class CenterHeatmapLoss(nn.Module):
    """How far the center heat map is from the Gaussians of the ground truth; mean over the pixels that count.

    Args:
        kind: ``'mse'``, the mean squared error, or ``'sigmoid_cross_entropy'`` with the Gaussians as soft
            targets, the first rows of the paper's Table 1: the network's output is then a logit
            (``heatmap_activation='sigmoid'`` in the head). Both have the same minimum.
        loss_weight: 200 in the paper, section 4; it does not say how the cross entropy was weighted.

    Raises:
        ValueError: If ``kind`` is none of these.
    """

    def __init__(self, kind: CenterKind = "mse", *, loss_weight: float = 200.0) -> None:
        super().__init__()
        _check_choice("kind", kind, get_args(CenterKind))
        self.kind = kind
        self.loss_weight = loss_weight

    def forward(self, heatmap: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of ``(N, 1, H, W)`` against such a target where a mask ``(N, 1, H, W)`` is set."""
        heatmap, target = at_least_float32(heatmap), at_least_float32(target)
        if self.kind == "mse":
            loss = F.mse_loss(heatmap, target, reduction="none")
        else:
            loss = F.binary_cross_entropy_with_logits(heatmap, target, reduction="none")
        return self.loss_weight * _sum_where(loss, mask) / mask.sum().clamp(min=1)


@MODELS.register_module()
class OffsetL1Loss(nn.Module):
    """How far the offsets of instances' pixels are from those of the ground truth, in pixels.

    Args:
        loss_weight: 0.25 in the paper, section 4; 0.01 in the public codes.
        divide_by: The sum over both channels is divided by the number of ``'values'``, two for each pixel
            that counts, or of ``'pixels'``: twice as large (one public code).
        per: One mean over the ``'batch'``, or the mean of the means of each ``'image'``, where large
            instances do not silence those of other images (another public code).

    Raises:
        ValueError: If an argument is none of these.
    """

    def __init__(
        self, *, loss_weight: float = 0.25, divide_by: OffsetDivisor = "values", per: Per = "batch"
    ) -> None:
        super().__init__()
        _check_choice("divide_by", divide_by, get_args(OffsetDivisor))
        _check_choice("per", per, get_args(Per))
        self.loss_weight = loss_weight
        self.divide_by = divide_by
        self.per = per

    def forward(self, offsets: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of ``(N, 2, H, W)`` against such a target where a mask ``(N, 1, H, W)`` is set."""
        loss = F.l1_loss(at_least_float32(offsets), at_least_float32(target), reduction="none")
        dims = (0, 1, 2, 3) if self.per == "batch" else (1, 2, 3)
        counts = mask.sum(dim=dims).clamp(min=1) * (2 if self.divide_by == "values" else 1)
        return self.loss_weight * (_sum_where(loss, mask, dims) / counts).mean()


def _sum_where(loss: Tensor, mask: Tensor, dims: tuple[int, ...] = (0, 1, 2, 3)) -> Tensor:
    """Return the sum where a mask is set; a mask that is set nowhere gives an attached 0."""
    return torch.where(mask, loss, loss.new_zeros(())).sum(dim=dims)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"Expected `{name}` to be one of {list(choices)}, got {value!r}."
        raise ValueError(msg)
