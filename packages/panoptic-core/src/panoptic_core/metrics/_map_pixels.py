"""Pixels of panoptic maps by class: which classes are hit, and how often things are taken for stuff.

The measures of :mod:`panoptic_core.metrics.confusion` and :mod:`panoptic_core.metrics.thing_stuff`, from the
final panoptic map: the instances of a class joined, crowds with their class, void of the prediction a miss.
"""

import numpy as np
from numpy.typing import NDArray

from panoptic_core.metrics._columns import Columns
from panoptic_core.metrics.pairing import SegmentPairs


def count_pixels(pairs: SegmentPairs, is_thing: NDArray[np.bool_]) -> Columns:
    """Count the pixels of each true class: hit, taken for a thing, for stuff, left void; and those predicted.

    The columns are hits, as thing, as stuff, as void, and the annotated pixels that got the class.
    """
    t, p, pixels = pairs.shared
    true, found = pairs.target.labels[t], pairs.pred.labels[p]
    annotated = pairs.target.ids[t] > 0
    group = np.where(found < 0, 2, np.where(is_thing[np.maximum(found, 0)], 0, 1))
    counts = np.zeros((len(is_thing), 5), dtype=np.int64)
    rows = np.flatnonzero(annotated)
    np.add.at(counts, (true[rows], 1 + group[rows]), pixels[rows])
    hit = rows[true[rows] == found[rows]]
    np.add.at(counts[:, 0], true[hit], pixels[hit])
    seen = rows[found[rows] >= 0]
    np.add.at(counts[:, 4], found[seen], pixels[seen])
    return Columns(np.zeros((len(is_thing), 0)), counts)
