"""Fusion by centers (arXiv:1911.10194, sections 3.2 and 3.3)."""

from typing import Literal

import torch

from panoptic_fusion._canvas import Canvas, check_label_map
from panoptic_fusion._checks import ArrayLike, as_tensor, check_choice, check_count, check_device, check_shape
from panoptic_fusion.centers.grouping import group_pixels
from panoptic_fusion.centers.peaks import check_heatmap, find_centers
from panoptic_fusion.centers.voting import (
    instance_scores,
    majority_vote,
    objectness_at_centroids,
)
from panoptic_fusion.segmentation import PanopticSegmentation


@torch.no_grad()
def fuse_by_centers(
    center_heatmap: ArrayLike,
    offsets: ArrayLike,
    sem_seg: ArrayLike,
    *,
    sem_logits: ArrayLike | None = None,
    num_things: int,
    threshold: float = 0.1,
    nms_kernel: int = 7,
    top_k: int = 200,
    objectness: Literal["center", "centroid"] = "center",
    stuff_area_limit: int = 2048,
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Make instances of the thing pixels around each center, then stuff of the rest.

    1. `find_centers` in the heat map.
    2. `group_pixels`: every pixel whose label is a thing goes to the nearest center after its offset.
       Without any center, thing pixels are void.
    3. `majority_vote`: an instance has the class of most of its pixels.
    4. `instance_scores`: the heat map at the center, times the mean probability of that class.
    5. Each stuff class gets the pixels of its label, if they are at least `stuff_area_limit`.

    Args:
        center_heatmap: ``(1, H, W)`` or ``(H, W)`` floats.
        offsets: ``(2, H, W)`` floats, y then x, in pixels of the map, from the pixel to its center.
        sem_seg: ``(H, W)`` integer labels, things in ``[0, num_things)``, stuff after; `ignore_index` is
            void.
        sem_logits: ``(C, H, W)`` floats for the scores. Without them the share of the votes stands for the
            mean probability.
        num_things: Number of thing classes.
        threshold: A center is higher; 0.1 by default.
        nms_kernel: Odd; 7 by default.
        top_k: The most centers, 200 by default.
        objectness: The heat map's value at the predicted ``"center"``, or at the ``"centroid"`` of the
            instance's pixels, as two public codes have it.
        stuff_area_limit: Pixels >= 0; 2048 by default, the paper's for Cityscapes (4096 for COCO and Vistas).
        ignore_index: Void in `sem_seg`; not a thing id.

    Returns:
        The map on the device of the inputs. Ids count from 1: things by falling heat of their centers,
        with their scores, then stuff by class.

    Raises:
        ValueError: If shapes, devices, labels or options do not fit, or the heat map, the offset of a thing
            pixel, or a logit of one is NaN or infinite.
        TypeError: If a dtype does not fit.

    Example:
        >>> heatmap = torch.tensor([[[0.9, 0.0, 0.0, 0.0, 0.8, 0.0]]])
        >>> sem_seg = torch.tensor([[0, 0, 0, 1, 1, 2]])  # two thing classes, one stuff class
        >>> seg = fuse_by_centers(heatmap, torch.zeros(2, 1, 6), sem_seg, num_things=2, stuff_area_limit=1)
        >>> seg.id_map.tolist(), seg.labels.tolist(), seg.scores
        ([[1, 1, 1, 2, 2, 3]], [0, 1, 2], tensor([0.9000, 0.8000, 1.0000]))
    """
    check_count(num_things, "num_things")
    check_count(stuff_area_limit, "stuff_area_limit")
    check_choice(objectness, "objectness", ("center", "centroid"))
    sem_seg = check_label_map(sem_seg)
    size = tuple(sem_seg.shape)
    heat = check_heatmap(center_heatmap)
    offsets = as_tensor(offsets, "offsets")
    for name, tensor, shape, meaning in (
        ("center_heatmap", heat, size, f"(1, H, W) = (1, {size[0]}, {size[1]}), as `sem_seg`"),
        ("offsets", offsets, (2, *size), f"(2, H, W) = (2, {size[0]}, {size[1]}), as `sem_seg`"),
    ):
        check_shape(tensor, name, shape, meaning)
        check_device(tensor, name, sem_seg.device, "sem_seg")
    centers = find_centers(heat, threshold=threshold, nms_kernel=nms_kernel, top_k=top_k)
    count = len(centers.positions)
    canvas = Canvas(sem_seg, num_things=num_things, capacity=count, ignore_index=ignore_index)
    instance_map = group_pixels(centers.positions, offsets, canvas.codes < num_things)
    votes = majority_vote(instance_map, canvas.codes, num_things=num_things, num_instances=count)
    heat_of_instances = centers.scores
    if objectness == "centroid":
        heat_of_instances = objectness_at_centroids(instance_map, heat, num_instances=count)
    if sem_logits is None:  # every pixel has voted: nothing is left to count
        scores = (heat_of_instances.double() * votes.shares()).float()
    else:
        scores = instance_scores(instance_map, votes.labels, heat_of_instances, sem_logits=sem_logits)
    canvas.place_map(instance_map)
    return canvas.finish(votes.labels.cpu().numpy(), scores.cpu().numpy(), stuff_area_limit=stuff_area_limit)
