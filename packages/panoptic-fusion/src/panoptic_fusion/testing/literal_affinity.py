"""The dense-affinity network's inference, word by word; see `panoptic_fusion.testing.literal`.

Li et al., CVPR 2020, arXiv:2001.04982, section 3.4. The affinity of all pairs of pixels is made here.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion.segmentation import PanopticSegmentation


def dynamic_potential_literally(
    sem_probs: Tensor,
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor,
    mask_probs: Tensor,
    *,
    num_things: int,
    form: str = "product",
) -> Tensor:
    """Do what `panoptic_fusion.dynamic_potential` promises, every plane sampled at every pixel.

    Args:
        sem_probs: ``(C, H, W)``.
        boxes: ``(D, 4)`` xyxy.
        labels: ``(D,)``.
        scores: ``(D,)``.
        mask_probs: ``(D, M, M)``.
        num_things: Number of thing classes.
        form: ``"product"``, ``"sum"``, ``"logit_sum"`` or ``"mask_free"``.
    """
    height, width = sem_probs.shape[1:]
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    planes = []
    for (x0, y0, x1, y1), label, score, cells in zip(boxes, labels, scores, mask_probs, strict=True):
        inside = ((x >= x0) & (x <= x1)) & ((y >= y0) & (y <= y1))[:, None] & (x1 > x0) & (y1 > y0)
        grid_x = ((x - x0) / (x1 - x0) * 2 - 1).expand(height, width)
        grid_y = ((y - y0) / (y1 - y0) * 2 - 1)[:, None].expand(height, width)
        grid = torch.stack([grid_x, grid_y], dim=-1).nan_to_num(9).to(cells)
        mask = F.grid_sample(cells[None, None], grid[None], align_corners=False)[0, 0]
        semantic = sem_probs[label]
        value = {
            "product": score * semantic * mask,
            "sum": score * (semantic + mask),
            "logit_sum": semantic + mask,
            "mask_free": score * semantic,
        }[form]
        planes.append(torch.where(inside, value, 0))
    return torch.stack([*planes, *sem_probs[num_things:]])


def apply_affinity_literally(
    potential: Tensor,
    phi0: Tensor,
    phi1: Tensor,
    gamma: float | Tensor = 1.0,
    valid: Tensor | None = None,
) -> Tensor:
    """Do what `panoptic_fusion.apply_affinity` promises, with the ``(HW, HW)`` affinity."""
    affinity = phi0.flatten(1).T @ phi1.flatten(1)  # (pixel that gathers, pixel that gives)
    count = float(affinity.shape[1])
    if valid is not None:
        affinity, count = affinity * valid.flatten(), float(valid.sum())
    revised = potential.flatten(1).T + gamma * affinity @ potential.flatten(1).T / count
    return revised.T.reshape(potential.shape)


def fuse_by_affinity_literally(
    mask_logits: Tensor,
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor,
    sem_logits: Tensor,
    phi0: Tensor | None = None,
    phi1: Tensor | None = None,
    *,
    num_things: int,
    gamma: float = 1.0,
    form: str = "product",
    score_threshold: float = 0.5,
    size: tuple[int, int] | None = None,
    stuff_area_limit: int = 0,
) -> tuple[PanopticSegmentation, Tensor]:
    """Do what `panoptic_fusion.fuse_by_affinity` promises.

    Returns:
        The map, and the gap between the two best channels at each pixel, ``(H, W)``: where it is no more than
        rounding, the map may differ.
    """
    order = [
        i for i in torch.argsort(scores, descending=True, stable=True).tolist() if scores[i] > score_threshold
    ]
    height, width = size = size or (sem_logits.shape[1], sem_logits.shape[2])
    factors = torch.tensor([sem_logits.shape[2] / width, sem_logits.shape[1] / height] * 2)
    logit_sum = form == "logit_sum"
    potential = dynamic_potential_literally(
        sem_logits if logit_sum else sem_logits.softmax(dim=0),
        boxes[order] * factors,
        labels[order],
        scores[order],
        mask_logits[order] if logit_sum else mask_logits[order].sigmoid(),
        num_things=num_things,
        form=form,
    )
    if phi0 is not None and phi1 is not None:
        potential = apply_affinity_literally(potential, phi0, phi1, gamma)
    full = F.interpolate(potential[None], size=size, mode="bilinear", align_corners=False)[0]
    winners = full.argmax(dim=0)
    top = full.topk(min(2, len(full)), dim=0).values
    ids = torch.arange(len(full)) + 1
    channel_labels = torch.cat([labels[order], torch.arange(num_things, len(sem_logits))])
    seg = PanopticSegmentation.from_id_map(
        winners + 1,
        ids,
        channel_labels,
        channel_labels < num_things,
        scores=torch.cat([scores[order], torch.ones(len(sem_logits) - num_things)]),
    )
    keep = seg.is_thing | (seg.areas >= stuff_area_limit)
    seg = seg.select(keep)
    compact = torch.zeros(len(full) + 1, dtype=torch.int32)
    compact[seg.ids.long()] = torch.arange(1, len(seg) + 1, dtype=torch.int32)
    id_map = compact[seg.id_map.long()]
    table = seg.labels, seg.is_thing
    ranks = torch.arange(1, len(seg) + 1)
    return PanopticSegmentation.from_id_map(id_map, ranks, *table, scores=seg.scores), top[0] - top[-1]
