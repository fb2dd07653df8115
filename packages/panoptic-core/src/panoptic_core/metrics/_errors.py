"""What became of every miss (FN) and every false prediction (FP) of panoptic quality: one kind each.

A true segment t and a predicted segment p share n pixels; a(t) counts t, a(p) counts p without the pixels
where the truth is void; IoU is PQ's, of counted areas, whatever the classes; crowds are no true segments
here. p *lies in* t if 2 n > a(p); p *covers* t if 2 n > a(t). t is *split* if at least two predicted segments
of its class lie in it and cover it together: Hoover et al., "An Experimental Comparison of Range Image
Segmentation Algorithms", PAMI 18(7), 1996 (over-segmentation, with "more than half" as their tolerance). p
*merges* if it covers at least two true segments of its class (after their under-segmentation).

The first kind that holds is the one.

A miss t:
  - wrong_class: a prediction of another class has an IoU with t above 0.5 (TIDE's classification error)
  - split: t is split
  - merged: a prediction of t's class covers t and merges
  - lost_to_void: more than half of t has no prediction at all (our own)
  - badly_outlined: a prediction of t's class has an IoU with t of at least 0.1 (TIDE's localization error)
  - missed: the rest (TIDE's missed error)
A false prediction p:
  - wrong_class: a true segment of another class has an IoU with p above 0.5
  - split: p lies in a split segment of its class: it is a piece, or a second find beside the match
  - merged: p merges
  - badly_outlined: a true segment of p's class has an IoU with p of at least 0.1
  - invented: the rest (TIDE's background error)

TIDE is Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
arXiv:2008.08115, with its limits 0.5 and 0.1. A prediction mostly on void is no error in PQ, so that void
loses misses alone.
"""

import numpy as np
from numpy.typing import NDArray

from panoptic_core.metrics._columns import Columns
from panoptic_core.metrics.matching import MatchedPlaces
from panoptic_core.metrics.pairing import SegmentPairs

MISSES = ("missed", "lost_to_void", "badly_outlined", "split", "merged", "wrong_class")
"""The kinds of a miss (FN)."""
FALSES = ("invented", "badly_outlined", "split", "merged", "wrong_class")
"""The kinds of a false prediction (FP)."""

_NEAR = 0.1
Flags = NDArray[np.bool_]


def count_errors(pairs: SegmentPairs, found: MatchedPlaces, num_classes: int) -> Columns:
    """Count the misses, then the false predictions, of every kind."""
    t, p, pixels = pairs.shared
    rows = np.flatnonzero(pairs.listed & ~pairs.target.iscrowd[t])
    on_void = pixels[p == 0], t[p == 0]
    t, p, pixels = t[rows], p[rows], pixels[rows]
    same = pairs.same_class[rows]
    t_area, p_area = pairs.target_pixels, pairs.pred_pixels - pairs.pred_on_void
    iou = pixels / (t_area[t] + p_area[p] - pixels)
    lies_in, covers = 2 * pixels > p_area[p], 2 * pixels > t_area[t]

    def of_truth(which: Flags) -> Flags:
        return _any(t, which, len(t_area))

    def of_pred(which: Flags) -> Flags:
        return _any(p, which, len(p_area))

    piece = same & lies_in
    pieces = np.bincount(t, weights=piece, minlength=len(t_area))
    split = (pieces >= 2) & (2 * np.bincount(t, weights=pixels * piece, minlength=len(t_area)) > t_area)
    merges = np.bincount(p, weights=same & covers, minlength=len(p_area)) >= 2
    other, near = ~same & (iou > 0.5), same & (iou >= _NEAR)
    empty = 2 * np.bincount(on_void[1], weights=on_void[0], minlength=len(t_area)) > t_area

    misses = {
        "wrong_class": of_truth(other),
        "split": split,
        "merged": of_truth(same & covers & merges[p]),
        "lost_to_void": empty,
        "badly_outlined": of_truth(near),
    }
    falses = {
        "wrong_class": of_pred(other),
        "split": of_pred(piece & split[t]),
        "merged": merges,
        "badly_outlined": of_pred(near),
    }
    columns = [
        _tally(found.missed, pairs.target.labels, misses, MISSES, num_classes),
        _tally(found.wrong, pairs.pred.labels, falses, FALSES, num_classes),
    ]
    return Columns(np.zeros((num_classes, 0)), np.concatenate(columns, axis=1))


def _any(places: NDArray[np.int64], which: Flags, count: int) -> Flags:
    flags = np.zeros(count, dtype=bool)
    flags[places[which]] = True
    return flags


def _tally(
    places: NDArray[np.int64],
    labels: NDArray[np.int64],
    rules: dict[str, Flags],
    kinds: tuple[str, ...],
    num_classes: int,
) -> NDArray[np.int64]:
    """Count segments by class and kind: by the first rule that holds, else of the first kind."""
    kind = np.select([flags[places] for flags in rules.values()], [kinds.index(name) for name in rules], 0)
    counts = np.zeros((num_classes, len(kinds)), dtype=np.int64)
    np.add.at(counts, (labels[places], kind), 1)
    return counts
