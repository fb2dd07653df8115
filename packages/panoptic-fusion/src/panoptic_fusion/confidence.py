"""Fusion by confidence: the heuristic of Kirillov et al., Panoptic Segmentation, CVPR 2019.

arXiv:1801.00868, "Machine Performance Baselines". Where the paper leaves numbers open, the rules and defaults
are those of its authors' public evaluation kit: score >= 0.5, at most half of a mask covered by earlier
instances, stuff from 64 x 64 pixels.
"""

import torch

from panoptic_fusion._canvas import Canvas, check_label_map
from panoptic_fusion._checks import ArrayLike, check_count, check_fraction
from panoptic_fusion._instances import read_instances
from panoptic_fusion._laying import lay_instances
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.segmentation import PanopticSegmentation


@torch.no_grad()
def fuse_by_confidence(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    sem_seg: ArrayLike,
    *,
    num_things: int,
    score_threshold: float = 0.5,
    overlap_threshold: float = 0.5,
    stuff_area_limit: int = 4096,
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Lay instances by falling score, then stuff on what is free.

    1. Instances with ``score >= score_threshold``, the best first; equal scores: the lower input index first.
    2. An instance is dropped if more than `overlap_threshold` of its area is taken already, or if it has no
       area; otherwise it gets its free pixels.
    3. Each stuff class gets the free pixels of its label, if they are at least `stuff_area_limit`.
    4. All else is void: thing pixels of the semantic map without an instance, too.

    Every step works inside the windows of the masks; memory beyond inputs and result is one int32 map.

    Args:
        masks: ``N`` instance masks, or ``(N, H, W)`` bool.
        labels: ``(N,)`` integer thing ids in ``[0, num_things)``.
        scores: ``(N,)`` floats.
        sem_seg: ``(H, W)`` integer labels, things in ``[0, num_things)``, stuff after; `ignore_index` is
            void. A collapsed head maps its thing channel to any thing label, e.g. 0.
        num_things: Number of thing classes.
        score_threshold: Any finite number; 0.5 by default.
        overlap_threshold: In [0, 1]; 0.5 by default. 0 allows no overlap, 1 drops only what is fully covered.
        stuff_area_limit: Pixels >= 0; 4096 by default.
        ignore_index: Void in `sem_seg`; not a thing id.

    Returns:
        The map on the device of the inputs. Ids count from 1: things in the order of placement, with their
        scores, then stuff by class.

    Raises:
        ValueError: If counts, shapes, devices, labels or thresholds do not fit, or a score or mask logit
        is NaN
            or infinite.
        TypeError: If a dtype does not fit.

    Example:
        >>> masks = torch.tensor([[[1, 1, 0, 0, 0]], [[0, 1, 1, 0, 0]]], dtype=torch.bool)
        >>> labels, scores = torch.tensor([0, 0]), torch.tensor([0.8, 0.9])
        >>> sem_seg = torch.tensor([[0, 0, 0, 0, 1]])  # one thing class, one stuff class
        >>> seg = fuse_by_confidence(masks, labels, scores, sem_seg, num_things=1, stuff_area_limit=1)
        >>> seg.id_map.tolist()
        [[2, 1, 1, 0, 3]]
    """
    check_fraction(overlap_threshold, "overlap_threshold")
    check_count(stuff_area_limit, "stuff_area_limit")
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
    reader, order = instances.reader, instances.order
    canvas = Canvas(sem_seg, num_things=num_things, capacity=len(order), ignore_index=ignore_index)
    lay_instances(canvas, reader.crops(order), [reader.windows[i] for i in order], overlap_threshold)
    return canvas.finish(instances.labels[order], instances.scores[order], stuff_area_limit=stuff_area_limit)
