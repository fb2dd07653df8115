"""Which detection stands for which segment: the matching of the panoptic matching loss.

Li et al., CVPR 2020, arXiv:2001.04982, section 3.5 and equation 5. Written from the paper, which has no
public code. It asks for the permutation of the truth that maximises the box IoU and does not say how: here
pairs are taken greedily, the best first, as the paper's "top match" of a segment suggests.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from panoptic_fusion import PanopticSegmentation, segment_boxes

NO_TRUTH = -1


class Matching(NamedTuple):
    """The detections that stay, in their order, and what each stands for.

    Attributes:
        kept: ``(K,)`` int64, rising: the detections that get a channel. The others are surplus: each has an
            admissible truth, and all of these were taken.
        truth: ``(K,)`` int64, the truth of each, or `NO_TRUTH`: it should win no pixel.
    """

    kept: Tensor
    truth: Tensor


class SegmentMatching(NamedTuple):
    """The detections that stay, in their order, and the segment of each.

    Attributes:
        kept: ``(K,)`` int64, rising, as in `Matching`.
        segment_ids: ``(K,)`` int64, the segment that each should win, 0: none.
    """

    kept: Tensor
    segment_ids: Tensor


def match_detections(
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor,
    truth_boxes: Tensor,
    truth_labels: Tensor,
    *,
    min_iou: float = 0.5,
) -> Matching:
    """Match detections with the truth, one to one.

    A pair is admissible if both have the same class and their boxes an IoU of at least `min_iou`. Pairs are
    taken by falling IoU, then by falling score, if neither is taken yet. Then

    - a detection in a pair keeps its channel and learns the truth's pixels;
    - one whose admissible truths are all taken is surplus: it gets no channel, so no gradient;
    - one without admissible truth keeps its channel and learns to win nothing;
    - truth in no pair is nobody's target.

    The result does not depend on the order of detections or truth: where IoU and score are equal, coordinates
    decide (the box whose first unequal coordinate is smaller). Only where class, box and score are equal does
    the first come first.

    Args:
        boxes: ``(D, 4)`` xyxy, half-open.
        labels: ``(D,)`` integers.
        scores: ``(D,)``.
        truth_boxes: ``(T, 4)`` in the same pixels; by the paper the tight boxes of panoptic segments.
        truth_labels: ``(T,)`` integers.
        min_iou: In (0, 1]; the paper's ``t`` is 0.5.

    Returns:
        On the device of `boxes`.

    Raises:
        ValueError: If `min_iou` is out of range, counts differ, or a box or score is NaN or infinite.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [8, 8, 9, 9]])
        >>> labels, scores = torch.zeros(3).long(), torch.tensor([0.6, 0.9, 0.8])
        >>> truth = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0])
        >>> kept, match = match_detections(boxes, labels, scores, *truth)
        >>> kept.tolist(), match.tolist()
        ([0, 2], [0, -1])
    """
    if not 0 < min_iou <= 1:
        msg = f"Expected `min_iou` in (0, 1], got {min_iou}. The paper's is 0.5."
        raise ValueError(msg)
    counts = {
        "labels": (labels, boxes),
        "scores": (scores, boxes),
        "truth_labels": (truth_labels, truth_boxes),
    }
    for name, (column, of) in counts.items():
        if column.shape != of.shape[:1] or of.shape[1:] != (4,):
            msg = (
                f"Expected `{name}` to have one value for each of `(n, 4)` boxes, got {tuple(column.shape)} "
                f"for boxes of {tuple(of.shape)}."
            )
            raise ValueError(msg)
    # A few hundred numbers: the host is faster, and double precision makes a tie a tie.
    own, truth = boxes.detach().double().cpu(), truth_boxes.detach().double().cpu()
    confidence = scores.detach().double().cpu()
    for name, numbers in (("boxes", own), ("scores", confidence), ("truth_boxes", truth)):
        if not bool(numbers.isfinite().all()):
            msg = f"Expected `{name}` to be finite, got NaN or infinity. Did the training diverge?"
            raise ValueError(msg)
    iou = _box_iou(own, truth)
    same_class = labels.cpu()[:, None] == truth_labels.cpu()[None, :]
    admissible = same_class & (iou >= min_iou)  # (D, T)
    taken = _greedy(admissible, iou, confidence, own, truth)
    kept = [d for d, any_truth in enumerate(admissible.any(dim=1).tolist()) if d in taken or not any_truth]
    device = boxes.device
    return Matching(
        kept=torch.tensor(kept, dtype=torch.int64, device=device),
        truth=torch.tensor([taken.get(d, NO_TRUTH) for d in kept], dtype=torch.int64, device=device),
    )


def match_segments(
    boxes: Tensor, labels: Tensor, scores: Tensor, truth: PanopticSegmentation, *, min_iou: float = 0.5
) -> SegmentMatching:
    """Match detections with the instances of a panoptic map by :func:`match_detections`.

    Args:
        boxes: ``(D, 4)`` xyxy, half-open, in pixels of `truth`.
        labels: ``(D,)`` thing ids.
        scores: ``(D,)``.
        truth: The ground truth. Its things count, but not crowds: a detection there has no admissible truth,
            and the crowd's pixels have no target.
        min_iou: See :func:`match_detections`.

    Returns:
        On the device of `boxes`.
    """
    instances = truth.is_thing & ~truth.iscrowd & (truth.areas > 0)
    ids = truth.ids[instances].to(boxes.device, torch.int64)
    kept, index = match_detections(
        boxes, labels, scores, segment_boxes(truth)[instances], truth.labels[instances], min_iou=min_iou
    )
    # One more id at the end: it is what the index NO_TRUTH, -1, finds.
    return SegmentMatching(kept, torch.cat([ids, ids.new_zeros(1)])[index])


def _greedy(
    admissible: Tensor, iou: Tensor, scores: Tensor, boxes: Tensor, truth_boxes: Tensor
) -> dict[int, int]:
    """Return the truth of each detection that gets one."""
    pairs: list[tuple[int, int]] = [(d, t) for d, t in admissible.nonzero().tolist()]
    ious, confidence = iou.tolist(), scores.tolist()
    corners, truth_corners = boxes.tolist(), truth_boxes.tolist()
    pairs.sort(
        key=lambda pair: (
            -ious[pair[0]][pair[1]],
            -confidence[pair[0]],
            corners[pair[0]],
            truth_corners[pair[1]],
        )
    )
    taken: dict[int, int] = {}
    used: set[int] = set()
    for detection, truth in pairs:
        if detection not in taken and truth not in used:
            taken[detection] = truth
            used.add(truth)
    return taken


def _box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of all pairs, ``(D, T)``; 0 for boxes without area."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    both = (high - low).clamp(min=0).prod(dim=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1] - both
    return torch.where(union > 0, both / union, 0)
