"""Mask-guided fusion of TASCNet: Li et al., Learning to Fuse Things and Stuff, section 3.3.

arXiv:1812.01192. Written from the paper, which has no public code. The semantic map says which pixels are
things at all; an instance joins if it is new and if the semantic map agrees. What the paper leaves open is
an argument here:

- "IoU" of an instance with what is there already and with the things mask is read as the share of the
  instance's own area (`measure="coverage"`). The literal pairwise IoU with earlier instances can never reach
  0.4 after a mask NMS at 0.3; it is `measure="iou"`. Against the things mask it is the share in both: an IoU
  with the things of a whole image would refuse nearly every instance of a scene with several.
- Things pixels left without an instance are void (`fill="stuff"` gives them a second map's stuff).
- Instances are written inside the things mask only (`clip=False`: anywhere that is free).
- The score threshold is not printed: 0.5, the default of Kirillov et al.'s heuristic.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._canvas import Canvas, check_label_map, read_label_map
from panoptic_fusion._checks import (
    ArrayLike,
    check_choice,
    check_count,
    check_device,
    check_fraction,
    check_shape,
)
from panoptic_fusion._instances import Instances, read_instances
from panoptic_fusion._windows import count_true
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.nms import overlapping_masks, suppress_boxes, suppress_masks
from panoptic_fusion.segmentation import PanopticSegmentation


@torch.no_grad()
def fuse_by_mask_guidance(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    sem_seg: ArrayLike,
    *,
    num_things: int,
    score_threshold: float = 0.5,
    box_nms_threshold: float = 0.3,
    mask_nms_threshold: float = 0.3,
    overlap_threshold: float = 0.4,
    guidance_threshold: float = 0.7,
    measure: Literal["coverage", "iou"] = "coverage",
    clip: bool = True,
    fill: Literal["void", "stuff"] = "void",
    stuff_seg: ArrayLike | None = None,
    stuff_area_limit: int = 0,
    ignore_index: int = 255,
) -> PanopticSegmentation:
    """Lay the instances that the semantic map agrees with; its stuff fills the rest.

    1. Instances with ``score >= score_threshold``, the best first (equal scores: the lower index first);
       box NMS inside each class, then mask NMS over all.
    2. In this order instance ``m`` is added if ``|m and canvas| / |m| < overlap_threshold``, the canvas being
       the pixels given to instances so far, and ``|m and things| / |m| > guidance_threshold``, things
       being the pixels whose semantic label is a thing. It gets its free pixels, with `clip` only those
       inside things.
    3. Stuff pixels keep their class. Thing pixels without an instance: see `fill`.

    Args:
        masks: ``N`` instance masks, or ``(N, H, W)`` bool.
        labels: ``(N,)`` integer thing ids in ``[0, num_things)``.
        scores: ``(N,)`` floats.
        sem_seg: ``(H, W)`` integer labels, things in ``[0, num_things)``, stuff after; `ignore_index` is
            void. A collapsed N+1 head maps its thing channel to any thing label, e.g. 0.
        num_things: Number of thing classes.
        score_threshold: Any finite number; 0.5 by default (not in the paper).
        box_nms_threshold: IoU in [0, 1]; 0.3 by default; 1 switches the NMS off.
        mask_nms_threshold: IoU in [0, 1]; 0.3 by default; 1 switches the NMS off.
        overlap_threshold: In [0, 1]; 0.4 by default.
        guidance_threshold: In [0, 1]; 0.7 by default.
        measure: What `overlap_threshold` limits: ``"coverage"``, the share of the instance that is taken, or
            ``"iou"``, the largest IoU with any instance that was added.
        clip: Write instances inside the things mask only.
        fill: Thing pixels without an instance become ``"void"`` or take the ``"stuff"`` of `stuff_seg`.
        stuff_seg: ``(H, W)`` stuff labels, e.g. the argmax over stuff channels; for ``fill="stuff"`` only.
        stuff_area_limit: Stuff classes with fewer pixels become void; 0 by default (the paper has no limit).
        ignore_index: Void in `sem_seg` and `stuff_seg`; not a thing id.

    Returns:
        The map on the device of the inputs. Ids count from 1: things in the order of placement, with their
        scores, then stuff by class.

    Raises:
        ValueError: If counts, shapes, devices, labels, thresholds or options do not fit, or a score or mask
            logit is NaN or infinite.
        TypeError: If a dtype does not fit.

    Example:
        >>> masks = torch.tensor([[[1, 1, 1, 1, 0, 0]], [[0, 0, 0, 0, 1, 1]]], dtype=torch.bool)
        >>> labels, scores = torch.tensor([0, 0]), torch.tensor([0.9, 0.8])
        >>> sem_seg = torch.tensor([[0, 0, 0, 1, 0, 1]])  # one thing class, one stuff class
        >>> fuse_by_mask_guidance(masks, labels, scores, sem_seg, num_things=1).id_map.tolist()
        [[1, 1, 1, 2, 0, 2]]
    """
    check_fraction(overlap_threshold, "overlap_threshold")
    check_fraction(guidance_threshold, "guidance_threshold")
    check_fraction(box_nms_threshold, "box_nms_threshold")
    check_fraction(mask_nms_threshold, "mask_nms_threshold")
    check_choice(measure, "measure", ("coverage", "iou"))
    check_choice(fill, "fill", ("void", "stuff"))
    check_count(stuff_area_limit, "stuff_area_limit")
    sem_seg = check_label_map(sem_seg)
    stuff_labels, highest_label = _read_stuff(fill, stuff_seg, sem_seg, num_things, ignore_index)
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
    reader = instances.reader
    order = suppress_boxes(reader.masks.host_boxes, instances.order, box_nms_threshold, instances.labels)
    canvas = Canvas(
        sem_seg,
        num_things=num_things,
        capacity=len(order),
        ignore_index=ignore_index,
        highest_label=highest_label,
    )
    areas, guided = _measure(canvas, instances, order)
    order = [i for i in order if areas[i]]
    order = suppress_masks(reader, order, areas, mask_nms_threshold, None)
    order = [i for i in order if guided[i] / areas[i] > guidance_threshold]
    if measure == "iou":
        order = _without_rivals(instances, order, areas, overlap_threshold)
    for turn, i in enumerate(order):
        crop, window, keep = reader.crop_again(i), reader.windows[i], None  # (h, w)
        if measure == "coverage":
            keep = canvas.taken(window, crop).double() / int(areas[i]) < overlap_threshold
        canvas.place(turn, window, crop, keep=keep, only_things=clip)
    if stuff_labels is not None:
        canvas.relabel_things(stuff_labels)
    return canvas.finish(instances.labels[order], instances.scores[order], stuff_area_limit=stuff_area_limit)


def _measure(canvas: Canvas, instances: Instances, order: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the area of each mask and its pixels on things, ``(N,)`` int64 on the host; one copy for all."""
    reader = instances.reader
    counts = []
    for i, crop in zip(order, reader.crops(order), strict=True):
        reader.keep(i, crop)
        counts.append(torch.stack([count_true(crop), canvas.on_things(reader.windows[i], crop)]))
    table = np.zeros((2, len(instances.labels)), dtype=np.int64)
    if counts:
        table[:, order] = torch.stack(counts, dim=1).cpu().numpy()
    return table[0], table[1]


def _without_rivals(
    instances: Instances, order: list[int], areas: np.ndarray, overlap_threshold: float
) -> list[int]:
    """Keep the instances whose IoU with each earlier kept one is below the threshold."""
    rivals = overlapping_masks(instances.reader, order, areas, overlap_threshold)
    kept: list[int] = []
    for i in order:
        if not any((j, i) in rivals for j in kept):
            kept.append(i)
    return kept


def _read_stuff(
    fill: str, stuff_seg: ArrayLike | None, sem_seg: Tensor, num_things: int, ignore_index: int
) -> tuple[Tensor | None, int]:
    """Return the labels for thing pixels without an instance and the highest of them."""
    if fill == "void":
        if stuff_seg is not None:
            msg = 'Expected no `stuff_seg` with fill="void", got one. Pass fill="stuff" to use it.'
            raise ValueError(msg)
        return None, 0
    if stuff_seg is None:
        msg = 'Expected `stuff_seg` with fill="stuff", got None. Pass the argmax over the stuff channels.'
        raise ValueError(msg)
    stuff_seg = check_label_map(stuff_seg, "stuff_seg")
    check_device(stuff_seg, "stuff_seg", sem_seg.device, "sem_seg")
    check_shape(stuff_seg, "stuff_seg", tuple(sem_seg.shape), f"(H, W) = {tuple(sem_seg.shape)} of `sem_seg`")
    labels, low, high = read_label_map(stuff_seg, num_things, ignore_index, "stuff_seg")
    if labels.numel() and low < num_things:
        msg = f"Expected `stuff_seg` to hold stuff labels >= {num_things}, got {low}. Leave the things out."
        raise ValueError(msg)
    return labels, high
