"""Which segments of a prediction and its ground truth find each other: the matching of panoptic quality.

Kirillov et al., CVPR 2019, arXiv:1801.00868, section 4.1: a pair of one class matches if its IoU exceeds 0.5;
void and crowds excuse predictions. At most one partner can exceed 0.5, so that nothing has to be searched.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_core.metrics.pairing import FloatArray, IntArray, Mode, SegmentPairs, pair_segments
from panoptic_core.metrics.pq_counts import PQCounts
from panoptic_fusion import PanopticSegmentation


class Matches(NamedTuple):
    """Which segments found each other, all arrays on the host.

    The ``M`` matched pairs: ``target_ids``, ``pred_ids``, ``labels`` and ``iou`` (float64 in (0.5, 1]), all
    ``(M,)``. Ground truth without a match (FN): ``missed_ids`` and ``missed_labels``. Predictions without a
    match that nothing excuses (FP): ``wrong_ids`` and ``wrong_labels``.
    """

    target_ids: NDArray[np.int64]
    pred_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    iou: NDArray[np.float64]
    missed_ids: NDArray[np.int64]
    missed_labels: NDArray[np.int64]
    wrong_ids: NDArray[np.int64]
    wrong_labels: NDArray[np.int64]


def match_segments(
    pred: PanopticSegmentation, target: PanopticSegmentation, num_classes: int, *, mode: Mode = "default"
) -> Matches:
    """Say which segments of one image match, and which are missed and wrong.

    Arguments as :func:`~panoptic_core.metrics.panoptic_quality.count_segments`. Ground-truth
    crowds, and predictions that void or a crowd excuses, are in none of the three lists.
    """
    pairs = pair_segments(pred, target, num_classes, mode=mode)
    found = match_pairs(pairs)
    return Matches(
        target_ids=pairs.target.ids[found.target],
        pred_ids=pairs.pred.ids[found.pred],
        labels=pairs.target.labels[found.target],
        iou=found.iou,
        missed_ids=pairs.target.ids[found.missed],
        missed_labels=pairs.target.labels[found.missed],
        wrong_ids=pairs.pred.ids[found.wrong],
        wrong_labels=pairs.pred.labels[found.wrong],
    )


class MatchedPlaces(NamedTuple):
    """The outcome of a matching, as places in :class:`~panoptic_core.metrics.pairing.SegmentPairs`.

    The ``M`` matched pairs: ``target``, ``pred`` and ``iou``; ``missed`` (FN) and ``wrong`` (FP).
    """

    target: IntArray
    pred: IntArray
    iou: FloatArray
    missed: IntArray
    wrong: IntArray


def match_pairs(pairs: SegmentPairs, limit: tuple[IntArray, FloatArray] | None = None) -> MatchedPlaces:
    """Match.

    Args:
        pairs: What shares pixels.
        limit: Rows of pairs and a quality of each: a pair's IoU is at most that, and 0 where the pair is not
            among the rows. For qualities that are stricter than the IoU of masks.
    """
    t, p, pixels = pairs.shared
    missed = (pairs.target.ids > 0) & ~pairs.target.iscrowd
    if pairs.mode == "default":
        missed &= pairs.target_pixels > 0

    rows = candidates(pairs) if limit is None else limit[0]
    iou = pairs.iou(rows)
    if limit is not None:
        iou = np.minimum(iou, limit[1])
    hit = iou > 0.5
    t_hit, p_hit = t[rows[hit]], p[rows[hit]]

    missed[t_hit] = False
    areas, excused = pairs.pred_pixels, pairs.pred_on_void
    if pairs.excusing.any():
        on_crowd = pixels * (pairs.same_class & pairs.excusing[t])
        excused = excused + np.bincount(p, weights=on_crowd, minlength=len(areas))
    wrong = (pairs.pred.ids > 0) & (areas > 0)
    wrong[p_hit] = False
    wrong &= excused / np.maximum(areas, 1) <= 0.5
    return MatchedPlaces(t_hit, p_hit, iou[hit], np.flatnonzero(missed), np.flatnonzero(wrong))


def candidates(pairs: SegmentPairs) -> IntArray:
    """Return the rows of the pairs that may match: one class, the truth no crowd."""
    return np.flatnonzero(pairs.same_class & ~pairs.target.iscrowd[pairs.shared.target])


def count_matches(pairs: SegmentPairs, found: MatchedPlaces, num_classes: int) -> PQCounts:
    """Return the counts by class."""
    labels = pairs.target.labels[found.target]
    return PQCounts(
        np.bincount(labels, weights=found.iou, minlength=num_classes).astype(np.float64),
        np.bincount(labels, minlength=num_classes),
        np.bincount(pairs.pred.labels[found.wrong], minlength=num_classes),
        np.bincount(pairs.target.labels[found.missed], minlength=num_classes),
    )
