"""Fusion by spatial ranking of OANet: Liu et al., An End-to-End Network for Panoptic Segmentation.

CVPR 2019, arXiv:1903.05027, sections 3.2 and 4.1. Written from the paper, which has no public code. A network
predicts for every pixel which thing class is in front; an instance whose class is believed there lies above
the others, whatever its detection score: a tie above the person who wears it.

- Erratum: equation 4 prints the mask indicator the wrong way round (0 inside the instance, 1 outside).
  Read literally, equation 3 would be the mean over the pixels that are *not* the instance's; the text above
  it ("the average of pixel ranking scores in a mask") says what is meant, and what is done here.
- The thresholds on the detection score and on overlap are not printed: 0.5 and 0.5 are ours.
- The ranking map knows classes, not instances: where two instances of one class cover the same pixels it says
  the same for both. Equal ranking scores fall to the detection score; ``same_class="score"`` lets it decide
  the order inside each class altogether.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._canvas import Canvas, check_label_map
from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_choice,
    check_count,
    check_device,
    check_fraction,
    check_shape,
)
from panoptic_fusion._instances import MaskReader, as_box_masks, read_instances
from panoptic_fusion._laying import lay_instances
from panoptic_fusion._windows import count_true, is_host
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.paste import Window
from panoptic_fusion.segmentation import PanopticSegmentation
from panoptic_fusion.stuff import drop_small_stuff

_TILE = 64  # side of the squares in which the softmax is normalised on the host; they stay in the cache
_TILE_ELSEWHERE = 1024  # on a GPU, where few large steps are faster
_PIXELS_AT_ONCE = 1 << 18


@torch.no_grad()
def ranking_scores(masks: BoxMasks | ArrayLike, labels: ArrayLike, ranking: ArrayLike) -> Tensor:
    """Return the mean probability of each instance's class over its mask (equation 3).

    The softmax is normalised once per pixel and only near the masks; nothing of the size classes x pixels is
    made.

    Args:
        masks: ``N`` instance masks, or ``(N, H, W)`` bool.
        labels: ``(N,)`` integer thing ids in ``[0, T)``.
        ranking: ``(T, H, W)`` float logits of the ranking map. Minus infinity is allowed: such a class is
            never in front.

    Returns:
        ``(N,)`` float32 in [0, 1] on the device of the inputs, in their order; 0 for a mask without pixels.

    Raises:
        ValueError: If shapes, devices or labels do not fit, a mask logit is NaN or infinite, or a
            ranking logit in the window of a mask is NaN or plus infinity.
        TypeError: If a dtype does not fit.

    Example:
        >>> masks = torch.tensor([[[1, 1, 0]], [[0, 1, 1]]], dtype=torch.bool)
        >>> ranking = torch.log(torch.tensor([[[0.9, 0.3, 0.5]], [[0.1, 0.7, 0.5]]]))
        >>> ranking_scores(masks, torch.tensor([0, 1]), ranking)
        tensor([0.6000, 0.6000])
    """
    ranking = _check_ranking(ranking)
    size = ranking.shape[1], ranking.shape[2]
    masks = as_box_masks(masks, size)
    instances = read_instances(
        masks,
        labels,
        torch.ones(len(masks), device=ranking.device),
        size=size,
        device=ranking.device,
        num_things=len(ranking),
        score_threshold=0.0,  # none is left out
        beside="ranking",
    )
    return _score(instances.reader, range(len(masks)), instances.labels, ranking)


@torch.no_grad()
def fuse_by_ranking(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    ranking: ArrayLike,
    sem_seg: ArrayLike,
    *,
    num_things: int,
    score_threshold: float = 0.5,
    overlap_threshold: float = 0.5,
    same_class: Literal["ranking", "score"] = "ranking",
    stuff_area_limit: int = 4900,
    stuff_area_by: Literal["component", "class"] = "component",
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Lay instances by falling ranking score, then stuff on what is free.

    1. Instances with a detection ``score >= score_threshold``.
    2. They are laid by falling `ranking_scores`; equal ones by falling detection score, then by input index.
    3. An instance is dropped if more than `overlap_threshold` of its area is taken already, or if it has no
       area; otherwise it gets its free pixels.
    4. Free pixels get the stuff of `sem_seg`; each connected region (8 neighbours) of fewer than
       `stuff_area_limit` of them becomes void.

    Args:
        masks: ``N`` instance masks, or ``(N, H, W)`` bool.
        labels: ``(N,)`` integer thing ids in ``[0, num_things)``.
        scores: ``(N,)`` floats, of the detection.
        ranking: ``(num_things, H, W)`` float logits of the ranking map.
        sem_seg: ``(H, W)`` integer labels. OANet drops the thing channels first, so that every pixel has a
            stuff label below the instances:
            ``label_map_from_logits(sem_logits[num_things:]) + num_things``.
            A thing label says nothing: without an instance the pixel is void.
        num_things: Number of thing classes.
        score_threshold: Any finite number; 0.5 by default (not in the paper).
        overlap_threshold: In [0, 1]; 0.5 by default (not in the paper).
        same_class: What orders instances of one class: ``"ranking"``, as all others, or ``"score"``: each
            class keeps its places in the order, and its instances take them by falling detection score.
        stuff_area_limit: Pixels >= 0; 4900 by default.
        stuff_area_by: Judge each connected ``"component"`` of stuff, or all pixels of a ``"class"`` together.
        ignore_index: Void in `sem_seg`; not a thing id.

    Returns:
        The map on the device of the inputs. Ids count from 1: things in the order of placement, with their
        detection scores, then stuff by class.

    Raises:
        ValueError: If counts, shapes, devices, labels, thresholds or options do not fit, or a score, mask
            logit or ranking logit in the window of a mask is NaN or infinite (a ranking logit may be minus
            infinity).
        TypeError: If a dtype does not fit.

    Example:
        >>> masks = torch.tensor([[[1, 1, 1, 1, 0]], [[0, 1, 1, 0, 0]]], dtype=torch.bool)
        >>> labels, scores = torch.tensor([0, 1]), torch.tensor([0.99, 0.6])  # a person, a tie
        >>> ranking = torch.tensor([[[2.0, 0, 0, 2, 0]], [[0.0, 2, 2, 0, 0]]])
        >>> sem_seg = torch.full((1, 5), 2)
        >>> fuse_by_ranking(masks, labels, scores, ranking, sem_seg, num_things=2).id_map.tolist()
        [[2, 1, 1, 2, 0]]
    """
    check_fraction(overlap_threshold, "overlap_threshold")
    check_count(stuff_area_limit, "stuff_area_limit")
    check_choice(same_class, "same_class", ("ranking", "score"))
    check_choice(stuff_area_by, "stuff_area_by", ("component", "class"))
    sem_seg = check_label_map(sem_seg)
    height, width = sem_seg.shape
    instances = read_instances(
        masks,
        labels,
        scores,
        size=(height, width),
        device=sem_seg.device,
        num_things=num_things,
        score_threshold=score_threshold,
    )
    ranking = _check_ranking(ranking)
    check_shape(
        ranking, "ranking", (num_things, height, width), f"(num_things, H, W) = {(num_things, height, width)}"
    )
    check_device(ranking, "ranking", sem_seg.device, "sem_seg")
    reader, by_score = instances.reader, instances.order
    ranks = _score(reader, by_score, instances.labels, ranking).cpu().numpy()
    order = _order(ranks, np.array(by_score, dtype=np.int64), instances.labels, same_class)
    canvas = Canvas(sem_seg, num_things=num_things, capacity=len(order), ignore_index=ignore_index)
    lay_instances(
        canvas, map(reader.crop_again, order), [reader.windows[i] for i in order], overlap_threshold
    )
    whole_class = stuff_area_limit if stuff_area_by == "class" else 0
    seg = canvas.finish(instances.labels[order], instances.scores[order], stuff_area_limit=whole_class)
    if stuff_area_by == "class" or stuff_area_limit <= 1:
        return seg
    return drop_small_stuff(seg, stuff_area_limit, connected=True)


def _order(ranks: np.ndarray, by_score: np.ndarray, labels: np.ndarray, same_class: str) -> list[int]:
    """Return the input indices in the order of placement.

    Args:
        ranks: ``(K,)`` ranking scores of the candidates.
        by_score: ``(K,)`` their input indices, the best detection first, then by index.
        labels: ``(N,)`` classes of all inputs.
        same_class: As in `fuse_by_ranking`.
    """
    turns = by_score[np.argsort(-ranks, kind="stable")]  # equal ranks stay in the order of the detection
    if same_class == "score":
        for label in np.unique(labels[turns]):
            turns[labels[turns] == label] = by_score[labels[by_score] == label]
    return turns.tolist()


def _check_ranking(ranking: ArrayLike) -> Tensor:
    ranking = as_tensor(ranking, "ranking")
    check_shape(ranking, "ranking", (None, None, None), "(T, H, W), one channel for each thing class")
    if not ranking.is_floating_point():
        msg = f"Expected `ranking` to hold floats, got {ranking.dtype}. Pass the logits of the ranking map."
        raise TypeError(msg)
    return ranking


def _score(reader: MaskReader, picked: Sequence[int], labels: np.ndarray, ranking: Tensor) -> Tensor:
    """Return the ranking scores of some masks, ``(K,)`` float32 on the device."""
    windows = [reader.windows[i] for i in picked]
    normaliser = _normaliser(ranking, windows)  # (H, W)
    fine = torch.ones((), dtype=torch.bool, device=ranking.device)
    means = []
    for i, crop in zip(picked, reader.crops(list(picked)), strict=True):
        reader.keep(i, crop)
        x0, y0, x1, y1 = reader.windows[i]
        window = slice(y0, y1), slice(x0, x1)
        fine &= normaliser[window].isfinite().all()
        total = _sum_of_probs(ranking[int(labels[i])][window], normaliser[window], crop)
        means.append((total / count_true(crop).clamp(min=1)).clamp(max=1))
    if not bool(fine):
        msg = (
            "Expected `ranking` to be finite in the windows of the masks, got NaN, plus infinity, or a pixel "
            f"where all {len(ranking)} classes are minus infinity."
        )
        raise ValueError(msg)
    return torch.stack(means).float() if means else torch.zeros(0, device=ranking.device)


def _sum_of_probs(logits: Tensor, normaliser: Tensor, crop: Tensor) -> Tensor:
    """Return the sum of ``exp(logits - normaliser)`` over a mask ``(h, w)``, a float64 scalar."""
    step = max(1, _PIXELS_AT_ONCE // max(crop.shape[1], 1))
    total = torch.zeros((), dtype=torch.float64, device=crop.device)
    for top in range(0, len(crop), step):
        rows = slice(top, top + step)
        probs = (logits[rows].float() - normaliser[rows]).exp_()
        total += torch.where(crop[rows], probs, 0).sum(dtype=torch.float64)
    return total


def _normaliser(ranking: Tensor, windows: list[Window]) -> Tensor:
    """Return the log of the softmax's denominator, ``(H, W)`` float32; without meaning far from windows."""
    height, width = ranking.shape[1:]
    tile = _TILE if is_host(ranking) else _TILE_ELSEWHERE
    touched = np.zeros((-(-height // tile), -(-width // tile)), dtype=bool)
    for x0, y0, x1, y1 in windows:
        if x0 < x1 and y0 < y1:
            touched[y0 // tile : (y1 - 1) // tile + 1, x0 // tile : (x1 - 1) // tile + 1] = True
    out = torch.empty(height, width, device=ranking.device)
    for row, column in np.argwhere(touched).tolist():
        square = slice(row * tile, (row + 1) * tile), slice(column * tile, (column + 1) * tile)
        out[square] = ranking[:, *square].float().logsumexp(dim=0)
    return out
