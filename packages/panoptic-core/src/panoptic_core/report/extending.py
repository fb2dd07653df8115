"""The measures beside PQ as a report shows them: kinds of errors, sizes, and one table of all others."""

from collections.abc import Mapping

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics import ClassMeans, ErrorKinds, ExtendedResult, PQResult
from panoptic_core.report.content import Cell, Column, Headline, Parts, Section, Table
from panoptic_core.report.describing import class_names, confusion_section

# Each kind of an error, in the order of its bar: its words and its colour (see `page.css`).
_KINDS = {
    "missed": ("missed", "missed"),
    "invented": ("invented", "false"),
    "badly_outlined": ("badly outlined", "outline"),
    "split": ("split", "split"),
    "merged": ("merged", "merged"),
    "wrong_class": ("wrong class", "wrong"),
    "lost_to_void": ("lost to void", "void"),
}
_GROUPS = ("all", "things", "stuff")


def extended_headlines(result: ExtendedResult) -> list[Headline]:
    """Return one number of each measure that has one."""
    lines = [
        Headline(title, means.all, f"th {_short(means.things)} · st {_short(means.stuff)}")
        for title, means in (("PQ-dagger", result.dagger), ("Parsing Covering", result.covering))
        if means is not None
    ]
    if result.boundary is not None:
        things, stuff = result.boundary.things.pq, result.boundary.stuff.pq
        note = f"th {_short(things)} · st {_short(stuff)}"
        lines.append(Headline("Boundary PQ", result.boundary.all.pq, note))
    if result.map_iou is not None:
        note = f"pixel accuracy {_short(result.map_iou.pixel_accuracy)}"
        lines.append(Headline("mIoU of the maps", result.map_iou.miou, note))
    return lines


def extended_sections(result: ExtendedResult, table: CategoryTable) -> list[Section]:
    """Return the tables of what was measured."""
    sections = []
    if result.errors is not None:
        sections.append(_errors(result.errors, table))
    if result.sizes is not None:
        sections.append(_sizes(result.sizes, table))
    sections += _measures(result, table)
    if result.things_and_stuff is not None:
        sections.append(confusion_section(result.things_and_stuff, "What the final maps call"))
    return sections


def _errors(errors: ErrorKinds, table: CategoryTable) -> Section:
    order = list(_KINDS)
    misses, falses = (
        sorted(kinds["all"], key=lambda kind: order.index(kind) if kind in _KINDS else len(order))
        for kinds in (errors.misses, errors.falses)
    )

    def cells(missed: Mapping[str, int], false: Mapping[str, int]) -> tuple[Cell, ...]:
        missed_parts = tuple(missed[kind] for kind in misses)
        false_parts = tuple(false[kind] for kind in falses)
        return sum(missed_parts), Parts(missed_parts), sum(false_parts), Parts(false_parts)

    columns = (
        Column("Class", "class"),
        Column("FN", "number", "Ground truth without a match"),
        Column("Why missed", "parts", "FN by kind", tuple(_part(kind) for kind in misses)),
        Column("FP", "number", "Predictions without a match"),
        Column("Why false", "parts", "FP by kind", tuple(_part(kind) for kind in falses)),
    )
    totals = tuple(
        (group.capitalize(), *cells(errors.misses[group], errors.falses[group])) for group in _GROUPS
    )
    per_class = (errors.per_class[name] for name in table.names)
    rows = tuple(
        (name, *cells(kinds["misses"], kinds["falses"]))
        for name, kinds in zip(class_names(table), per_class, strict=True)
    )
    text = (
        "Each missed segment and each false prediction is of one kind. Wrong class: the other side has it as "
        "another class, with an IoU above 0.5. Split: one segment in pieces. Merged: several in one. Lost to "
        "void: more than half of it has no prediction. Badly outlined: one of its class overlaps it with an "
        "IoU of at least 0.1. Missed and invented: the rest."
    )
    return Section("errors", "Errors", text, (Table(columns, rows, totals, filters=True),))


def _sizes(sizes: Mapping[str, PQResult], table: CategoryTable) -> Section:
    columns = (Column("Class", "class"), *(Column(f"PQ {name}", "percent") for name in sizes))
    columns += tuple(Column(f"TP {name}", "number", "Matched segments") for name in sizes)

    def cells(parts: list[tuple[float, int]]) -> tuple[Cell, ...]:
        return (*(pq for pq, _ in parts), *(tp for _, tp in parts))

    totals = tuple(
        (group.capitalize(), *cells([(getattr(r, group).pq, getattr(r, group).tp) for r in sizes.values()]))
        for group in _GROUPS
    )
    rows = tuple(
        (name, *cells([(r.per_class[label].pq, r.per_class[label].tp) for r in sizes.values()]))
        for label, name in enumerate(class_names(table))
    )
    text = (
        "Segments of fewer than 32² pixels are small, from 96² pixels large. A match and a miss have the "
        "size of the true segment, a false prediction its own."
    )
    return Section("sizes", "Sizes", text, (Table(columns, rows, totals, filters=True),))


def _measures(result: ExtendedResult, table: CategoryTable) -> list[Section]:
    columns: list[tuple[str, list[float], list[float]]] = []  # title, of groups, of classes

    def add_means(title: str, means: ClassMeans | None) -> None:
        if means is not None:
            values = [means.per_class[name] for name in table.names]
            columns.append((title, [getattr(means, group) for group in _GROUPS], values))

    add_means("PQ-dagger", result.dagger)
    add_means("Covering", result.covering)
    if result.boundary is not None:
        for title, key in (("Boundary PQ", "pq"), ("Boundary SQ", "sq"), ("Boundary RQ", "rq")):
            groups = [getattr(getattr(result.boundary, group), key) for group in _GROUPS]
            columns.append((title, groups, [getattr(row, key) for row in result.boundary.per_class]))
    if result.map_iou is not None:
        nothing = float("nan")
        iou = [result.map_iou.per_class[name] for name in table.names]
        columns.append(("IoU", [result.map_iou.miou, nothing, nothing], iou))
    if not columns:
        return []
    heads = (Column("Class", "class"), *(Column(title, "percent") for title, _, _ in columns))
    totals: tuple[tuple[Cell, ...], ...] = tuple(
        (group.capitalize(), *(groups[place] for _, groups, _ in columns))
        for place, group in enumerate(_GROUPS)
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *(values[label] for _, _, values in columns)) for label, name in enumerate(class_names(table))
    )
    text = (
        "PQ-dagger takes stuff by its IoU without matching; Parsing Covering weighs segments by their size; "
    )
    text += "Boundary PQ asks for outlines. docs/metrics_extended.md defines them."
    return [Section("measures", "Other measures", text, (Table(heads, rows, totals, filters=True),))]


def _part(kind: str) -> tuple[str, str]:
    return _KINDS.get(kind, (kind.replace("_", " "), "void"))


def _short(value: float) -> str:
    return f"{value:.1f}" if value == value else "–"  # noqa: RUF001
