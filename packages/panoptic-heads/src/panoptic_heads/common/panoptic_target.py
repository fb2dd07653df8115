"""The panoptic truth as a target of losses on maps of another resolution and with other channels."""

from dataclasses import replace

import torch
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import PanopticSegmentation

NO_TARGET = -100
"""Where a pixel has none. Not 255: an image may have more channels than that."""

_CURE = "End the training pipeline with panoptic_data.PackPanopticInputs."


def panoptic_truth(sample: DetDataSample) -> PanopticSegmentation:
    """Return a training sample's panoptic map.

    Raises:
        ValueError: If the sample has none.
    """
    if "gt_panoptic" not in sample:
        msg = f"Expected training samples to have `gt_panoptic`, got {sample.keys()}. {_CURE}"
        raise ValueError(msg)
    truth: PanopticSegmentation = sample.gt_panoptic
    return truth


def instance_segments(sample: DetDataSample) -> Tensor:
    """Return the segment of the panoptic map that shows each instance of a training sample, 0: none.

    Raises:
        ValueError: If the sample does not say so.
    """
    if "segment_ids" not in sample.gt_instances:
        msg = (
            "Expected training samples to have `segment_ids` in `gt_instances`, got "
            f"{sample.gt_instances.keys()}. {_CURE}"
        )
        raise ValueError(msg)
    ids: Tensor = sample.gt_instances.segment_ids
    return ids


def target_at(
    truth: PanopticSegmentation, channels: Tensor, size: tuple[int, int], *, input_size: tuple[int, int]
) -> Tensor:
    """Return the channel that each pixel of a map should win; a pixel takes the segment below its centre.

    Args:
        truth: No larger than `input_size`, aligned at the upper left corner.
        channels: ``(S,)`` int64, of each segment of `truth`, or `NO_TARGET`.
        size: Height and width of the map.
        input_size: Height and width of the network's padded input, which the map covers evenly.

    Returns:
        ``size`` int64; `NO_TARGET` in void and padding.

    Raises:
        ValueError: If `truth` is larger than `input_size`.
    """
    height, width = truth.shape
    if height > input_size[0] or width > input_size[1]:
        msg = f"Expected `truth` to be no larger than the input, {input_size}, got {truth.shape}."
        raise ValueError(msg)
    ids = F.pad(truth.id_map, (0, input_size[1] - width, 0, input_size[0] - height))
    rows, columns = (
        ((torch.arange(cells, device=truth.device) + 0.5) * (pixels / cells)).long()
        for cells, pixels in zip(size, input_size, strict=True)
    )
    small = replace(truth, id_map=ids[rows[:, None], columns], labels=channels)
    return small.label_map(ignore_index=NO_TARGET)
