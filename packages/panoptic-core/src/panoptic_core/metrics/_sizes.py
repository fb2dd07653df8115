"""Panoptic quality by size of the segments: COCO's areas of small, medium and large objects.

The limits are COCO's (https://cocodataset.org/#detection-eval): 32^2 and 96^2 pixels; an area that is a
limit belongs to the larger size. The matching is PQ's, once for all sizes. A match and a miss (FN) have the
size of the true segment, a false prediction (FP) has its own, all its pixels counted: as in COCO's AP, where
a detection that matches is counted where its truth is, and one that does not where its own area is. So every
TP, FP and FN counts in exactly one size.
"""

import numpy as np
from numpy.typing import NDArray

from panoptic_core.metrics._columns import Columns, pq_columns
from panoptic_core.metrics.matching import MatchedPlaces, count_matches
from panoptic_core.metrics.pairing import SegmentPairs

SIZES = ("small", "medium", "large")
"""The names of the sizes."""
LIMITS = (32**2, 96**2)


def count_sizes(pairs: SegmentPairs, found: MatchedPlaces, num_classes: int) -> Columns:
    """Count each size by itself."""
    hit = _size(pairs.target_areas[found.target])
    missed = _size(pairs.target_areas[found.missed])
    wrong = _size(pairs.pred_pixels[found.wrong])
    parts = []
    for size in range(len(SIZES)):
        of_size = MatchedPlaces(
            found.target[hit == size],
            found.pred[hit == size],
            found.iou[hit == size],
            found.missed[missed == size],
            found.wrong[wrong == size],
        )
        parts.append(count_matches(pairs, of_size, num_classes))
    return pq_columns(*parts)


def _size(areas: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.searchsorted(np.array(LIMITS), areas, side="right")
