"""Of two overlapping instances, which one is surer and which one is shown (OANet, figures 7 and 8)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor

from panoptic_core.evaluation.per_image import PerImageMetric
from panoptic_fusion import BoxMasks, PanopticSegmentation
from panoptic_heads.registry import METRICS

MATCHED = 0.5  # IoU of a detection's box with that of the instance


class Overlap(NamedTuple):
    """Two instances of different classes with common pixels: the indices, and where the upper one is seen."""

    upper: int
    lower: int
    rows: slice
    columns: slice
    seen: Tensor


@METRICS.register_module()
class OcclusionOrder(PerImageMetric):
    """Order of overlapping instances, over the pairs of ground-truth instances that are both detected.

    A pair has different classes and masks with common pixels, where the panoptic annotation shows the upper
    one; it needs overlapping masks (an instance file). An instance is detected if the box of a detection of
    its class has an IoU of at least 0.5 with its own; the best score counts.

    ``occlusion/pairs`` is their number; ``occlusion/upper_scores_lower`` is the share, in percent, of those
    whose upper instance has the lower detection score; ``occlusion/upper_shown`` of those where the
    prediction shows the upper one's class on most of the common pixels. NaN without a pair.
    """

    default_prefix = "occlusion"

    def measure(self, sample: Mapping[str, Any]) -> list[tuple[bool, bool]]:
        """Return for each pair whether the upper one has the lower score, and whether it is shown."""
        target: PanopticSegmentation = sample["gt_panoptic"]
        truth = sample["gt_instances"]
        shown = sample["pred_panoptic"].label_map().to(target.device)
        scores = _best_scores(truth, sample["pred_instances"])
        things = torch.nonzero(~truth["iscrowd"] & (scores > 0)).flatten()
        masks, labels = truth["masks"][things], truth["labels"][things]
        record = []
        for pair in overlaps(masks, labels, target):
            upper, lower = things[pair.upper], things[pair.lower]
            agree = shown[pair.rows, pair.columns][pair.seen] == labels[pair.upper]
            record.append((bool(scores[upper] < scores[lower]), bool(agree.float().mean() > 0.5)))
        return record

    def summarize(self, records: Sequence[list[tuple[bool, bool]]]) -> dict[str, float]:
        """Return the number of pairs and both shares."""
        pairs = [pair for record in records for pair in record]
        lower, shown = (
            100 * sum(pair[i] for pair in pairs) / len(pairs) if pairs else float("nan") for i in range(2)
        )
        return {"pairs": len(pairs), "upper_scores_lower": lower, "upper_shown": shown}


def overlaps(masks: BoxMasks, labels: Tensor, target: PanopticSegmentation) -> Iterator[Overlap]:
    """Yield the pairs of instances that overlap, of different classes, of which the annotation shows one.

    Args:
        masks: ``N`` instance masks.
        labels: ``(N,)`` thing ids.
        target: The image's panoptic annotation.
    """
    size = (int(target.shape[0]), int(target.shape[1]))
    crops, windows, classes = list(masks.crops(size)), masks.windows(size), labels.tolist()
    label_map = target.select(~target.iscrowd).label_map()
    for i, j in combinations(range(len(crops)), 2):
        (left, top), (right, bottom) = (
            [choose(windows[i][k], windows[j][k]) for k in ks]
            for choose, ks in ((max, (0, 1)), (min, (2, 3)))
        )
        if classes[i] == classes[j] or left >= right or top >= bottom:
            continue
        rows, columns = slice(top, bottom), slice(left, right)
        common = torch.ones(bottom - top, right - left, dtype=torch.bool, device=target.device)
        for k in (i, j):
            x0, y0 = windows[k][:2]
            common &= crops[k][top - y0 : bottom - y0, left - x0 : right - x0]
        seen = [common & (label_map[rows, columns] == classes[k]) for k in (i, j)]
        counts = [int(each.sum()) for each in seen]
        if counts[0] != counts[1]:
            upper, lower = (i, j) if counts[0] > counts[1] else (j, i)
            yield Overlap(upper, lower, rows, columns, seen[0 if upper == i else 1])


def _best_scores(truth: Mapping[str, Any], found: Mapping[str, Any]) -> Tensor:
    """Return the best score of a detection of each instance, ``(N,)``; 0 where there is none."""
    boxes, others = truth["bboxes"], found["bboxes"].to(truth["bboxes"].device)  # (N, 4), (D, 4)
    corner = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    sides = (torch.minimum(boxes[:, None, 2:], others[None, :, 2:]) - corner).clamp(min=0)
    common = sides.prod(dim=2)  # (N, D)
    areas = [(each[:, 2:] - each[:, :2]).prod(dim=1) for each in (boxes, others)]
    union = areas[0][:, None] + areas[1][None] - common
    same = truth["labels"][:, None] == found["labels"].to(boxes.device)[None]
    scores = found["scores"].to(boxes.device)[None] * (same & (common >= MATCHED * union))
    return scores.amax(dim=1) if scores.shape[1] else boxes.new_zeros(len(boxes))
