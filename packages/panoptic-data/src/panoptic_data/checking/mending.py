"""What can be mended without asking anybody: pure functions from entries and maps to better ones.

No pixel changes its class, and none becomes void: ids of one stuff class are joined, red and blue exchanged,
numbers recounted, entries that mean nothing dropped. What needs a decision stays as it is.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_data.checking.facts import ImageFacts
from panoptic_data.checking.findings import Finding
from panoptic_data.checking.json_rules import is_color
from panoptic_data.checking.listing import Listing, is_segment
from panoptic_data.checking.reading import ImageFile, measure
from panoptic_data.checking.rules import found
from panoptic_data.checking.segment_rules import meaning, stuff_parts
from panoptic_data.checks import show


class MendedImage(NamedTuple):
    """An annotation, the map to write (None: the file as it is), and what was done."""

    segments: list[Any]
    id_map: NDArray[np.int32] | None
    mends: list[Finding]


def mend_categories(listing: Listing) -> tuple[list[Any], list[Finding]]:
    """Return the categories without equal copies and impossible colours, with `isthing` where it is known."""
    rows, mends = drop_copies(listing, "categories", "category-twice", "id")
    known = listing.known_table
    for place, row in enumerate(rows):
        usable = isinstance(row, dict) and type(row.get("id")) is int and row["id"] in listing.categories
        if not usable:
            continue
        if row.get("color") and not is_color(row["color"]):
            rows[place] = row = {key: value for key, value in row.items() if key != "color"}
            what = f"`color` of {row.get('name')!r} dropped: one is made from the id"
            mends.append(found("category-color", listing.json_name, what, category=row["id"]))
        if "isthing" not in row and known is not None:
            flag = int(known[known.labels[row["id"]]].is_thing)
            rows[place] = row | {"isthing": flag}
            what = f"`isthing` {flag} of {known.name} written to {row.get('name')!r}"
            mends.append(found("isthing-absent", listing.json_name, what, category=row["id"]))
    return rows, mends


def drop_copies(listing: Listing, key: str, rule: str, id_key: str) -> tuple[list[Any], list[Finding]]:
    """Return a list without entries that equal an earlier one of the same id."""
    kept: list[Any] = []
    mends = []
    first: dict[Any, Any] = {}
    for row in listing.rows(key):
        one = row.get(id_key) if isinstance(row, dict) else None
        if isinstance(one, int | str):
            if one in first and first[one] == row:
                image = None if key == "categories" else one
                category = one if key == "categories" else None
                what = "an equal copy of its entry dropped"
                mends.append(found(rule, listing.json_name, what, image=image, category=category))
                continue
            first.setdefault(one, row)
        kept.append(row)
    return kept, mends


def mend_size(facts: ImageFacts) -> tuple[dict[str, int], list[Finding]]:
    """Return height and width to write into the image's entry; nothing if they are right or unsure."""
    entry, size, id_map = facts.task.entry, facts.size, facts.id_map
    if entry is None or size is None or (entry.get("height"), entry.get("width")) == size:
        return {}, []
    if isinstance(id_map, np.ndarray) and isinstance(facts.image, ImageFile) and id_map.shape != size:
        return {}, []
    rule = "size-differs" if "height" in entry and "width" in entry else "size-absent"
    what = f"`height` {size[0]} and `width` {size[1]} written, as the file has them"
    mend = found(rule, facts.listing.json_name, what, image=facts.task.image_id)
    return {"height": size[0], "width": size[1]}, [mend]


def mend_image(facts: ImageFacts, *, may_draw: bool) -> MendedImage:
    """Mend the segments of an image and, if need be, its map.

    Args:
        facts: The image.
        may_draw: Whether the map is this image's alone and can be written anew.

    Raises:
        AssertionError: If a pixel would become void or be labelled; that is a bug.
    """
    if facts.has_bgr and not may_draw:
        return MendedImage(list(facts.rows), None, [])
    rows, mends = _drop_entries(facts)
    id_map = facts.id_map if isinstance(facts.id_map, np.ndarray) else None
    drawn = facts.has_bgr
    if facts.has_bgr:
        what = "red and blue exchanged in the map"
        mends.append(found("map-bgr", facts.map_name, what, image=facts.task.image_id))
    if id_map is not None and may_draw:
        joined, rows, more = _join_stuff(facts, id_map, rows)
        drawn, mends = drawn or bool(more), mends + more
        assert np.array_equal(joined == 0, id_map == 0), "A mend may not touch void."
        id_map = joined
    rows, more = _complete(facts, id_map, rows)
    return MendedImage(rows, id_map if drawn else None, mends + more)


def _drop_entries(facts: ImageFacts) -> tuple[list[Any], list[Finding]]:
    """Drop entries that mean the same as an earlier one, and those of segments that own no pixel."""
    kept, mends = [], []
    seen: dict[int, tuple[str, str]] = {}
    for row in facts.rows:
        if is_segment(row):
            segment_id = row["id"]
            if seen.get(segment_id) == meaning(row):
                mends.append(
                    _mended(facts, "segment-twice", "an entry of the same id and class dropped", segment_id)
                )
                continue
            seen.setdefault(segment_id, meaning(row))
            if facts.pixels is not None and segment_id not in facts.extents:
                what = f"the entry of category {row['category_id']} dropped: it owns no pixel"
                mends.append(_mended(facts, "segment-no-pixel", what, segment_id))
                continue
        kept.append(row)
    return kept, mends


def _join_stuff(
    facts: ImageFacts, id_map: NDArray[np.int32], rows: list[Any]
) -> tuple[NDArray[np.int32], list[Any], list[Finding]]:
    """Give the segments of each stuff class the id of the largest."""
    listed: dict[int, int] = defaultdict(int)
    for row in rows:
        if is_segment(row):
            listed[row["id"]] += 1
    renamed: dict[int, int] = {}
    mends = []
    for category_id, ids in stuff_parts(facts).items():
        crowds = {bool(facts.segments[one].get("iscrowd", 0)) for one in ids}
        if len(ids) < 2 or len(crowds) > 1 or any(listed[one] != 1 for one in ids):
            continue
        largest = max(ids, key=lambda one: (facts.extents[one][0], -one))
        others = [one for one in ids if one != largest]
        renamed |= dict.fromkeys(others, largest)
        pixels = sum(facts.extents[one][0] for one in others)
        what = f"{pixels} pixels of segments {show(others)} joined with segment {largest} of their class"
        mends.append(
            found("stuff-split", facts.map_name, what, image=facts.task.image_id, category=category_id)
        )
    if not renamed:
        return id_map, rows, mends
    old = np.array(sorted(renamed), dtype=np.int32)
    new = np.array([renamed[one] for one in old.tolist()], dtype=np.int32)
    place = np.minimum(np.searchsorted(old, id_map), len(old) - 1)
    joined = np.where(old[place] == id_map, new[place], id_map)
    return joined, [row for row in rows if not (is_segment(row) and row["id"] in renamed)], mends


def _complete(
    facts: ImageFacts, id_map: NDArray[np.int32] | None, rows: Sequence[Any]
) -> tuple[list[Any], list[Finding]]:
    """Write what is absent or counted wrongly: iscrowd, isthing, area, bbox."""
    extents = {}
    if id_map is not None:
        pixels = measure(id_map)
        columns = (pixels.ids.tolist(), pixels.areas.tolist(), pixels.boxes.tolist())
        extents = {one: {"area": area, "bbox": box} for one, area, box in zip(*columns, strict=True)}
    done: list[Any] = []
    mends = []
    for row in rows:
        if not is_segment(row):
            done.append(row)
            continue
        changes: dict[str, Any] = {}
        if "iscrowd" not in row:
            changes["iscrowd"] = 0
            mends.append(_mended(facts, "crowd-absent", "`iscrowd` 0 written", row["id"]))
        is_thing = facts.listing.is_thing(row["category_id"])
        if "isthing" in row and is_thing is not None and row["isthing"] != is_thing:
            changes["isthing"] = int(is_thing)
            what = f"`isthing` {row['isthing']!r} -> {int(is_thing)}, as its category has it"
            mends.append(_mended(facts, "isthing-segment", what, row["id"]))
        for key, value in extents.get(row["id"], {}).items():
            if key not in row or isinstance(row[key], bool) or row[key] != value:
                changes[key] = value
                name = "area" if key == "area" else "box"
                rule = f"{name}-wrong" if key in row else f"{name}-absent"
                before = f"{row[key]!r} -> " if key in row else ""
                mends.append(_mended(facts, rule, f"`{key}` {before}{value}", row["id"]))
        done.append(row | changes if changes else row)
    return done, mends


def _mended(facts: ImageFacts, rule: str, what: str, segment: int) -> Finding:
    return found(rule, facts.listing.json_name, what, image=facts.task.image_id, segment=segment)
