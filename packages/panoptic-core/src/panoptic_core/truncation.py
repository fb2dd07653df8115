"""Boxes truncated on purpose: what does a method make of an instance whose box is too small?

Between the network and its fusion every box loses a share of one of its sides, and what its mask says there.
Whatever stops at its box cannot show the rest of the instance; a method that looks beyond may (the
dense-affinity network, Li et al., CVPR 2020, arXiv:2001.04982, section 1). How much of it comes back is
:func:`recover`, and :class:`panoptic_core.evaluation.TruncationRecovery` for a whole set.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from panoptic_core._boxes import box_iou
from panoptic_core.errors import CommandError
from panoptic_core.oracles import true_instances
from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs
from panoptic_fusion.paste import paste_windows

Side = Literal["left", "top", "right", "bottom"]
SIDES: tuple[Side, ...] = get_args(Side)

_MIN_IOU = 0.5


class TruncationError(CommandError, ValueError):
    """A model has no boxes to truncate. The message says why."""


@dataclass
class Truncated:
    """The detections of an image before and after the cut.

    Attributes:
        whole: ``(N, 4)`` xyxy, as the network said.
        cut: ``(N, 4)``, as the fusion saw them.
        labels: ``(N,)`` thing ids.
        scores: ``(N,)``.
    """

    whole: Tensor
    cut: Tensor
    labels: Tensor
    scores: Tensor


class Recovery(NamedTuple):
    """What has become of the true instances of an image, in instances and pixels.

    Attributes:
        instances: Those that a detection stands for.
        shown: Of these, those that the panoptic map shows.
        lost: Pixels of the shown ones outside of their cut boxes.
        recovered: Of these, the pixels that the map gives to the instance.
        claimed: All pixels that the map gives to the instance outside of the cut box, right or wrong.
    """

    instances: int
    shown: int
    lost: int
    recovered: int
    claimed: int


class TruncateBoxes:
    """Cut every box of an image at one side; put it into a detector's ``raw_transforms``.

    The side is drawn for the image, from the seed and the image's id (else its file name). So each model
    gets the same cut, and so do all detections of one instance: none fills what another has lost.

    It leaves a :class:`Truncated` in the sample, as ``truncated``. What the network made of its boxes before
    (OANet's map of ranks) stays, and so do the detections for average precision.

    Args:
        fraction: Of the side's length that a box loses, in (0, 1).
        seed: Of the sides.
    """

    def __init__(self, fraction: float, seed: int = 0) -> None:
        if not 0 < fraction < 1:
            msg = f"Expected `fraction` in (0, 1), got {fraction}. 0.25 cuts a quarter of each box."
            raise ValueError(msg)
        self.fraction = fraction
        self.seed = seed

    def __call__(self, raw: RawOutputs, sample: Any) -> RawOutputs:
        """Return the outputs with cut boxes and masks; scores and labels stay.

        Raises:
            TruncationError: If the network has no instances in boxes.
        """
        if raw.masks is None or raw.labels is None or raw.scores is None:
            msg = (
                "Expected raw outputs with `masks`, `labels` and `scores` to truncate boxes, got none of "
                "them. Only box-based models have boxes: leave --truncate-boxes out."
            )
            raise TruncationError(msg)
        masks = cut_masks(raw.masks, self.side_of(sample), self.fraction)
        sample.truncated = Truncated(raw.masks.boxes, masks.boxes, raw.labels, raw.scores)
        return replace(raw, masks=masks)

    def side_of(self, sample: Any) -> Side:
        """Return the side that an image's boxes lose."""
        image = sample.get("img_id")
        if image is None:
            image = Path(str(sample.get("img_path"))).name
        digest = hashlib.sha256(f"{self.seed}/{image}".encode()).digest()
        return SIDES[digest[0] % len(SIDES)]


def cut_masks(masks: BoxMasks, side: Side, fraction: float) -> BoxMasks:
    """Cut boxes at one side, and their masks: what they say outside of the cut boxes is gone.

    Args:
        masks: In any form.
        side: Where.
        fraction: Of the box's width or height, in (0, 1).

    Returns:
        Masks of the same form. Logits are read, linearly, at the centres of about as large cells as they had;
        where the cut runs between cells they are the very same. Crops keep the pixels whose centres stay in.

    Example:
        >>> masks = BoxMasks.from_logits(torch.tensor([[[1.0, 2, 3, 4]]]), torch.tensor([[0.0, 0, 8, 2]]))
        >>> cut = cut_masks(masks, "left", 0.25)
        >>> cut.boxes.tolist(), cut.mask_logits.tolist()
        ([[2.0, 0.0, 8.0, 2.0]], [[[2.0, 3.0, 4.0]]])
    """
    axis = SIDES.index(side) % 2  # 0: x, 1: y
    if masks.whole_crops is not None:
        return _cut_crops(masks, side, fraction)
    boxes = masks.boxes.clone()
    lost = fraction * (boxes[:, axis + 2] - boxes[:, axis])
    if side in ("left", "top"):
        boxes[:, axis] += lost
    else:
        boxes[:, axis + 2] -= lost
    if masks.mask_logits is None:
        return BoxMasks.from_boxes(boxes)
    dim = 2 - axis
    cells = masks.mask_logits.shape[dim]
    kept = max(1, round(cells * (1 - fraction)))
    begin = fraction if side in ("left", "top") else 0.0
    places = (begin + (np.arange(kept) + 0.5) / kept * (1 - fraction)) * cells - 0.5
    places = places.round(6).clip(0, cells - 1)  # whole numbers but for rounding, where the cut is at a cell
    below = np.floor(places)
    device = masks.device
    near = masks.mask_logits.index_select(dim, torch.from_numpy(below).to(device, torch.int64))
    if (places == below).all():
        return BoxMasks.from_logits(near, boxes)
    above = torch.from_numpy(np.ceil(places)).to(device, torch.int64)
    far = masks.mask_logits.index_select(dim, above)
    share = torch.from_numpy(places - below).to(device, near.dtype)
    share = share[:, None] if dim == 1 else share
    return BoxMasks.from_logits(torch.lerp(near, far, share.expand_as(near)), boxes)


def recover(truth: PanopticSegmentation, pred: PanopticSegmentation, truncated: Truncated) -> Recovery:
    """Count what a panoptic map shows of the true instances outside of their cut boxes.

    A detection stands for a true instance of its class if its whole box meets the instance's, tight around
    the visible pixels, at an IoU of 0.5 or more: one to one, the surest detection first. The map shows the
    instance if one thing segment of its class has at least half of its pixels inside the cut box; that
    segment is the instance from there on. A pixel is inside if its centre is.

    Args:
        truth: The ground truth. Its crowds are no instances.
        pred: The panoptic map of the cut boxes, of the same size.
        truncated: What was cut.

    Returns:
        The counts.

    Raises:
        ValueError: If the sizes differ.
    """
    if truth.shape != pred.shape:
        msg = f"Expected `pred` to be of the size of `truth`, {truth.shape}, got {pred.shape}."
        raise ValueError(msg)
    device = truth.device
    pred = pred.to(device)
    columns = (truncated.whole, truncated.cut, truncated.labels, truncated.scores)
    whole, cut, labels, scores = (column.detach().to(device) for column in columns)
    instances = truth.ids[truth.is_thing & ~truth.iscrowd & (truth.areas > 0)].tolist()
    boxes, classes = true_instances(truth)
    pairs = _match(box_iou(whole, boxes), labels[:, None] == classes[None], scores)
    windows = paste_windows(cut.cpu().numpy(), truth.shape).tolist()
    shown = lost = recovered = claimed = 0
    for detection, instance in pairs:
        x0, y0, x1, y1 = windows[detection]
        mask = truth.id_map == instances[instance]
        here = pred.id_map[y0:y1, x0:x1][mask[y0:y1, x0:x1]]
        segment = _segment_of(here, pred, int(classes[instance]))
        if segment is None:
            continue
        own = pred.id_map == segment
        inside, agreed = own[y0:y1, x0:x1], own & mask
        shown += 1
        lost += int(mask.sum()) - len(here)
        recovered += int(agreed.sum()) - int(agreed[y0:y1, x0:x1].sum())
        claimed += int(own.sum()) - int(inside.sum())
    return Recovery(len(pairs), shown, lost, recovered, claimed)


def _cut_crops(masks: BoxMasks, side: Side, fraction: float) -> BoxMasks:
    axis = SIDES.index(side) % 2
    before, after = masks.host_boxes.astype(np.int64), masks.host_boxes.astype(np.int64)
    lost = fraction * (before[:, axis + 2] - before[:, axis])
    if side in ("left", "top"):
        after[:, axis] = np.ceil(before[:, axis] + lost - 0.5)
    else:
        after[:, axis + 2] = np.ceil(before[:, axis + 2] - lost - 0.5)
    crops = [
        crop[new[1] - old[1] : new[3] - old[1], new[0] - old[0] : new[2] - old[0]]
        for crop, old, new in zip(masks.whole_crops or (), before.tolist(), after.tolist(), strict=True)
    ]
    return BoxMasks.from_crops(crops, torch.from_numpy(after), device=masks.device)


def _match(iou: Tensor, same_class: Tensor, scores: Tensor) -> list[tuple[int, int]]:
    """Return pairs of detection and instance, one to one: by falling score, then IoU."""
    overlaps, confidence = iou.tolist(), scores.tolist()
    admissible = (same_class & (iou >= _MIN_IOU)).nonzero().tolist()
    admissible.sort(key=lambda pair: (-confidence[pair[0]], -overlaps[pair[0]][pair[1]]))
    taken: dict[int, int] = {}
    for detection, instance in admissible:
        if detection not in taken and instance not in taken.values():
            taken[detection] = instance
    return list(taken.items())


def _segment_of(values: Tensor, pred: PanopticSegmentation, label: int) -> int | None:
    """Return the thing segment of a class that has at least half of these pixels, if there is one."""
    ids, counts = torch.unique(values, return_counts=True)
    candidates = pred.ids[pred.is_thing & (pred.labels == label)]
    fitting = torch.isin(ids, candidates) & (2 * counts >= len(values))
    if not len(ids) or not bool(fitting.any()):
        return None
    return int(ids[(counts * fitting).argmax()])
