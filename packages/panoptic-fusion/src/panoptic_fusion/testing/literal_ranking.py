"""Spatial ranking, word by word, over full-size masks and the whole softmax."""

import torch
from torch import Tensor

from panoptic_fusion.regions import connected_components
from panoptic_fusion.segmentation import PanopticSegmentation
from panoptic_fusion.testing.literal import _add_stuff


def ranking_scores_literally(masks: Tensor, labels: Tensor, ranking: Tensor) -> Tensor:
    """Do what `panoptic_fusion.ranking_scores` promises, over ``(N, H, W)`` bool masks; ``(N,)`` float32."""
    probs = ranking.double().softmax(dim=0)
    scores = torch.zeros(len(masks), dtype=torch.float64, device=ranking.device)
    for i, mask in enumerate(masks):
        if mask.any():
            scores[i] = probs[labels[i]][mask].mean()
    return scores.float()


def fuse_by_ranking_literally(
    masks: Tensor,
    labels: Tensor,
    scores: Tensor,
    ranking: Tensor,
    sem_seg: Tensor,
    *,
    num_things: int,
    score_threshold: float = 0.5,
    overlap_threshold: float = 0.5,
    stuff_area_limit: int = 4900,
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Do what `panoptic_fusion.fuse_by_ranking` promises, over ``(N, H, W)`` bool masks."""
    ranks = ranking_scores_literally(masks, labels, ranking)
    panoptic = torch.zeros_like(sem_seg, dtype=torch.int32)
    rows: list[tuple[int, bool, float]] = []
    for i in sorted(range(len(masks)), key=lambda i: (-float(ranks[i]), -float(scores[i]), i)):
        area, taken = int(masks[i].sum()), int((masks[i] & (panoptic > 0)).sum())
        if scores[i] < score_threshold or taken == area or taken / area > overlap_threshold:
            continue
        rows.append((int(labels[i]), True, float(scores[i])))
        panoptic[masks[i] & (panoptic == 0)] = len(rows)
    free_stuff = torch.where((panoptic == 0) & (sem_seg >= num_things), sem_seg.long(), -1)
    region, areas = connected_components(free_stuff)
    stuff = torch.where(areas[region] >= stuff_area_limit, sem_seg, ignore_index)
    return _add_stuff(panoptic, rows, stuff, num_things, 1, ignore_index)
