"""From the results of an evaluation to what a report says."""

from collections.abc import Mapping, Sequence

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics import PQResult, ThingStuffConfusion, TrimmingResult
from panoptic_core.metrics.matching import Matches
from panoptic_core.report.content import Cell, ClassName, Column, Headline, Parts, Section, Table

_COUNTS = (("matched (TP)", "matched"), ("false (FP)", "false"), ("missed (FN)", "missed"))
_QUALITY = (
    Column("PQ", "percent", "Panoptic quality: SQ times RQ"),
    Column("SQ", "percent", "Segmentation quality: the mean IoU of matched segments"),
    Column("RQ", "percent", "Recognition quality: an F1 score of the segments"),
)
_NUMBERS = (
    Column("TP", "number", "Matched segments"),
    Column("FP", "number", "Predictions without a match"),
    Column("FN", "number", "Ground truth without a match"),
    Column("TP | FP | FN", "parts", "Matched, false and missed segments", _COUNTS),
)


def class_names(table: CategoryTable) -> list[ClassName]:
    """Return the classes as cells, in label order."""
    names = []
    for label, category in enumerate(table.categories):
        names.append(ClassName(category.name, category.color, label < table.num_things))
    return names


def quality_headlines(result: PQResult) -> list[Headline]:
    """Return PQ of all, things and stuff."""
    groups = (("PQ", result.all), ("PQ of things", result.things), ("PQ of stuff", result.stuff))
    return [
        Headline(title, group.pq, f"SQ {_short(group.sq)} · RQ {_short(group.rq)}") for title, group in groups
    ]


def quality_sections(result: PQResult, table: CategoryTable) -> list[Section]:
    """Return PQ, SQ, RQ and counts of the groups and of each class."""
    groups = (("All", result.all), ("Things", result.things), ("Stuff", result.stuff))
    columns = (Column("Group", "text"), *_QUALITY, Column("N", "number", "Classes that occur"), *_NUMBERS)
    rows = tuple(
        (name, g.pq, g.sq, g.rq, g.n, g.tp, g.fp, g.fn, Parts((g.tp, g.fp, g.fn))) for name, g in groups
    )
    overview = Section(
        "quality",
        "Panoptic quality",
        "Means over the classes that occur in prediction or ground truth; counts are sums.",
        (Table(columns, rows),),
    )
    per_class = tuple(
        (name, row.pq, row.sq, row.rq, row.tp, row.fp, row.fn, Parts((row.tp, row.fp, row.fn)))
        for name, row in zip(class_names(table), result.per_class, strict=True)
    )
    text = "A class that occurs in neither prediction nor ground truth has no value and is in no mean."
    classes = Table((Column("Class", "class"), *_QUALITY, *_NUMBERS), per_class, filters=True)
    return [overview, Section("classes", "Classes", text, (classes,))]


def trimming_section(trimming: TrimmingResult) -> Section:
    """Return the stuff before and after trimming."""
    what = "regions" if trimming.by_region else "segments"
    values = [("PQ", "pq"), ("SQ", "sq"), ("RQ", "rq"), ("IoU", "iou")]
    rows: list[tuple[Cell, ...]] = [
        (name, *(float(getattr(one, key)) for _, key in values))
        for name, one in (("before", trimming.before), ("after", trimming.after))
    ]
    columns = (Column("Stuff", "text"), *(Column(title, "percent") for title, _ in values))
    text = f"The final maps, before and after {what} below {trimming.area_limit} pixels become void."
    return Section("trimming", "Trimmed stuff", text, (Table(columns, tuple(rows)),))


def confusion_section(confusion: ThingStuffConfusion, what: str) -> Section:
    """Return how often things are taken for stuff and stuff for things."""
    columns = (
        Column("Truth", "text"),
        *(Column(f"as {name}", "percent") for name in ("things", "stuff", "void")),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *map(float, row))
        for name, row in zip(("things", "stuff"), confusion.percent.tolist(), strict=True)
    )
    text = f"{what} the pixels of things and of stuff, in percent of each row's pixels."
    key = "confusion" if "semantic" in what else "map-confusion"
    return Section(key, "Things and stuff", text, (Table(columns, rows),))


def wrong_segments(matches: Matches, table: CategoryTable) -> list[tuple[str, str]]:
    """Say which classes' segments are missed and false in an image, most first."""
    sides = (("Missed", matches.missed_labels.tolist()), ("False", matches.wrong_labels.tolist()))
    return [(word, _counted(labels, table.names)) for word, labels in sides if labels]


def kinds(word: str, counts: Mapping[str, int] | None) -> list[tuple[str, str]]:
    """Say of which kinds an image's errors are, most first; nothing where nobody counted."""
    found = sorted((item for item in (counts or {}).items() if item[1]), key=lambda item: -item[1])
    words = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found)
    return [(word, words)] if found else []


def _counted(labels: Sequence[int], names: Sequence[str]) -> str:
    counts = {label: labels.count(label) for label in sorted(set(labels))}
    order = sorted(counts, key=lambda label: -counts[label])
    return ", ".join(f"{counts[label]} × {names[label]}" for label in order)  # noqa: RUF001 - times


def _short(value: float) -> str:
    return "–" if value != value else f"{value:.1f}"  # noqa: RUF001
