"""The ground truth of a batch, padded to the size of the network's input."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


class CenterMaps(NamedTuple):
    """What the instance branch learns.

    Attributes:
        heatmap: ``(N, 1, H, W)`` float32 in [0, 1].
        heatmap_mask: ``(N, 1, H, W)`` bool, where the heat map counts.
        offsets: ``(N, 2, H, W)`` float32, y then x, in pixels of the input.
        offset_mask: ``(N, 1, H, W)`` bool, where the offsets count.
    """

    heatmap: Tensor
    heatmap_mask: Tensor
    offsets: Tensor
    offset_mask: Tensor


def semantic_maps(
    samples: Sequence[DetDataSample], size: tuple[int, int], *, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Return the labels ``(N, H, W)`` int64 and their weights ``(N, H, W)`` float32.

    Args:
        samples: With ``gt_sem_seg`` and ``gt_centers``.
        size: ``(H, W)`` of the batch; what an image does not cover is ignored.
        ignore_index: The label without annotation.

    Raises:
        ValueError: If a sample has no targets, **or** if they are larger than the batch.
    """
    labels = [_pad(sample.gt_sem_seg.sem_seg, size, ignore_index)[0] for sample in samples]
    weights = [_pad(_centers(sample).semantic_weight, size, 0)[0] for sample in samples]
    return torch.stack(labels).long(), torch.stack(weights)


def center_maps(samples: Sequence[DetDataSample], size: tuple[int, int]) -> CenterMaps:
    """Return what the instance branch learns; arguments and errors as of :func:`semantic_maps`."""
    maps = {
        name: torch.stack([_pad(_centers(sample).get(name), size, 0) for sample in samples])
        for name in CenterMaps._fields
    }
    return CenterMaps(**maps)


def _centers(sample: DetDataSample) -> DetDataSample:
    if "gt_centers" not in sample:
        msg = (
            f"Expected training samples to have `gt_centers`, got {sample.keys()}. Put "
            "panoptic_data.MakeCenterTargets behind crop and flip in the training pipeline."
        )
        raise ValueError(msg)
    return sample.gt_centers


def _pad(maps: Tensor, size: tuple[int, int], value: float) -> Tensor:
    """Pad ``(C, h, w)`` at the right and at the bottom."""
    down, right = size[0] - maps.shape[1], size[1] - maps.shape[2]
    if down < 0 or right < 0:
        msg = (
            f"Expected targets no larger than the batch, {size}, got {tuple(maps.shape[1:])}. Do not resize "
            "images behind the transform that makes the targets."
        )
        raise ValueError(msg)
    if maps.dtype == torch.bool:
        return F.pad(maps.to(torch.uint8), (0, right, 0, down), value=value).bool()
    return F.pad(maps, (0, right, 0, down), value=value)
