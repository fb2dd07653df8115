"""Arithmetic of boxes, xyxy and half-open."""

import torch
from torch import Tensor


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of all pairs of boxes, ``(N, M)``; 0 for boxes without area."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    both = (high - low).clamp(min=0).prod(dim=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1) for boxes in (first, second)]
    return both / (areas[0][:, None] + areas[1] - both).clamp(min=1e-6)
