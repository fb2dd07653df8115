"""UPSNet's RoI loss: the semantic head once more, inside the boxes of the ground truth.

Xiong et al., CVPR 2019, arXiv:1901.03784, section 3.1. Written from the paper.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from mmcv.ops import roi_align
from torch import Tensor

from panoptic_fusion import full_precision
from panoptic_heads.common.precision import at_least_float32
from panoptic_heads.common.semantic_losses import pixel_cross_entropy

Divisor: TypeAlias = Literal["valid", "all"]
"""What a sum of cross entropies is divided by: pixels with a target, or all of them (the public code)."""


def roi_semantic_loss(
    logits: Tensor,
    target: Tensor,
    boxes: Sequence[Tensor],
    *,
    size: int = 28,
    sampling_ratio: int = 1,
    divide_by: Divisor = "valid",
    ignore_index: int = 255,
) -> Tensor:
    """Return the cross entropy of semantic logits cropped by boxes.

    Args:
        logits: ``(N, C, h, w)`` of the semantic head.
        target: ``(N, H, W)`` int64, the channel of each pixel of the network's input, or `ignore_index`.
        boxes: For each image ``(K, 4)``, xyxy in pixels of `target`.
        size: Each crop is resized to ``size x size`` cells: the logits by RoIAlign, the labels to the pixel
            at the cell's centre.
        sampling_ratio: RoIAlign's samples on each axis of a cell; 1 is bilinear resizing.
        divide_by: See `Divisor`.
        ignore_index: The label without a loss.

    Returns:
        A scalar, float32 or better; 0, attached to the logits, where there is no box.
    """
    counts = [len(each) for each in boxes]
    if not sum(counts):
        return at_least_float32(logits).sum() * 0
    image = torch.repeat_interleave(
        torch.arange(len(counts), device=logits.device), torch.tensor(counts, device=logits.device)
    )
    rois = torch.cat(list(boxes)).detach().to(logits.device)
    scale = rois.new_tensor([logits.shape[3] / target.shape[2], logits.shape[2] / target.shape[1]])
    with full_precision(logits):
        indexed = torch.cat([image[:, None].to(rois), rois * scale.repeat(2)], dim=1)  # (K, 5)
        values = at_least_float32(logits)
        crops = roi_align(values, indexed.to(values), (size, size), 1.0, sampling_ratio, "avg", True)
        labels = crop_labels(target, image, rois, size)
        losses = pixel_cross_entropy(crops, labels, ignore_index=ignore_index)
    return losses.sum() / divisor(labels != ignore_index, divide_by)


def crop_labels(target: Tensor, image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Return the labels below the centres of a box's cells.

    Args:
        target: ``(N, H, W)``.
        image: ``(K,)``, which image each box lies in.
        boxes: ``(K, 4)``, xyxy in pixels of `target`.
        size: Cells on each axis.

    Returns:
        ``(K, size, size)``.

    Example:
        >>> target = torch.arange(8).reshape(1, 2, 4)
        >>> crop_labels(target, torch.tensor([0]), torch.tensor([[1.0, 0.0, 4.0, 2.0]]), 2).tolist()
        [[[1, 3], [5, 7]]]
    """
    centers = (torch.arange(size, device=boxes.device, dtype=boxes.dtype) + 0.5) / size
    columns = boxes[:, 0, None] + centers * (boxes[:, 2] - boxes[:, 0])[:, None]  # (K, size)
    rows = boxes[:, 1, None] + centers * (boxes[:, 3] - boxes[:, 1])[:, None]
    columns = columns.floor().long().clamp(0, target.shape[2] - 1)
    rows = rows.floor().long().clamp(0, target.shape[1] - 1)
    return target[image[:, None, None], rows[:, :, None], columns[:, None, :]]


def divisor(valid: Tensor, divide_by: Divisor) -> Tensor:
    """Return what the sum of losses over pixels is divided by, at least 1."""
    count = valid.sum() if divide_by == "valid" else valid.new_tensor(valid.numel(), dtype=torch.int64)
    return count.clamp(min=1)
