"""UPSNet's inference, word by word, over full-size planes; see `panoptic_fusion.testing.literal`.

Xiong et al., CVPR 2019, arXiv:1901.03784, sections 3.1 and 3.2.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion.segmentation import PanopticSegmentation
from panoptic_fusion.testing.literal import box_iou


def panoptic_logits_literally(
    sem_logits: Tensor,
    mask_logits: Tensor,
    boxes: Tensor,
    labels: Tensor,
    *,
    num_things: int,
    unknown: bool = True,
    outside: str = "zero",
) -> Tensor:
    """Do what `panoptic_fusion.dense_panoptic_logits` promises, every plane sampled at every pixel.

    Args:
        sem_logits: ``(C, H, W)`` float32.
        mask_logits: ``(N, M, M)``.
        boxes: ``(N, 4)`` xyxy.
        labels: ``(N,)``.
        num_things: Number of thing classes.
        unknown: Append the unknown channel.
        outside: ``"zero"`` or ``"-inf"``.
    """
    height, width = sem_logits.shape[1:]
    beside = 0.0 if outside == "zero" else -torch.inf
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    planes, semantic = [], []
    for logits, label, (x0, y0, x1, y1) in zip(mask_logits.float(), labels, boxes.float(), strict=True):
        inside = ((x >= x0) & (x <= x1)) & ((y >= y0) & (y <= y1))[:, None] & (x1 > x0) & (y1 > y0)
        grid_x = ((x - x0) / (x1 - x0) * 2 - 1).expand(height, width)
        grid_y = ((y - y0) / (y1 - y0) * 2 - 1)[:, None].expand(height, width)
        grid = torch.stack([grid_x, grid_y], dim=-1)
        values = F.grid_sample(logits[None, None], grid[None].nan_to_num(9), align_corners=False)[0, 0]
        planes.append(torch.where(inside, sem_logits[label] + values, beside))
        semantic.append(torch.where(inside, sem_logits[label], beside))
    channels = list(sem_logits[num_things:]) + planes
    if unknown:
        best = torch.zeros(height, width)
        if semantic:
            best = torch.stack(semantic).amax(dim=0)
        best = torch.where(best == -torch.inf, 0, best)
        channels.append(sem_logits[:num_things].amax(dim=0) - best)
    return torch.stack(channels)


def prune_literally(masks: Tensor, labels: Tensor, scores: Tensor, threshold: float = 0.3) -> list[int]:
    """Do what `panoptic_fusion.prune_masks` promises, over ``(N, H, W)`` bool masks."""
    canvases: dict[int, Tensor] = {}
    kept = []
    for i in torch.argsort(scores, descending=True, stable=True).tolist():
        canvas = canvases.setdefault(int(labels[i]), torch.zeros_like(masks[i]))
        area = int(masks[i].sum())
        if area and int((masks[i] & canvas).sum()) / area <= threshold:
            canvas |= masks[i]
            kept.append(i)
    return kept


def resolve_literally(
    logits: Tensor,
    sem_seg: Tensor,
    labels: Tensor,
    *,
    num_things: int,
    num_stuff: int,
    inclusive: bool = False,
) -> list[int]:
    """Do what `panoptic_fusion.resolve_classes` promises, from the dense logits."""
    winners = logits.argmax(dim=0)
    resolved = []
    for i, label in enumerate(labels.tolist()):
        votes = sem_seg[winners == num_stuff + i]
        resolved.append(label)
        if votes.numel() == 0:
            continue
        counts = votes.bincount()
        mode, share = int(counts.argmax()), float(counts.max()) / votes.numel()
        if mode >= num_things and (share > 0.5 or (inclusive and share == 0.5)):
            resolved[-1] = mode
    return resolved


def fuse_by_panoptic_logits_literally(
    mask_logits: Tensor,
    boxes: Tensor,
    full_masks: Tensor,
    labels: Tensor,
    scores: Tensor,
    sem_logits: Tensor,
    *,
    num_things: int,
    score_threshold: float = 0.6,
    box_nms_threshold: float = 0.5,
    prune_threshold: float = 0.3,
    unknown: bool = True,
    outside: str = "zero",
    inclusive: bool = False,
    stuff_area_limit: int = 2048,
) -> PanopticSegmentation:
    """Do what `panoptic_fusion.fuse_by_panoptic_logits` promises; `full_masks` are the pasted masks."""
    kept: list[int] = []
    for i in torch.argsort(scores, descending=True, stable=True).tolist():
        if scores[i] > score_threshold and all(
            box_iou(boxes[i], boxes[j]) <= box_nms_threshold for j in kept
        ):
            kept.append(i)
    pruned = prune_literally(full_masks[kept], labels[kept], scores[kept], prune_threshold)
    kept = [kept[i] for i in pruned]
    num_stuff = len(sem_logits) - num_things
    logits = panoptic_logits_literally(
        sem_logits,
        mask_logits[kept],
        boxes[kept],
        labels[kept],
        num_things=num_things,
        unknown=unknown,
        outside=outside,
    )
    winners, sem_seg = logits.argmax(dim=0), sem_logits.argmax(dim=0)
    classes = resolve_literally(
        logits, sem_seg, labels[kept], num_things=num_things, num_stuff=num_stuff, inclusive=inclusive
    )
    id_map = torch.zeros(winners.shape, dtype=torch.int32)
    rows: list[tuple[int, bool, float]] = []
    stuff = {label: winners == label - num_things for label in range(num_things, len(sem_logits))}
    for turn, (i, label) in enumerate(zip(kept, classes, strict=True)):
        won = winners == num_stuff + turn
        if label >= num_things:
            stuff[label] = stuff[label] | won
        elif won.any():
            rows.append((label, True, float(scores[i])))
            id_map[won] = len(rows)
    for label, won in stuff.items():
        if int(won.sum()) >= max(stuff_area_limit, 1):
            rows.append((label, False, 1.0))
            id_map[won] = len(rows)
    ids = list(range(1, len(rows) + 1))
    return PanopticSegmentation.from_id_map(
        id_map, ids, [row[0] for row in rows], [row[1] for row in rows], scores=[row[2] for row in rows]
    )
