"""The counts that panoptic quality is made of, and their sum over images, exact to the last bit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from panoptic_core.metrics._exact import ExactSum


@dataclass(frozen=True, eq=False)
class PQCounts:
    """What PQ is made of, for each class; ``a + b`` joins two sets of images.

    Attributes:
        iou: ``(C,)`` float64, the summed IoU of the matched pairs.
        tp: ``(C,)`` int64, matched pairs.
        fp: ``(C,)`` int64, predictions without a match.
        fn: ``(C,)`` int64, ground truth without a match.
    """

    iou: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]

    @classmethod
    def zeros(cls, num_classes: int) -> Self:
        """Return the counts of no image."""
        return cls(np.zeros(num_classes), *(np.zeros(num_classes, dtype=np.int64) for _ in range(3)))

    @property
    def num_classes(self) -> int:
        """``C``."""
        return len(self.iou)

    def __add__(self, other: "PQCounts") -> "PQCounts":
        return PQCounts(self.iou + other.iou, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def sum_counts(counts: Iterable[PQCounts], num_classes: int) -> PQCounts:
    """Join the counts of many images; their order changes nothing, not even the last bit.

    Args:
        counts: One entry an image, or any other parts; may be empty, and is never held as a whole.
        num_classes: ``C``.
    """
    running = CountsSum(num_classes)
    for part in counts:
        running.add(part)
    return running.total()


class CountsSum:
    """A running sum of counts, exact: the order in which parts are added changes nothing.

    Args:
        num_classes: ``C``.
    """

    def __init__(self, num_classes: int) -> None:
        self._iou = ExactSum((num_classes,))
        self._counts = PQCounts.zeros(num_classes)

    def add(self, part: PQCounts) -> None:
        """Add the counts of an image, or of any other part."""
        for name in ("tp", "fp", "fn"):
            getattr(self._counts, name).__iadd__(getattr(part, name))
        self._iou.add(part.iou)

    def total(self) -> PQCounts:
        """Return what was added so far."""
        counts = self._counts
        return PQCounts(self._iou.total(), counts.tp.copy(), counts.fp.copy(), counts.fn.copy())
