"""From the counts of :mod:`panoptic_core.metrics.extended` to values for people and programs, in percent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics._columns import Columns, pq_counts
from panoptic_core.metrics._covering import covering_values
from panoptic_core.metrics._dagger import dagger_values
from panoptic_core.metrics._errors import FALSES, MISSES
from panoptic_core.metrics._groups import thing_flags
from panoptic_core.metrics._sizes import SIZES
from panoptic_core.metrics._tables import columns_of_text
from panoptic_core.metrics.confusion import IoUResult, class_iou
from panoptic_core.metrics.extended import ExtendedCounts
from panoptic_core.metrics.pq_summary import PQResult, finite, summarize
from panoptic_core.metrics.thing_stuff import ThingStuffConfusion

GROUPS = ("all", "things", "stuff")


@dataclass(frozen=True)
class ClassMeans:
    """A value of each class and its means over the classes that have one; percent, NaN where there is none.

    Attributes:
        all: Mean over all classes.
        things: Mean over the things.
        stuff: Mean over the stuff.
        n: How many classes have a value: of all, things, stuff.
        per_class: By class name in label order.
    """

    all: float
    things: float
    stuff: float
    n: tuple[int, int, int]
    per_class: dict[str, float]


@dataclass(frozen=True)
class ErrorKinds:
    """What became of the misses (FN) and of the false predictions (FP): each is of one kind.

    Attributes:
        misses: ``{"all": {kind: count}, "things": ..., "stuff": ...}``; the kinds add up to FN.
        falses: The same of FP.
        per_class: By class name: ``{"misses": {kind: count}, "falses": {kind: count}}``.
    """

    misses: dict[str, dict[str, int]]
    falses: dict[str, dict[str, int]]
    per_class: dict[str, dict[str, dict[str, int]]]

    def to_table(self) -> str:
        """Return two text tables for people, one below the other."""
        tables = []
        for title, kinds, content in (("FN", MISSES, self.misses), ("FP", FALSES, self.falses)):
            rows: list[list[Any]] = [["", title, *(kind.replace("_", " ") for kind in kinds)]]
            for group in GROUPS:
                counts = list(content[group].values())
                rows.append([group.capitalize(), sum(counts), *counts])
            tables.append(columns_of_text(rows))
        return "\n\n".join(tables)


@dataclass(frozen=True)
class ExtendedResult:
    """The measures beside PQ; None for what was not asked for.

    Attributes:
        dagger: PQ-dagger.
        covering: Parsing Covering.
        boundary: Boundary PQ, with SQ, RQ and counts.
        sizes: PQ of small, medium and large segments.
        errors: The kinds of the misses and false predictions.
        things_and_stuff: How often the maps take things for stuff and stuff for things.
        map_iou: IoU of the classes of the maps, instances joined.
    """

    dagger: ClassMeans | None = None
    covering: ClassMeans | None = None
    boundary: PQResult | None = None
    sizes: dict[str, PQResult] | None = None
    errors: ErrorKinds | None = None
    things_and_stuff: ThingStuffConfusion | None = None
    map_iou: IoUResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON: NaN becomes None; only what was asked for."""
        content: dict[str, Any] = {}
        for name in ("dagger", "covering", "errors"):
            if getattr(self, name) is not None:
                content[name] = asdict(getattr(self, name))
        if self.boundary is not None:
            content["boundary"] = self.boundary.to_dict()
        if self.sizes is not None:
            content["sizes"] = {name: result.to_dict() for name, result in self.sizes.items()}
        if self.things_and_stuff is not None and self.map_iou is not None:
            content["pixels"] = asdict(self.map_iou) | self.things_and_stuff.to_dict()
        plain: dict[str, Any] = finite(content)
        return plain

    def values(self) -> dict[str, float]:
        """Return the numbers by name, such as ``PQ_dagger``, ``PQ_dagger_th`` and ``FN_missed``."""
        suffixes = dict(zip(GROUPS, ("", "_th", "_st"), strict=True))
        values: dict[str, float] = {}
        for name, title in (("dagger", "PQ_dagger"), ("covering", "PC")):
            if getattr(self, name) is not None:
                values |= {f"{title}{suffixes[g]}": getattr(getattr(self, name), g) for g in GROUPS}
        results = {} if self.boundary is None else {"boundary": self.boundary}
        for kind, result in (results | (self.sizes or {})).items():
            values |= {f"PQ_{kind}{suffixes[group]}": getattr(result, group).pq for group in GROUPS}
        if self.errors is not None:
            for title, kinds in (("FN", self.errors.misses), ("FP", self.errors.falses)):
                values |= {f"{title}_{kind}": float(count) for kind, count in kinds["all"].items()}
        if self.things_and_stuff is not None and self.map_iou is not None:
            values |= {"map_mIoU": self.map_iou.miou} | self.things_and_stuff.to_dict()
        return values

    def to_table(self) -> str:
        """Return text tables for people, one below the other."""
        rows: list[list[Any]] = [["", "All", "Things", "Stuff"]]
        for title, means in (("PQ-dagger", self.dagger), ("Parsing Covering", self.covering)):
            if means is not None:
                rows.append([title, *(getattr(means, group) for group in GROUPS)])
        results = {} if self.boundary is None else {"Boundary PQ": self.boundary}
        for title, result in (results | {f"PQ {n}": r for n, r in (self.sizes or {}).items()}).items():
            rows.append([title, *(getattr(result, group).pq for group in GROUPS)])
        parts = [columns_of_text(rows)] if len(rows) > 1 else []
        if self.errors is not None:
            parts.append(self.errors.to_table())
        if self.things_and_stuff is not None and self.map_iou is not None:
            parts.append(f"mIoU of the maps {self.map_iou.miou:.2f}\n{self.things_and_stuff.to_table()}")
        return "\n\n".join(parts)


def summarize_extended(
    counts: ExtendedCounts, classes: CategoryTable | ArrayLike, *, names: Sequence[str] | None = None
) -> ExtendedResult:
    """Compute the measures from counts.

    Args:
        counts: Of all images.
        classes: The category table, or ``(C,)`` bool: which classes are things.
        names: Class names; by default the table's, or the labels.

    Raises:
        ValueError: If counts, classes and names differ in number.
    """
    if names is None:
        names = classes.names if isinstance(classes, CategoryTable) else None
    is_thing = thing_flags(classes, counts.num_classes)
    names = [str(label) for label in range(counts.num_classes)] if names is None else names
    parts = {name: counts.full(name) for name in counts.parts}
    result: dict[str, Any] = {}
    if "dagger" in parts:
        result["dagger"] = _means(dagger_values(parts["dagger"], is_thing), is_thing, names)
    if "covering" in parts:
        result["covering"] = _means(covering_values(parts["covering"]), is_thing, names)
    if "boundary" in parts:
        result["boundary"] = summarize(pq_counts(parts["boundary"]), is_thing, names=names)
    if "sizes" in parts:
        kinds = ((name, pq_counts(parts["sizes"], kind)) for kind, name in enumerate(SIZES))
        result["sizes"] = {name: summarize(part, is_thing, names=names) for name, part in kinds}
    if "errors" in parts:
        result["errors"] = _errors(parts["errors"], is_thing, names)
    if "pixels" in parts:
        result["things_and_stuff"], result["map_iou"] = _pixels(parts["pixels"], is_thing, names)
    return ExtendedResult(**result)


def _means(values: NDArray[np.float64], is_thing: NDArray[np.bool_], names: Sequence[str]) -> ClassMeans:
    exists = ~np.isnan(values)
    groups = [exists, exists & is_thing, exists & ~is_thing]
    means = [float(values[rows].mean()) if rows.any() else float("nan") for rows in groups]
    n = (int(groups[0].sum()), int(groups[1].sum()), int(groups[2].sum()))
    return ClassMeans(means[0], means[1], means[2], n, dict(zip(names, values.tolist(), strict=True)))


def _errors(columns: Columns, is_thing: NDArray[np.bool_], names: Sequence[str]) -> ErrorKinds:
    def kinds(counts: NDArray[np.int64]) -> tuple[dict[str, int], dict[str, int]]:
        numbers = counts.tolist()
        misses = dict(zip(MISSES, numbers[: len(MISSES)], strict=True))
        return misses, dict(zip(FALSES, numbers[len(MISSES) :], strict=True))

    rows = {"all": is_thing | True, "things": is_thing, "stuff": ~is_thing}
    groups = {group: kinds(columns.counts[row].sum(axis=0)) for group, row in rows.items()}
    classes = {name: kinds(row) for name, row in zip(names, columns.counts, strict=True)}
    return ErrorKinds(
        {group: both[0] for group, both in groups.items()},
        {group: both[1] for group, both in groups.items()},
        {name: {"misses": both[0], "falses": both[1]} for name, both in classes.items()},
    )


def _pixels(
    columns: Columns, is_thing: NDArray[np.bool_], names: Sequence[str]
) -> tuple[ThingStuffConfusion, IoUResult]:
    hits, groups, predicted = columns.counts[:, 0], columns.counts[:, 1:4], columns.counts[:, 4]
    annotated = groups.sum(axis=1)
    iou = class_iou(hits, annotated, predicted)
    occurs = ~np.isnan(iou)
    miou = float(iou[occurs].mean()) if occurs.any() else float("nan")
    with np.errstate(invalid="ignore"):
        accuracy = float(100 * hits.sum() / annotated.sum())
    pixels = np.stack([groups[is_thing].sum(axis=0), groups[~is_thing].sum(axis=0)])
    return ThingStuffConfusion(pixels), IoUResult(miou, accuracy, dict(zip(names, iou.tolist(), strict=True)))
