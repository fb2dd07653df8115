"""Parsing Covering: how well the largest overlap covers each true segment, weighted by its area.

Yang et al., "DeeperLab: Single-Shot Image Parser", 2019, arXiv:1902.05093, after Arbelaez et al.'s covering:

    Cov_c = sum over true segments R of c: |R| max_R' IoU(R, R') / sum of |R|

with R' among the predicted segments of the class, summed over all images, and PC the mean over the classes.
As in the authors' evaluation (tensorflow/models, research/deeplab/evaluation) void and crowds of the truth
are taken off both sides, and a class without true segments has no value. That code can also divide every
area by its image's size before summing; the printed formula does not, and on images of one size nothing
changes.
"""

import numpy as np

from panoptic_core.metrics._columns import Columns
from panoptic_core.metrics.matching import candidates
from panoptic_core.metrics.pairing import SegmentPairs


def count_covering(pairs: SegmentPairs, num_classes: int) -> Columns:
    """Count the covered area, and the area, of every class."""
    t, p, pixels = pairs.shared
    left_out = (t == 0) | pairs.target.iscrowd[t]
    pred_pixels = np.bincount(p, weights=pixels * ~left_out, minlength=len(pairs.pred.ids))
    rows = candidates(pairs)
    t_row, p_row, shared = t[rows], p[rows], pixels[rows]
    best = np.zeros(len(pairs.target.ids))
    union = pred_pixels[p_row] + pairs.target_pixels[t_row] - shared
    np.maximum.at(best, t_row, shared / union)
    true = np.flatnonzero((pairs.target.ids > 0) & ~pairs.target.iscrowd)
    labels, areas = pairs.target.labels[true], pairs.target_pixels[true]
    covered = np.bincount(labels, weights=areas * best[true], minlength=num_classes)
    total = np.bincount(labels, weights=areas, minlength=num_classes)
    return Columns(covered[:, None].astype(np.float64), total[:, None].astype(np.int64))


def covering_values(columns: Columns) -> np.ndarray:
    """Return the covering of each class, percent; NaN where the truth has no pixel of it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100 * columns.sums[:, 0] / columns.counts[:, 0])
