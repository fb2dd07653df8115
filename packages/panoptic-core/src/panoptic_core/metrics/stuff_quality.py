"""How good the stuff of final panoptic maps is, before and after small stuff becomes void.

Table I of "Unifying Training and Inference for Panoptic Segmentation" (Li et al., CVPR 2020,
arXiv:2001.04982), section C: PQ of stuff is sensitive to small false segments, IoU is not. IoU_st is measured
on the *panoptic* map, the instances of a class joined, not on the semantic head's word.

The map after is made from the map before by :func:`panoptic_fusion.drop_small_stuff`. That is exact for every
method, since dropping small stuff is the last thing that each of them does; a limit can so be tried on any
method, and on files. The way back does not exist: what was dropped is not in the map.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics._groups import thing_flags
from panoptic_core.metrics.confusion import class_iou, confusion_matrix
from panoptic_core.metrics.pairing import Mode
from panoptic_core.metrics.panoptic_quality import count_segments
from panoptic_core.metrics.pq_counts import CountsSum, PQCounts
from panoptic_core.metrics.pq_summary import finite, summarize
from panoptic_fusion import PanopticSegmentation, drop_small_stuff

_VOID = -1
_SHOWN = ("pq", "sq", "rq", "iou")


@dataclass(frozen=True, eq=False)
class StuffCounts:
    """What the qualities are made of, for each class, things too; ``a + b`` joins two sets of images.

    Attributes:
        pq: Of the segments.
        hits: ``(C,)`` int64, pixels whose class is right.
        annotated: ``(C,)`` int64, pixels of the class in the ground truth.
        predicted: ``(C,)`` int64, annotated pixels that got the class.
    """

    pq: PQCounts
    hits: NDArray[np.int64]
    annotated: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def from_parts(cls, pq: PQCounts, confusion: NDArray[np.int64]) -> Self:
        """Take the counts of the segments and the confusion matrix ``(C, C + 1)`` of the classes' pixels."""
        return cls(pq, np.diagonal(confusion).copy(), confusion.sum(axis=1), confusion.sum(axis=0)[:-1])

    def __add__(self, other: "StuffCounts") -> "StuffCounts":
        return StuffCounts(
            self.pq + other.pq,
            self.hits + other.hits,
            self.annotated + other.annotated,
            self.predicted + other.predicted,
        )


class StuffSum:
    """A running sum of counts, exact: the order in which parts are added changes nothing.

    Args:
        num_classes: ``C``.
    """

    def __init__(self, num_classes: int) -> None:
        self._pq = CountsSum(num_classes)
        self._pixels = np.zeros((3, num_classes), dtype=np.int64)

    def add(self, part: StuffCounts) -> None:
        """Add the counts of an image, or of any other part."""
        self._pq.add(part.pq)
        self._pixels += (part.hits, part.annotated, part.predicted)

    def total(self) -> StuffCounts:
        """Return what was added so far."""
        return StuffCounts(self._pq.total(), *self._pixels.copy())


@dataclass(frozen=True)
class StuffQuality:
    """Quality of the stuff of a set of images, values in percent; NaN where no stuff class occurs.

    Attributes:
        pq: Mean over the stuff classes that occur, like the next three.
        sq: Segmentation quality.
        rq: Recognition quality.
        iou: IoU of the classes' pixels over the whole set; void of the prediction is a miss.
        n: Stuff classes that occur as segments in prediction or ground truth.
        tp: Sum over the stuff classes.
        fp: Sum over the stuff classes.
        fn: Sum over the stuff classes.
    """

    pq: float
    sq: float
    rq: float
    iou: float
    n: int
    tp: int
    fp: int
    fn: int


@dataclass(frozen=True)
class TrimmingResult:
    """The stuff of a set of images before and after trimming.

    Attributes:
        before: Of the maps as they were fused.
        after: Of the maps whose small stuff is void.
        area_limit: Stuff with fewer pixels was dropped.
        by_region: Whether each connected region was judged by itself, not the whole segment.
    """

    before: StuffQuality
    after: StuffQuality
    area_limit: int
    by_region: bool

    @property
    def change(self) -> dict[str, float]:
        """After minus before: of ``pq``, ``sq``, ``rq`` and ``iou``."""
        return {name: getattr(self.after, name) - getattr(self.before, name) for name in _SHOWN}

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON: NaN becomes None."""
        content: dict[str, Any] = finite(asdict(self) | {"change": self.change})
        return content

    def to_table(self) -> str:
        """Return a text table for people."""
        lines = ["             PQ_st   SQ_st   RQ_st  IoU_st   N    TP    FP    FN"]
        for title, quality in (("all stuff", self.before), ("trimmed", self.after)):
            cells = "".join(f"{_cell(getattr(quality, name)):>8}" for name in _SHOWN)
            counts = "".join(f"{count:>6}" for count in (quality.tp, quality.fp, quality.fn))
            lines.append(f"{title:<10}{cells}{quality.n:>4}{counts}")
        lines.append("change    " + "".join(f"{_cell(value, '+'):>8}" for value in self.change.values()))
        return "\n".join(lines)


def count_stuff(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
) -> StuffCounts:
    """Count the segments and the classes' pixels of one image.

    Args:
        pred: The final map. The instances of a class are joined for the pixels' count.
        target: The ground truth; crowds keep their class there, void does not count.
        num_classes: ``C``, things and stuff together.
        mode: As :func:`~panoptic_core.metrics.panoptic_quality.count_segments`, like `image`.
        image: The image's id or name, for errors.

    Raises:
        ValueError: As :func:`~panoptic_core.metrics.panoptic_quality.count_segments`.
    """
    pq = count_segments(pred, target, num_classes, mode=mode, image=image)
    return StuffCounts.from_parts(pq, count_classes(pred, target, num_classes, image=image))


def count_classes(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    num_classes: int,
    *,
    image: int | str | None = None,
) -> NDArray[np.int64]:
    """Return the confusion matrix ``(C, C + 1)`` of the classes of two panoptic maps, instances joined."""
    found, truth = pred.label_map(_VOID), target.label_map(_VOID)
    return confusion_matrix(found, truth, num_classes, ignore_index=_VOID, image=image)


def count_trimming(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    num_classes: int,
    *,
    area_limit: int,
    by_region: bool = False,
    mode: Mode = "default",
    image: int | str | None = None,
) -> tuple[StuffCounts, StuffCounts]:
    """Count one image before and after trimming.

    Args:
        pred: The final map with all its stuff: the fusion's with ``stuff_area_limit=0``.
        target: The ground truth; it is never trimmed.
        num_classes: ``C``.
        area_limit: Pixels; stuff with fewer becomes void. 0 and 1 drop nothing.
        by_region: Judge each connected region of a stuff segment by itself, as OANet does.
        mode: As :func:`count_stuff`, like `image`.
        image: The image's id or name, for errors.

    Raises:
        ValueError: As :func:`count_stuff`, **or** if the limit is negative.

    Example:
        >>> import torch
        >>> ids, labels, is_thing = [1, 2, 3], [0, 1, 2], [True, False, False]  # one thing, two stuff classes
        >>> true_map, pred_map = torch.tensor([[1, 1, 1, 1, 2, 2]]), torch.tensor([[1, 1, 1, 3, 2, 2]])
        >>> truth = PanopticSegmentation.from_id_map(true_map, ids, labels, is_thing)
        >>> guess = PanopticSegmentation.from_id_map(pred_map, ids, labels, is_thing)
        >>> counts = count_trimming(guess, truth, 3, area_limit=2)  # one pixel of false stuff
        >>> [summarize_stuff(each, is_thing).pq for each in counts]
        [50.0, 100.0]
    """
    before = count_stuff(pred, target, num_classes, mode=mode, image=image)
    trimmed = drop_small_stuff(pred, area_limit, connected=by_region)
    return before, count_stuff(trimmed, target, num_classes, mode=mode, image=image)


def summarize_stuff(counts: StuffCounts, classes: CategoryTable | ArrayLike) -> StuffQuality:
    """Compute the quality of stuff from counts.

    Args:
        counts: Of all images.
        classes: The category table, or ``(C,)`` bool: which classes are things.

    Raises:
        ValueError: If counts and classes differ in number.
    """
    stuff = ~thing_flags(classes, counts.pq.num_classes)
    group = summarize(counts.pq, ~stuff).stuff
    iou = class_iou(counts.hits, counts.annotated, counts.predicted)[stuff]
    occurs = ~np.isnan(iou)
    mean = float(iou[occurs].mean()) if occurs.any() else float("nan")
    return StuffQuality(group.pq, group.sq, group.rq, mean, group.n, group.tp, group.fp, group.fn)


def compare_trimming(
    before: StuffCounts,
    after: StuffCounts,
    classes: CategoryTable | ArrayLike,
    *,
    area_limit: int,
    by_region: bool = False,
) -> TrimmingResult:
    """Put the sums of :func:`count_trimming` over all images side by side; arguments as there."""
    return TrimmingResult(
        summarize_stuff(before, classes), summarize_stuff(after, classes), area_limit, by_region
    )


def _cell(value: float, sign: str = "") -> str:
    return "-" if np.isnan(value) else f"{value:{sign}.2f}"
