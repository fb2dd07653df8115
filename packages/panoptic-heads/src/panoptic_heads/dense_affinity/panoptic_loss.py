"""The panoptic matching loss: cross entropy of the revised potential against the matched truth.

Li et al., CVPR 2020, arXiv:2001.04982, section 3.5. Written from the paper, which has no public code. The
matching itself is in :mod:`panoptic_heads.dense_affinity.matching`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from panoptic_fusion import PanopticSegmentation
from panoptic_heads.common import NO_TARGET, at_least_float32, pixel_cross_entropy, target_at
from panoptic_heads.registry import MODELS


def matched_target(
    truth: PanopticSegmentation,
    segment_ids: Tensor,
    size: tuple[int, int],
    *,
    input_size: tuple[int, int],
    num_things: int,
) -> Tensor:
    """Return the channel of :func:`panoptic_fusion.dynamic_potential` that each pixel should win.

    Args:
        truth: The image's ground truth, no larger than `input_size`, aligned at the upper left corner.
        segment_ids: ``(K,)``, the segment that each detection stands for, 0: none. From
            :func:`~panoptic_heads.dense_affinity.matching.match_segments`, or of the ground truth's own
            instances where these are the detections (the paper's Table H).
        size: Height and width of the potential; its pixels take the segment below their centre.
        input_size: Height and width of the network's padded input.
        num_things: Number of thing classes.

    Returns:
        ``size`` int64: detections in their order, then stuff classes; `NO_TARGET` in void, padding, crowds
        and segments that no detection stands for.

    Raises:
        ValueError: If two detections stand for one segment, or `truth` is larger than `input_size`.
    """
    count, own = len(segment_ids), segment_ids.to(truth.device)
    stands_for = truth.ids[:, None] == own[None, :]  # (S, K)
    if bool((stands_for.sum(dim=1) > 1).any()):
        msg = f"Expected no segment twice in `segment_ids`, got {own.tolist()}. Drop surplus detections."
        raise ValueError(msg)
    channels = truth.labels - num_things + count
    things = torch.full_like(channels, NO_TARGET)
    if count:
        things = torch.where(
            stands_for.any(dim=1) & ~truth.iscrowd, stands_for.int().argmax(dim=1), NO_TARGET
        )
    channels = torch.where(truth.is_thing, things, channels)
    return target_at(truth, channels, size, input_size=input_size)


@MODELS.register_module()
class PanopticMatchingLoss(nn.Module):
    """Mean softmax cross entropy of ``tau * P`` over the pixels of a batch that have a target.

    The potential lives in [0, 2]: with ``tau = 1`` and a hundred channels the loss of a pixel cannot fall
    below ``log(1 + 99 e^-2) = 2.7`` however right it is, and its gradient does not fade. A larger ``tau``
    lets the softmax be sure; the argmax does not depend on it.

    Args:
        tau: > 0. 1 is the paper to the letter.
        learn_tau: Learn it, from that value on: its logarithm is the parameter ``log_tau``. Weight decay
            would pull it towards 1, so give it none.
        loss_weight: Multiplies the loss. The paper: 1 (Cityscapes), 0.1 (COCO).

    Raises:
        ValueError: If `tau` is not a finite number > 0.

    Example:
        >>> potential = torch.tensor([[[1.0, 0.5]], [[0.0, 0.5]]])  # two channels, two pixels
        >>> target = torch.tensor([[0, NO_TARGET]])
        >>> PanopticMatchingLoss()([potential], [target])  # log(1 + e^-1)
        tensor(0.3133)
        >>> PanopticMatchingLoss(tau=10)([potential], [target])  # log(1 + e^-10)
        tensor(4.5418e-05)
    """

    def __init__(self, tau: float = 1.0, *, learn_tau: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        if not (tau > 0 and math.isfinite(tau)):
            msg = f"Expected `tau` to be a finite number > 0, got {tau}. 1 is the paper to the letter."
            raise ValueError(msg)
        self.log_tau = nn.Parameter(torch.tensor(math.log(tau))) if learn_tau else None
        self.loss_weight = loss_weight
        self._fixed_tau = float(tau)

    @property
    def tau(self) -> float | Tensor:
        """What the potential is multiplied by: a number, or a scalar in the graph if it is learned."""
        return self._fixed_tau if self.log_tau is None else self.log_tau.float().exp()

    def forward(self, potentials: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        """Return the loss of a batch whose images differ in their channels.

        Args:
            potentials: ``P`` of each image, ``(K_i + S, h, w)``.
            targets: From :func:`matched_target`, ``(h, w)`` int64 of each image.

        Returns:
            A scalar, float32 or better; 0, attached to the potentials and to a learned ``tau``, where no
            pixel has a target.
        """
        losses = [self._sum(own, target) for own, target in zip(potentials, targets, strict=True)]
        count = torch.stack([(target != NO_TARGET).sum() for target in targets]).sum()
        return self.loss_weight * torch.stack(losses).sum() / count.clamp(min=1)

    def _sum(self, potential: Tensor, target: Tensor) -> Tensor:
        logits = self.tau * at_least_float32(potential)
        if not len(logits):  # no detection, and a data set without stuff: there is nothing to choose from
            return logits.sum()
        return pixel_cross_entropy(logits[None], target[None], ignore_index=NO_TARGET).sum()
