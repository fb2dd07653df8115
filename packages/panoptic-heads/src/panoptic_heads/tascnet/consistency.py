"""Things and Stuff Consistency, TASC (TASCNet, arXiv:1812.01192, section 3.2).

Two maps say how sure each head is that a pixel shows a thing: RoI-Flatten of the positive RoIs' masks, and
the semantic head's winning class. The loss is the mean of their squared difference, the residual of the
paper's Figure 4.

What it can and cannot do: each map is cut to 0 below 0.5, and below 0.5 it has no gradient. Where only one
head is confident, the loss pulls that head down; it never lifts the other one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from panoptic_fusion import PanopticSegmentation
from panoptic_heads.common.precision import at_least_float32
from panoptic_heads.tascnet.roi_flatten import roi_flatten


def semantic_thing_map(sem_logits: Tensor, num_thing_channels: int, *, threshold: float = 0.5) -> Tensor:
    """Return the winning class's probability where it is a thing and certain enough, else 0.

    Args:
        sem_logits: ``(N, C, H, W)``; the first ``num_thing_channels`` channels are things (one, if the head
            knows things as a single class).
        num_thing_channels: How many channels are things.
        threshold: The probability must be larger.

    Returns:
        ``(N, H, W)``, float32 (float64 for float64 logits), values 0 or in (threshold, 1]. The gradient flows
        to the logits where the value is not 0.
    """
    logits = at_least_float32(sem_logits)
    best, winner = logits.max(dim=1)  # (N, H, W)
    probability = (best - logits.logsumexp(dim=1)).exp()
    keep = (winner < num_thing_channels) & (probability > threshold)
    return probability * keep


def valid_pixels(targets: Sequence[PanopticSegmentation], size: tuple[int, int]) -> Tensor:
    """Return where the consistency counts: annotated pixels that no crowd region covers.

    Crowd regions have a class but no boxes, so the things head is silent there; counting them would push the
    semantic head away from them.

    Args:
        targets: Ground truth of each image, no larger than ``size`` and aligned at the upper left corner.
        size: Height and width of the padded batch.

    Returns:
        ``(N, H, W)`` bool; False in void, padding and crowd.
    """
    device = targets[0].device
    valid = torch.zeros((len(targets), *size), dtype=torch.bool, device=device)
    for image, target in zip(valid, targets, strict=True):
        height, width = target.shape
        silent = torch.cat([target.ids[target.iscrowd], target.ids.new_zeros(1)])  # crowd and void
        image[:height, :width] = torch.isin(target.id_map, silent, invert=True)
    return valid


def tasc_loss(thing_maps: Tensor, semantic_maps: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of the squared residual over valid pixels, in float32 or better.

    Args:
        thing_maps: RoI-Flatten of each image, ``(N, H, W)``.
        semantic_maps: :func:`semantic_thing_map`, ``(N, H, W)``.
        valid: ``(N, H, W)`` bool.

    Returns:
        A scalar; 0, with a gradient of 0, where no pixel is valid.

    Example:
        >>> things, stuff = torch.tensor([[[0.8, 0.0]]]), torch.tensor([[[0.6, 0.9]]])
        >>> tasc_loss(things, stuff, torch.tensor([[[True, False]]]))  # (0.8 - 0.6)^2
        tensor(0.0400)
    """
    residual = (thing_maps - semantic_maps) * valid
    return residual.square().sum() / valid.sum().clamp(min=1)


def flatten_batch(
    mask_logits: Sequence[Tensor], boxes: Sequence[Tensor], size: tuple[int, int], *, scale: float = 1.0
) -> Tensor:
    """Apply RoI-Flatten to every image of a batch.

    Args:
        mask_logits: For each image ``(K, M, M)``, the logits of the assigned class.
        boxes: For each image ``(K, 4)``, xyxy in pixels of the network's input.
        size: Height and width of the maps.
        scale: Pixels of the maps for one pixel of the input.

    Returns:
        ``(N, H, W)``.
    """
    maps = [
        roi_flatten(at_least_float32(logits).sigmoid(), rois * scale, size)
        for logits, rois in zip(mask_logits, boxes, strict=True)
    ]
    return torch.stack(maps)
