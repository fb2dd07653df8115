"""Rules on the segments of one image: the list against its categories and against the map."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from panoptic_core.categories import CITYSCAPES
from panoptic_data.checking.facts import ImageFacts
from panoptic_data.checking.findings import Finding, Severity
from panoptic_data.checking.listing import Entry, is_flag, is_segment, is_segment_entry, shorten
from panoptic_data.checking.rules import found
from panoptic_data.checks import show

_MANY_IDS = 50  # unlisted ids in one map: no run forgot so many segments, interpolation makes them


def entries(facts: ImageFacts) -> Iterator[Finding]:
    """Find entries that are no segment."""
    for row in facts.rows:
        if not is_segment_entry(row):
            yield _found(facts, "segment-malformed", f"the entry is {shorten(row)}")
        elif not is_segment(row):
            yield _found(facts, "segment-id", f"`id` is {shorten(row['id'])}", segment=row["id"])


def repeated(facts: ImageFacts) -> Iterator[Finding]:
    """Find ids that are listed twice."""
    groups: dict[int, list[Entry]] = defaultdict(list)
    for row in facts.rows:
        if is_segment(row):
            groups[row["id"]].append(row)
    for segment_id, rows in groups.items():
        if len(rows) > 1:
            same = len({meaning(row) for row in rows}) == 1
            classes = (
                "all of one class" if same else f"of categories {show(row['category_id'] for row in rows)}"
            )
            what = f"{len(rows)} entries have this id, {classes}"
            yield _found(facts, "segment-twice", what, segment=segment_id, mendable=same)


def unknown_categories(facts: ImageFacts) -> Iterator[Finding]:
    """Find segments of no known class."""
    known = facts.listing.categories
    if facts.listing.lacks("categories"):
        return
    listed = {
        row.get("id")
        for row in facts.listing.rows("categories")
        if isinstance(row, dict) and type(row.get("id")) is int
    }
    for segment_id, row in facts.segments.items():
        category_id = row["category_id"]
        if type(category_id) is int and category_id in listed:
            continue
        what = f"`category_id` is {shorten(category_id)}, not one of {len(known)} categories"
        if known.keys() == CITYSCAPES.labels.keys() and category_id in range(len(CITYSCAPES)):
            what += "; it looks like a train id"
        yield _found(facts, "category-unknown", what, segment=segment_id, category=category_id)


def crowds(facts: ImageFacts) -> Iterator[Finding]:
    """Find crowd marks that are absent, senseless, or on stuff."""
    for segment_id, row in facts.segments.items():
        if "iscrowd" not in row:
            yield _found(facts, "crowd-absent", "no `iscrowd`", segment=segment_id, mendable=True)
        elif not is_flag(row["iscrowd"]):
            yield _found(facts, "crowd-value", f"`iscrowd` is {shorten(row['iscrowd'])}", segment=segment_id)
        elif row["iscrowd"] and facts.listing.is_thing(row["category_id"]) is False:
            what = f"`iscrowd` is 1 and {_class(facts, row)} is stuff"
            yield _found(facts, "crowd-on-stuff", what, segment=segment_id, category=row["category_id"])


def own_flags(facts: ImageFacts) -> Iterator[Finding]:
    """Find segments that contradict their category about being a thing."""
    for segment_id, row in facts.segments.items():
        is_thing = facts.listing.is_thing(row["category_id"])
        if "isthing" in row and is_thing is not None and row["isthing"] != is_thing:
            what = f"`isthing` is {shorten(row['isthing'])}, that of {_class(facts, row)} is {int(is_thing)}"
            yield _found(facts, "isthing-segment", what, segment=segment_id, mendable=True)


def split_stuff(facts: ImageFacts) -> Iterator[Finding]:
    """Find stuff classes with several segments."""
    for category_id, ids in stuff_parts(facts).items():
        if len(ids) > 1:
            rows = [facts.segments[segment_id] for segment_id in ids]
            same = len({bool(row.get("iscrowd", 0)) for row in rows}) == 1
            what = f"stuff {_class(facts, rows[0])} has {len(ids)} segments: {show(ids)}"
            yield _found(facts, "stuff-split", what, category=category_id, mendable=same)


def stuff_parts(facts: ImageFacts) -> dict[int, list[int]]:
    """Return the ids of each stuff class's segments; without those that own no pixel of the map."""
    parts: dict[int, list[int]] = defaultdict(list)
    for segment_id, row in facts.segments.items():
        if facts.listing.is_thing(row["category_id"]) is False and (
            facts.pixels is None or segment_id in facts.extents
        ):
            parts[row["category_id"]].append(segment_id)
    return parts


def without_pixels(facts: ImageFacts) -> Iterator[Finding]:
    """Find listed segments that the map lacks."""
    if facts.pixels is None:
        return
    for segment_id, row in facts.segments.items():
        if segment_id not in facts.extents:
            what = f"{_class(facts, row)} is listed and owns no pixel"
            yield found(
                "segment-no-pixel",
                facts.map_name,
                what,
                image=facts.task.image_id,
                segment=segment_id,
                mendable=True,
            )


def unlisted(facts: ImageFacts) -> Iterator[Finding]:
    """Find ids of the map that are not listed; one finding an image."""
    if facts.pixels is None or facts.task.annotation is None:
        return
    listed = [row["id"] for row in facts.rows if is_segment(row)]
    strange = ~np.isin(facts.pixels.ids, np.array(listed, dtype=np.int64))
    if not strange.any():
        return
    ids, areas = facts.pixels.ids[strange], facts.pixels.areas[strange]
    order = np.argsort(-areas, kind="stable")
    what = f"{len(ids)} ids with {int(areas.sum())} pixels, the largest first: {show(ids[order].tolist())}"
    if len(ids) >= _MANY_IDS:
        what += "; so many come from interpolation or lossy compression"
    first = int(ids[order][0]) if len(ids) == 1 else None
    yield found("id-unlisted", facts.map_name, what, image=facts.task.image_id, segment=first)


def areas(facts: ImageFacts) -> Iterator[Finding]:
    """Find areas that are absent or not the number of pixels."""
    for segment_id, row in facts.segments.items():
        if "area" not in row:
            yield _found(
                facts, "area-absent", "no `area`", segment=segment_id, mendable=_drawn(facts, segment_id)
            )
        elif segment_id in facts.extents and (
            isinstance(row["area"], bool) or row["area"] != facts.extents[segment_id][0]
        ):
            counted = facts.extents[segment_id][0]
            what = f"`area` is {shorten(row['area'])}, the map has {counted} pixels"
            yield _found(facts, "area-wrong", what, segment=segment_id, mendable=True)


def boxes(facts: ImageFacts) -> Iterator[Finding]:
    """Find boxes that are absent or not tight."""
    for segment_id, row in facts.segments.items():
        if "bbox" not in row:
            yield _found(
                facts, "box-absent", "no `bbox`", segment=segment_id, mendable=_drawn(facts, segment_id)
            )
        elif segment_id in facts.extents and row["bbox"] != facts.extents[segment_id][1]:
            tight = facts.extents[segment_id][1]
            what, severity = _compare_boxes(row["bbox"], tight)
            yield _found(facts, "box-wrong", what, segment=segment_id, severity=severity, mendable=True)


SEGMENT_RULES: tuple[Callable[[ImageFacts], Iterator[Finding]], ...] = (
    entries,
    repeated,
    unknown_categories,
    crowds,
    own_flags,
    split_stuff,
    without_pixels,
    unlisted,
    areas,
    boxes,
)
"""Each takes an image's facts and yields what it finds."""


def _found(facts: ImageFacts, rule: str, what: str, **ids: Any) -> Finding:
    return found(rule, facts.listing.json_name, what, image=facts.task.image_id, **ids)


def meaning(row: Entry) -> tuple[str, str]:
    """Return what an entry says about its pixels, comparable."""
    return shorten(row["category_id"]), shorten(row.get("iscrowd", 0))


def _class(facts: ImageFacts, row: Entry) -> str:
    category_id = row["category_id"]
    known = facts.listing.categories.get(category_id) if type(category_id) is int else None
    return repr(known["name"]) if known is not None else f"category {shorten(category_id)}"


def _drawn(facts: ImageFacts, segment_id: int) -> bool:
    return segment_id in facts.extents


def _compare_boxes(box: Any, tight: list[int]) -> tuple[str, Severity]:
    x, y, width, height = tight
    what = f"`bbox` is {shorten(box)}, the tight box is {tight} (x, y, width, height)"
    if box in ([x, y, x + width, y + height], [x, y, x + width - 1, y + height - 1]):
        return what + "; these are two corners", Severity.ERROR
    if box in ([x, y, width - 1, height - 1], [x, y, width, height - 1], [x, y, width - 1, height]):
        return what + "; the + 1 is forgotten", Severity.WARNING
    return what, Severity.ERROR
