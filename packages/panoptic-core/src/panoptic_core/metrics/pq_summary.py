"""From counts to PQ, SQ and RQ: of all classes, things, stuff, and each class. All values are in percent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics._tables import columns_of_text
from panoptic_core.metrics.pq_counts import PQCounts


@dataclass(frozen=True)
class PQClass:
    """One class.

    Attributes:
        name: The class name.
        is_thing: Whether it is a thing.
        pq: Panoptic quality, percent; NaN where the class occurs in neither prediction nor ground truth.
        sq: Segmentation quality, the mean IoU of matched pairs; 0 where there is no match, NaN as for `pq`.
        rq: Recognition quality, an F1 score; NaN as for `pq`.
        tp: Matched pairs.
        fp: Predictions without a match.
        fn: Ground truth without a match.
    """

    name: str
    is_thing: bool
    pq: float
    sq: float
    rq: float
    tp: int
    fp: int
    fn: int


@dataclass(frozen=True)
class PQGroup:
    """A group of classes: PQ, SQ and RQ are the means of the classes' values, not made from summed counts.

    Attributes:
        pq: Percent; NaN where no class of the group occurs.
        sq: Percent; NaN as for `pq`.
        rq: Percent; NaN as for `pq`.
        n: The classes that count: those that occur in prediction or ground truth.
        tp: Sum over the classes.
        fp: Sum over the classes.
        fn: Sum over the classes.
    """

    pq: float
    sq: float
    rq: float
    n: int
    tp: int
    fp: int
    fn: int


@dataclass(frozen=True)
class PQResult:
    """PQ of a set of images.

    Attributes:
        all: Every class.
        things: Thing classes.
        stuff: Stuff classes.
        per_class: One entry a class, in label order.
    """

    all: PQGroup
    things: PQGroup
    stuff: PQGroup
    per_class: tuple[PQClass, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON: NaN and infinity become None."""
        groups = {name: asdict(getattr(self, name)) for name in ("all", "things", "stuff")}
        content = groups | {"per_class": [asdict(row) for row in self.per_class]}
        return finite(content)

    def to_table(self, *, per_class: bool = False) -> str:
        """Return a text table for people: three rows, or with a row for each class above them."""
        rows: list[Sequence[Any]] = []
        if per_class:
            rows = [(r.name, r.pq, r.sq, r.rq, "", r.tp, r.fp, r.fn) for r in self.per_class]
        groups = [
            (title, g.pq, g.sq, g.rq, g.n, g.tp, g.fp, g.fn)
            for title, g in (("All", self.all), ("Things", self.things), ("Stuff", self.stuff))
        ]
        return _format(rows, groups)


def summarize(
    counts: PQCounts, classes: CategoryTable | ArrayLike, *, names: Sequence[str] | None = None
) -> PQResult:
    """Compute PQ, SQ and RQ from counts.

    Args:
        counts: Of all images.
        classes: The category table, or ``(C,)`` bool: which classes are things.
        names: Class names; by default the table's, or the labels.

    Raises:
        ValueError: If counts, classes and names differ in number.

    Example:
        >>> counts = PQCounts(np.array([1.6, 0.0]), np.array([2, 0]), np.array([0, 0]), np.array([4, 0]))
        >>> result = summarize(counts, [True, False])
        >>> round(result.all.pq, 6), result.all.n, result.stuff.pq  # 1.6 / (2 + 0.5 * 4) = 0.4
        (40.0, 1, nan)
    """
    if isinstance(classes, CategoryTable):
        names = classes.names if names is None else names
        classes = classes.is_thing
    is_thing = np.asarray(classes, dtype=bool)
    names = [str(label) for label in range(counts.num_classes)] if names is None else names
    if not len(is_thing) == len(names) == counts.num_classes:
        msg = (
            f"Expected as many classes and names as counts ({counts.num_classes}), got {len(is_thing)} "
            "classes and "
            f"{len(names)} names. Count with `num_classes` of the same table."
        )
        raise ValueError(msg)
    tp, fp, fn = counts.tp, counts.fp, counts.fn
    occurs = (tp + fp + fn) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = tp + 0.5 * fp + 0.5 * fn
        pq = 100 * np.where(occurs, counts.iou / weight, np.nan)
        sq = 100 * np.where(occurs, np.where(tp > 0, counts.iou / tp, 0.0), np.nan)
        rq = 100 * np.where(occurs, tp / weight, np.nan)
    per_class = tuple(
        PQClass(
            str(names[i]),
            bool(is_thing[i]),
            float(pq[i]),
            float(sq[i]),
            float(rq[i]),
            *map(int, (tp[i], fp[i], fn[i])),
        )
        for i in range(counts.num_classes)
    )
    every = np.ones_like(is_thing)
    groups = [_group(counts, pq, sq, rq, rows, occurs) for rows in (every, is_thing, ~is_thing)]
    return PQResult(groups[0], groups[1], groups[2], per_class)


def _group(
    counts: PQCounts,
    pq: NDArray[np.float64],
    sq: NDArray[np.float64],
    rq: NDArray[np.float64],
    rows: NDArray[np.bool_],
    occurs: NDArray[np.bool_],
) -> PQGroup:
    used = rows & occurs
    n = int(used.sum())
    mean_pq, mean_sq, mean_rq = (float(value[used].mean()) if n else float("nan") for value in (pq, sq, rq))
    tp, fp, fn = (int(value[rows].sum()) for value in (counts.tp, counts.fp, counts.fn))
    return PQGroup(mean_pq, mean_sq, mean_rq, n, tp, fp, fn)


def _format(rows: Sequence[Sequence[Any]], groups: Sequence[Sequence[Any]]) -> str:
    header = ("", "PQ", "SQ", "RQ", "N", "TP", "FP", "FN")
    lines = columns_of_text([header, *rows, *groups]).split("\n")
    rule = "-" * len(lines[0])
    parts = [lines[:1], lines[1 : 1 + len(rows)], lines[1 + len(rows) :]]
    return f"\n{rule}\n".join("\n".join(part) for part in parts if part)


def finite(value: Any) -> Any:
    """Return plain values ready for JSON: NaN and infinity become None, at any depth."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
