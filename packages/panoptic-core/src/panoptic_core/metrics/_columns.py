"""What every further measure counts in an image: columns of numbers by class, which add up over images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_core.metrics.pq_counts import PQCounts


class Columns(NamedTuple):
    """Sums of floats ``(C, F)`` float64 and counts ``(C, I)`` int64."""

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]


def pq_columns(*parts: PQCounts) -> Columns:
    """Put the counts of one or more kinds side by side."""
    counts = [column for part in parts for column in (part.tp, part.fp, part.fn)]
    return Columns(np.stack([part.iou for part in parts], axis=1), np.stack(counts, axis=1))


def pq_counts(columns: Columns, kind: int = 0) -> PQCounts:
    """Return the counts of one kind."""
    tp, fp, fn = columns.counts.T[3 * kind : 3 * kind + 3]
    return PQCounts(columns.sums[:, kind], tp, fp, fn)
