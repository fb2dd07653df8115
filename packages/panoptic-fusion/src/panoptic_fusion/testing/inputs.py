"""Inputs of fusions made from ground truth: what a perfect network would say about a panoptic map."""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.raw_outputs import RawOutputs
from panoptic_fusion.regions import segment_boxes
from panoptic_fusion.segmentation import PanopticSegmentation

NUM_THINGS = 2
"""Thing classes of `example_segmentation`."""

NUM_CLASSES = 5
"""All its classes."""


def example_segmentation(height: int = 24, width: int = 32) -> PanopticSegmentation:
    """Draw a small ground truth: three stuff classes, four things of two classes, a crowd and a void corner.

    Args:
        height: At least 12.
        width: At least 16.

    Returns:
        Labels 0 and 1 are things, 2, 3 and 4 stuff; ids are not consecutive.

    Example:
        >>> seg = example_segmentation()
        >>> seg.ids.tolist(), seg.labels.tolist()
        ([31, 12, 13, 27, 8, 2, 3, 40], [0, 0, 1, 1, 0, 2, 3, 4])
    """
    y = (torch.arange(height) + 0.5)[:, None] / height
    x = (torch.arange(width) + 0.5) / width
    id_map = torch.where(y < 0.35, 2, torch.where(x + y < 1.1, 3, 40)).int()
    id_map[(y - 0.5) ** 2 * 2 + (x - 0.25) ** 2 < 0.035] = 31
    id_map[(y - 0.55) ** 2 + (x - 0.4) ** 2 < 0.02] = 12  # in front of 31
    id_map[(y > 0.2) & (y < 0.7) & (x > 0.6) & (x < 0.7)] = 13
    id_map[(y > 0.6) & (y < 0.75) & (x > 0.65) & (x < 0.95)] = 27
    id_map[(y > 0.35) & (y < 0.5) & (x > 0.8)] = 8
    id_map[(y > 0.85) & (x < 0.2)] = 0
    ids = [31, 12, 13, 27, 8, 2, 3, 40]
    labels = [0, 0, 1, 1, 0, 2, 3, 4]
    is_thing = [label < NUM_THINGS for label in labels]
    return PanopticSegmentation.from_id_map(id_map, ids, labels, is_thing, iscrowd=[one == 8 for one in ids])


def raw_outputs_from_segmentation(
    seg: PanopticSegmentation,
    *,
    num_things: int,
    num_classes: int,
    mask_form: Literal["crops", "logits"] = "crops",
    mask_size: int = 28,
    confidence: float = 12.0,
    sigma: float = 8.0,
    ignore_index: int = 255,
) -> RawOutputs:
    """Say what a perfect network would say: every field of RawOutputs.

    Args:
        seg: A panoptic map. Crowds are no instances, but keep their semantic label.
        num_things: Number of thing classes.
        num_classes: Number of classes.
        mask_form: ``"crops"``: exact masks; ``"logits"``: ``(N, mask_size, mask_size)`` in tight boxes, which
            blurs masks that are larger.
        mask_size: Cells of a mask logit's side.
        confidence: Logits are plus or minus this; void pixels have logits 0 for all classes.
        sigma: Of the Gaussians of the center heat map, in pixels.
        ignore_index: The label of void pixels in `sem_seg`.

    Returns:
        Instances in the order of the segments, with distinct scores that fall from 0.95.
    """
    label_map = seg.label_map(ignore_index)
    known = label_map != ignore_index
    sem_logits = _signed_one_hot(torch.where(known, label_map, 0), num_classes, confidence) * known
    chosen = (seg.is_thing & ~seg.iscrowd).nonzero().view(-1)  # (N,)
    count = chosen.numel()
    windows = segment_boxes(seg)[chosen]  # (N, 4)
    crops = [
        (seg.id_map == segment_id)[y0:y1, x0:x1]
        for segment_id, (x0, y0, x1, y1) in zip(seg.ids[chosen].tolist(), windows.tolist(), strict=True)
    ]
    masks = BoxMasks.from_crops(crops, windows)
    if mask_form == "logits":
        masks = BoxMasks.from_logits(_shrink(crops, mask_size, confidence, seg.device), windows.float())
    ranking = torch.full((num_things, *seg.shape), -confidence, device=seg.device)
    for label, segment_id in zip(seg.labels[chosen].tolist(), seg.ids[chosen].tolist(), strict=True):
        ranking[label][seg.id_map == segment_id] = confidence
    heatmap, offsets = _centers(seg, chosen.tolist(), sigma)
    return RawOutputs(
        size=seg.shape,
        num_things=num_things,
        num_classes=num_classes,
        sem_logits=sem_logits,
        sem_seg=label_map,
        masks=masks,
        labels=seg.labels[chosen],
        scores=0.95 - 0.4 * torch.arange(count, device=seg.device) / max(count, 1),
        ranking=ranking,
        center_heatmap=heatmap,
        offsets=offsets,
    )


def _signed_one_hot(labels: Tensor, num_classes: int, confidence: float) -> Tensor:
    """Return ``(C, H, W)`` logits, `confidence` at the label and its negative elsewhere."""
    classes = torch.arange(num_classes, device=labels.device)[:, None, None]
    return torch.where(classes == labels, confidence, -confidence)


def _shrink(crops: list[Tensor], mask_size: int, confidence: float, device: torch.device) -> Tensor:
    """Return the covered share of each cell as logits, ``(N, M, M)``."""
    cells = [F.adaptive_avg_pool2d(crop.float()[None], mask_size)[0] for crop in crops]
    shares = torch.stack(cells) if cells else torch.zeros(0, mask_size, mask_size, device=device)
    return confidence * (2 * shares - 1)


def _centers(seg: PanopticSegmentation, chosen: list[int], sigma: float) -> tuple[Tensor, Tensor]:
    """Return Gaussians at the centroids ``(1, H, W)`` and each pixel's way there ``(2, H, W)``, y then x."""
    height, width = seg.shape
    heatmap = torch.zeros(1, height, width, device=seg.device)
    offsets = torch.zeros(2, height, width, device=seg.device)
    grid = torch.stack(
        torch.meshgrid(
            torch.arange(height, device=seg.device, dtype=torch.float32),
            torch.arange(width, device=seg.device, dtype=torch.float32),
            indexing="ij",
        )
    )
    for column in chosen:
        mask = seg.id_map == seg.ids[column]
        way = grid[:, mask].mean(dim=1)[:, None, None] - grid  # (2, H, W)
        offsets[:, mask] = way[:, mask]
        heatmap = torch.maximum(heatmap, torch.exp(-(way**2).sum(dim=0, keepdim=True) / (2 * sigma**2)))
    return heatmap, offsets
