"""Everything beside PQ that two panoptic maps tell, counted in one go: image by image, summed exactly.

The measures, each defined with its source in a module of its own: ``dagger`` (PQ-dagger), ``covering``
(Parsing Covering), ``boundary`` (Boundary PQ), ``sizes`` (PQ by size), ``errors`` (what became of every miss
and every false prediction), ``pixels`` (classes hit, things taken for stuff).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics._boundary import count_boundary
from panoptic_core.metrics._columns import Columns
from panoptic_core.metrics._covering import count_covering
from panoptic_core.metrics._dagger import count_dagger
from panoptic_core.metrics._errors import FALSES, MISSES, count_errors
from panoptic_core.metrics._exact import ExactSum
from panoptic_core.metrics._groups import flags_of
from panoptic_core.metrics._map_pixels import count_pixels
from panoptic_core.metrics._overlaps import Int32Map
from panoptic_core.metrics._sizes import count_sizes
from panoptic_core.metrics.matching import MatchedPlaces, match_pairs
from panoptic_core.metrics.pairing import Mode, SegmentPairs, pair_segments
from panoptic_fusion import PanopticSegmentation

MEASURES = ("dagger", "covering", "boundary", "sizes", "errors", "pixels")
"""The names of the measures."""

_WIDTHS = {  # columns of sums and of counts
    "dagger": (2, 4),
    "covering": (1, 1),
    "boundary": (1, 3),
    "sizes": (3, 9),
    "errors": (0, len(MISSES) + len(FALSES)),
    "pixels": (0, 5),
}


@dataclass(frozen=True, eq=False)
class ExtendedCounts:
    """What the measures of some images are made of; only the classes that occur are kept.

    Attributes:
        num_classes: ``C``.
        labels: ``(K,)`` the classes with a number that is not 0, rising.
        parts: For each measure its columns of these classes.
    """

    num_classes: int
    labels: NDArray[np.int64]
    parts: Mapping[str, Columns]

    def full(self, measure: str) -> Columns:
        """Return the columns of all classes."""
        part = self.parts[measure]
        sums = np.zeros((self.num_classes, part.sums.shape[1]))
        counts = np.zeros((self.num_classes, part.counts.shape[1]), dtype=np.int64)
        sums[self.labels], counts[self.labels] = part
        return Columns(sums, counts)

    def kinds_of_errors(self) -> tuple[dict[str, int], dict[str, int]] | None:
        """Return how many misses and how many false predictions are of each kind, if they were counted."""
        if "errors" not in self.parts:
            return None
        totals = self.parts["errors"].counts.sum(axis=0).tolist()
        misses = dict(zip(MISSES, totals, strict=False))
        return misses, dict(zip(FALSES, totals[len(MISSES) :], strict=True))


class ExtendedSum:
    """A running sum of counts, exact: the order in which parts are added changes nothing.

    Args:
        num_classes: ``C``.
        measures: What the parts hold.
    """

    def __init__(self, num_classes: int, measures: Collection[str] = MEASURES) -> None:
        self._num_classes = num_classes
        self._sums = {name: ExactSum((num_classes, _WIDTHS[name][0])) for name in measures}
        self._counts = {name: np.zeros((num_classes, _WIDTHS[name][1]), dtype=np.int64) for name in measures}

    def add(self, part: ExtendedCounts) -> None:
        """Add the counts of an image, or of any other part."""
        for name, columns in part.parts.items():
            self._sums[name].add(columns.sums, rows=part.labels)
            self._counts[name][part.labels] += columns.counts

    def total(self) -> ExtendedCounts:
        """Return what was added so far."""
        parts = {name: Columns(self._sums[name].total(), self._counts[name]) for name in self._sums}
        return _squeezed(self._num_classes, parts)


def count_extended(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    classes: CategoryTable | ArrayLike,
    *,
    measures: Sequence[str] = MEASURES,
    mode: Mode = "default",
    image: int | str | None = None,
) -> ExtendedCounts:
    """Count one image for the measures.

    Args:
        pred: The prediction.
        target: The ground truth.
        classes: The category table, or ``(C,)`` bool: which classes are things.
        measures: Names of :data:`MEASURES`.
        mode: As :func:`~panoptic_core.metrics.panoptic_quality.count_segments`; ``"exact"`` believes the
            areas of the ground truth where PQ does, so in ``dagger``, ``boundary`` and ``sizes``.
        image: The image's id or name, for errors.

    Raises:
        ValueError: As :func:`~panoptic_core.metrics.panoptic_quality.count_segments`, **or** if a measure
            does not exist.
    """
    is_thing = flags_of(classes)
    pairs = pair_segments(pred, target, len(is_thing), mode=mode, image=image)
    return count_pairs(pairs, match_pairs(pairs), pred.id_map, target.id_map, is_thing, measures)


def count_pairs(
    pairs: SegmentPairs,
    found: MatchedPlaces,
    pred_map: Int32Map | Tensor,
    target_map: Int32Map | Tensor,
    is_thing: NDArray[np.bool_],
    measures: Sequence[str],
) -> ExtendedCounts:
    """Do the work of :func:`count_extended` on pairs that are matched already."""
    check_measures(measures)
    count = len(is_thing)
    makers = {
        "dagger": lambda: count_dagger(pairs, found, count),
        "covering": lambda: count_covering(pairs, count),
        "boundary": lambda: count_boundary(pairs, pred_map, target_map, count),
        "sizes": lambda: count_sizes(pairs, found, count),
        "errors": lambda: count_errors(pairs, found, count),
        "pixels": lambda: count_pixels(pairs, is_thing),
    }
    return _squeezed(count, {name: makers[name]() for name in measures})


def check_measures(measures: Collection[str]) -> None:
    """Raise where a measure does not exist.

    Raises:
        ValueError: If a name is not one of :data:`MEASURES`.
    """
    unknown = [name for name in measures if name not in MEASURES]
    if unknown:
        msg = f"Expected measures among {', '.join(MEASURES)}, got {', '.join(map(str, unknown))}."
        raise ValueError(msg)


def _squeezed(num_classes: int, parts: Mapping[str, Columns]) -> ExtendedCounts:
    occurs = np.zeros(num_classes, dtype=bool)
    for sums, counts in parts.values():
        occurs |= sums.any(axis=1) | counts.any(axis=1)
    labels = np.flatnonzero(occurs)
    return ExtendedCounts(
        num_classes, labels, {n: Columns(p.sums[labels], p.counts[labels]) for n, p in parts.items()}
    )
