"""PQ-dagger: panoptic quality whose stuff classes need no match.

Porzi et al., "Seamless Scene Segmentation", CVPR 2019, arXiv:1905.01220: things are measured by PQ; a stuff
class by the sum of the IoU of every pair of a true and a predicted segment of the class that share pixels,
over the number of true segments:

    PQ-dagger_c = sum of IoU(s, s') over {(s, s') in S_c x S'_c: IoU > 0} / |S_c|

The IoU is that of PQ: a prediction's pixels on void do not count, crowds are no true segments. A stuff class
that is only predicted (``|S_c| = 0``) has no value.
"""

import numpy as np

from panoptic_core.metrics._columns import Columns
from panoptic_core.metrics.matching import MatchedPlaces, candidates, count_matches
from panoptic_core.metrics.pairing import SegmentPairs
from panoptic_core.metrics.pq_counts import PQCounts


def count_dagger(pairs: SegmentPairs, found: MatchedPlaces, num_classes: int) -> Columns:
    """Count PQ of every class, the IoU of all its pairs, and its true segments."""
    pq = count_matches(pairs, found, num_classes)
    rows = candidates(pairs)
    labels = pairs.target.labels[pairs.shared.target[rows]]
    covered = np.bincount(labels, weights=pairs.iou(rows), minlength=num_classes)
    return Columns(
        np.stack([pq.iou, covered], axis=1),
        np.stack([pq.tp, pq.fp, pq.fn, pq.tp + pq.fn], axis=1),  # TP + FN: true segments that are no crowd
    )


def dagger_values(columns: Columns, is_thing: np.ndarray) -> np.ndarray:
    """Return the value of each class, percent; NaN where it has none."""
    pq = PQCounts(columns.sums[:, 0], *columns.counts.T[:3])
    with np.errstate(invalid="ignore", divide="ignore"):
        things = pq.iou / (pq.tp + 0.5 * pq.fp + 0.5 * pq.fn)
        stuff = columns.sums[:, 1] / columns.counts[:, 3]
    return 100 * np.where(is_thing, things, stuff)
