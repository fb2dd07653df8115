"""UPSNet's panoptic loss: cross entropy over stuff classes, instances and "unknown".

Xiong et al., CVPR 2019, arXiv:1901.03784, section 3.1. Written from the paper. Which pixels are unknown
beside those of the dropped instances is its public code's rule: whatever is a thing and has no channel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from panoptic_fusion import PanopticSegmentation
from panoptic_heads.common.panoptic_target import NO_TARGET, target_at
from panoptic_heads.common.semantic_losses import pixel_cross_entropy
from panoptic_heads.upsnet.roi_loss import Divisor, divisor


def draw_visible(count: int, drop_fraction: float = 0.3) -> Tensor:
    """Draw the instances that keep their channel; the others become unknown.

    Args:
        count: Number of instances of the image.
        drop_fraction: The share that is dropped, rounded to a whole number of instances. One is kept.

    Returns:
        ``(count,)`` bool on the host, from PyTorch's global generator.
    """
    kept = max(round(count * (1 - drop_fraction)), min(count, 1))
    visible = torch.zeros(count, dtype=torch.bool)
    visible[torch.randperm(count)[:kept]] = True
    return visible


def panoptic_target(
    truth: PanopticSegmentation,
    segment_ids: Tensor,
    visible: Tensor,
    size: tuple[int, int],
    *,
    input_size: tuple[int, int],
    num_things: int,
    num_stuff: int,
    unknown: bool = True,
) -> Tensor:
    """Return the channel of :func:`panoptic_fusion.dense_panoptic_logits` that each pixel should win.

    Args:
        truth: The image's ground truth, no larger than `input_size`, aligned at the upper left corner.
        segment_ids: ``(N,)``, the segment of `truth` that shows each instance, 0: none.
        visible: ``(N,)`` bool, the instances that have a channel.
        size: Height and width of the logits; their pixels take the label below their centre.
        input_size: Height and width of the network's padded input.
        num_things: Number of thing classes.
        num_stuff: Number of stuff classes.
        unknown: Whether there is the unknown channel. If not, its pixels have no target.

    Returns:
        ``size`` int64: stuff classes, then visible instances in their order, then unknown; `NO_TARGET` in
        void and padding.
    """
    device = truth.device
    shown = segment_ids.to(device)[visible.to(device)]  # (V,)
    shows = truth.ids[:, None] == shown[None, :]  # (S, V)
    has_channel = shows.any(dim=1)
    others = num_stuff + len(shown) if unknown else NO_TARGET
    if len(shown):
        things = torch.where(has_channel, num_stuff + shows.int().argmax(dim=1), others)
    else:
        things = torch.full_like(truth.labels, others)
    channels = torch.where(truth.is_thing, things, truth.labels - num_things)
    return target_at(truth, channels, size, input_size=input_size)


def panoptic_cross_entropy(
    logits: Sequence[Tensor], targets: Sequence[Tensor], *, divide_by: Divisor = "valid"
) -> Tensor:
    """Return the mean cross entropy over the pixels of a batch whose images differ in their channels.

    Args:
        logits: For each image ``(C_i, h, w)``.
        targets: For each image ``(h, w)`` int64, or `NO_TARGET`.
        divide_by: Pixels with a target (the paper's mean), or all pixels (the public code).

    Returns:
        A scalar, float32 or better; 0, attached to the logits, where no pixel has a target.

    Example:
        >>> logits = torch.tensor([0.0, 0.0, 3.0]).reshape(2 + 1, 1, 1).repeat(1, 1, 2)
        >>> panoptic_cross_entropy([logits], [torch.tensor([[0, NO_TARGET]])])  # log(1 + 1 + e^3) - 0
        tensor(3.0949)
    """
    total = torch.stack(
        [
            pixel_cross_entropy(own[None], target[None], ignore_index=NO_TARGET).sum()
            for own, target in zip(logits, targets, strict=True)
        ]
    ).sum()
    valid = torch.cat([(target != NO_TARGET).flatten() for target in targets])
    return total / divisor(valid, divide_by)
