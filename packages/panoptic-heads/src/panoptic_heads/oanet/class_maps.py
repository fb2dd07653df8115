"""What the spatial ranking module sees and should say (OANet, arXiv:1903.05027, section 3.2 and figure 4).

Its input is a map with a channel for each thing class: zeros, and ones where an instance of that class lies.
Its target is the class that the panoptic annotation has on top, at the pixels where instances of at least two
classes lie: the conflicts.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import BoxMasks, PanopticSegmentation


def class_map(masks: BoxMasks, labels: Tensor, size: tuple[int, int], num_things: int) -> Tensor:
    """Draw instances into the channels of their classes, one mask at a time, each in its window.

    Args:
        masks: ``N`` instance masks.
        labels: ``(N,)`` thing ids in ``[0, num_things)``.
        size: Height and width of the map.
        num_things: Number of thing classes ``T``.

    Returns:
        ``(T, H, W)`` bool on the masks' device.
    """
    drawn = torch.zeros(num_things, *size, dtype=torch.bool, device=masks.device)
    for label, crop, (x0, y0, x1, y1) in zip(
        labels.tolist(), masks.crops(size), masks.windows(size), strict=True
    ):
        drawn[label, y0:y1, x0:x1] |= crop
    return drawn


def conflict_labels(drawn: Tensor, target: PanopticSegmentation, *, ignore_index: int = 255) -> Tensor:
    """Return the class on top where instances of two or more classes lie.

    Args:
        drawn: A :func:`class_map`, ``(T, H, W)`` bool.
        target: The image's panoptic annotation, of the same size.
        ignore_index: The label of all other pixels, and of conflicts below stuff, void or a crowd.

    Returns:
        ``(H, W)`` int64 in ``[0, T)``, or `ignore_index`.
    """
    things = target.select(target.is_thing & ~target.iscrowd)
    return things.label_map(ignore_index).masked_fill_(drawn.sum(dim=0) < 2, ignore_index)


def to_box_masks(masks: Any, device: torch.device) -> BoxMasks:
    """Return the masks of a training sample in their boxes.

    Args:
        masks: MMDetection's ``BitmapMasks``. Of those that keep ``crops`` and ``windows`` (panoptic_data's),
            only these are read.
        device: Of the result.
    """
    if hasattr(masks, "crops") and hasattr(masks, "windows"):
        crops, windows = masks.crops, np.asarray(masks.windows).reshape(-1, 4)
    else:
        windows = np.array([_tight_window(mask) for mask in masks.masks], dtype=np.int64).reshape(-1, 4)
        crops = [mask[y0:y1, x0:x1] for mask, (x0, y0, x1, y1) in zip(masks.masks, windows, strict=True)]
    placed = [torch.from_numpy(np.ascontiguousarray(crop).astype(bool)) for crop in crops]
    return BoxMasks.from_crops(placed, torch.from_numpy(windows), device=device)


def shrink(maps: Tensor, factor: int) -> Tensor:
    """Return every ``factor``-th row and column of ``(..., H, W)``, rounded up, nearest pixel centre."""
    if factor == 1:
        return maps
    height, width = maps.shape[-2:]
    size = -(-height // factor), -(-width // factor)
    rows, columns = (
        ((torch.arange(new, device=maps.device) + 0.5) * (old / new)).long()
        for new, old in zip(size, (height, width), strict=True)
    )
    return maps[..., rows[:, None], columns]


def enlarge(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Return logits ``(T, h, w)`` resized bilinearly to a height and width."""
    if logits.shape[1:] == torch.Size(size):
        return logits
    return F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]


def _tight_window(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
