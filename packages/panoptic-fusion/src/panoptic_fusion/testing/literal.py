"""The rules, word by word, over full-size masks: what the fast functions are held against.

Slow and hungry on purpose (instances x pixels); one loop each, nothing clever.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.segmentation import PanopticSegmentation


def paste_literally(mask_logits: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Paste every mask by sampling it at every pixel of the image.

    Args:
        mask_logits: ``(N, M, M)``.
        boxes: ``(N, 4)`` xyxy.
        size: ``(H, W)``.

    Returns:
        ``(N, H, W)`` bool.
    """
    height, width = size
    full = torch.zeros(len(boxes), height, width, dtype=torch.bool, device=boxes.device)
    for i, (x0, y0, x1, y1) in enumerate(boxes.float()):
        if x1 <= x0 or y1 <= y0:
            continue
        x = (torch.arange(width, device=boxes.device) + 0.5 - x0) / (x1 - x0) * 2 - 1
        y = (torch.arange(height, device=boxes.device) + 0.5 - y0) / (y1 - y0) * 2 - 1
        grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        probs = mask_logits[i].float().sigmoid()
        full[i] = F.grid_sample(probs[None, None], grid[None], align_corners=False)[0, 0] >= 0.5
    return full


def full_masks(masks: BoxMasks, size: tuple[int, int]) -> Tensor:
    """Return ``(N, H, W)`` bool, logits pasted literally."""
    if masks.mask_logits is None:
        return masks.to_full(size)
    return paste_literally(masks.mask_logits, masks.boxes, size)


def fuse_by_confidence_literally(
    masks: Tensor,
    labels: Tensor,
    scores: Tensor,
    sem_seg: Tensor,
    *,
    num_things: int,
    score_threshold: float = 0.5,
    overlap_threshold: float = 0.5,
    stuff_area_limit: int = 4096,
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Do what `panoptic_fusion.fuse_by_confidence` promises, over ``(N, H, W)`` bool masks."""
    panoptic = torch.zeros_like(sem_seg, dtype=torch.int32)
    rows: list[tuple[int, bool, float]] = []
    for i in torch.argsort(scores, descending=True, stable=True).tolist():
        if scores[i] < score_threshold:
            break
        mask = masks[i]
        area = int(mask.sum())
        if area == 0:
            continue
        taken = int((mask & (panoptic > 0)).sum())
        if taken / area > overlap_threshold or taken == area:
            continue
        rows.append((int(labels[i]), True, float(scores[i])))
        panoptic[mask & (panoptic == 0)] = len(rows)
    return _add_stuff(panoptic, rows, sem_seg, num_things, stuff_area_limit, ignore_index)


def fuse_by_mask_guidance_literally(
    masks: Tensor,
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor,
    sem_seg: Tensor,
    *,
    num_things: int,
    score_threshold: float = 0.5,
    box_nms_threshold: float = 0.3,
    mask_nms_threshold: float = 0.3,
    overlap_threshold: float = 0.4,
    guidance_threshold: float = 0.7,
    measure: str = "coverage",
    clip: bool = True,
    stuff_seg: Tensor | None = None,
    stuff_area_limit: int = 0,
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Do what `panoptic_fusion.fuse_by_mask_guidance` promises, over ``(N, H, W)`` masks and their boxes."""
    order = [
        i
        for i in torch.argsort(scores, descending=True, stable=True).tolist()
        if scores[i] >= score_threshold
    ]
    after_boxes: list[int] = []
    for i in order:
        rivals = [j for j in after_boxes if labels[j] == labels[i]]
        if all(box_iou(boxes[i], boxes[j]) <= box_nms_threshold for j in rivals):
            after_boxes.append(i)
    after_masks: list[int] = []
    for i in after_boxes:
        if masks[i].any() and all(mask_iou(masks[i], masks[j]) <= mask_nms_threshold for j in after_masks):
            after_masks.append(i)
    things = sem_seg < num_things
    if ignore_index < num_things:
        things = things & (sem_seg != ignore_index)
    panoptic = torch.zeros_like(sem_seg, dtype=torch.int32)
    added: list[int] = []
    rows: list[tuple[int, bool, float]] = []
    for i in after_masks:
        mask = masks[i]
        area = int(mask.sum())
        if measure == "coverage":
            overlap = int((mask & (panoptic > 0)).sum()) / area
        else:
            overlap = max((mask_iou(mask, masks[j]) for j in added), default=0.0)
        if overlap >= overlap_threshold or int((mask & things).sum()) / area <= guidance_threshold:
            continue
        added.append(i)
        free = mask & (panoptic == 0) & (things if clip else torch.ones_like(things))
        if free.any():
            rows.append((int(labels[i]), True, float(scores[i])))
            panoptic[free] = len(rows)
    if stuff_seg is not None:
        sem_seg = torch.where(things, stuff_seg, sem_seg)
    return _add_stuff(panoptic, rows, sem_seg, num_things, stuff_area_limit, ignore_index)


def _add_stuff(
    panoptic: Tensor,
    rows: list[tuple[int, bool, float]],
    sem_seg: Tensor,
    num_things: int,
    stuff_area_limit: int,
    ignore_index: int,
) -> PanopticSegmentation:
    """Give each stuff class its free pixels and close the table."""
    for label in torch.unique(sem_seg).tolist():
        if label < num_things or label == ignore_index:
            continue
        mask = (sem_seg == label) & (panoptic == 0)
        if int(mask.sum()) >= max(stuff_area_limit, 1):
            rows.append((label, False, 1.0))
            panoptic[mask] = len(rows)
    return PanopticSegmentation.from_id_map(
        panoptic,
        list(range(1, len(rows) + 1)),
        [row[0] for row in rows],
        [row[1] for row in rows],
        scores=[row[2] for row in rows],
    )


def box_iou(first: Tensor, second: Tensor) -> float:
    """Return the IoU of two boxes ``(4,)``, 0 for empty ones."""
    low, high = torch.maximum(first[:2], second[:2]), torch.minimum(first[2:], second[2:])
    shared = float((high - low).double().clamp(min=0).prod())
    union = sum(float((box[2:] - box[:2]).double().clamp(min=0).prod()) for box in (first, second)) - shared
    return shared / union if union else 0.0


def mask_iou(first: Tensor, second: Tensor) -> float:
    """Return the IoU of two ``(H, W)`` bool masks; 0 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0
