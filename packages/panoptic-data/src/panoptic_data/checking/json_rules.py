"""Rules on the three lists of a panoptic JSON, without opening another file."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from posixpath import splitext
from typing import Any

from panoptic_data.checking.findings import Finding, ImageId
from panoptic_data.checking.listing import (
    Entry,
    Listing,
    is_annotation,
    is_category,
    is_flag,
    is_id,
    is_image,
    shorten,
)
from panoptic_data.checking.rules import found
from panoptic_data.checks import show

_LEAST_KNOWN = 10  # categories of a known data set before a differing `isthing` cannot be meant


def malformed_categories(listing: Listing) -> Iterator[Finding]:
    """Find categories without id or name."""
    for row in listing.rows("categories"):
        if not is_category(row):
            yield found("category-malformed", listing.json_name, f"the entry is {shorten(row)}")


def repeated_categories(listing: Listing) -> Iterator[Finding]:
    """Find category ids that are given twice."""
    for category_id, rows in _groups(listing.rows("categories"), is_category, "id").items():
        if len(rows) > 1:
            names = show(repr(row["name"]) for row in rows)
            what = f"{len(rows)} entries have this id: {names}"
            yield found(
                "category-twice",
                listing.json_name,
                what,
                category=category_id,
                mendable=_all_equal(rows),
            )


def repeated_names(listing: Listing) -> Iterator[Finding]:
    """Find names that several categories have."""
    for name, rows in _groups(list(listing.categories.values()), is_category, "name").items():
        if len(rows) > 1:
            ids = show(row["id"] for row in rows)
            yield found("category-name-twice", listing.json_name, f"{name!r} is the name of categories {ids}")


def colors(listing: Listing) -> Iterator[Finding]:
    """Find colours that are none."""
    for category_id, row in listing.categories.items():
        if row.get("color") and not is_color(row["color"]):
            what = f"`color` of {row['name']!r} is {shorten(row['color'])}"
            yield found("category-color", listing.json_name, what, category=category_id, mendable=True)


def things(listing: Listing) -> Iterator[Finding]:
    """Find classes that do not say whether they are things, or say what cannot be."""
    known = listing.known_table
    for category_id, row in listing.categories.items():
        what = f"{row['name']!r} has `isthing` {shorten(row.get('isthing'))}"
        if "isthing" not in row:
            hint = "" if known is None else f"; {known.name} says {_known_flag(listing, category_id)}"
            what = f"{row['name']!r} has no `isthing`{hint}"
            yield found(
                "isthing-absent",
                listing.json_name,
                what,
                category=category_id,
                mendable=known is not None,
            )
        elif not is_flag(row["isthing"]):
            yield found("isthing-value", listing.json_name, what, category=category_id)
        elif known is not None and len(listing.categories) >= _LEAST_KNOWN:
            expected = _known_flag(listing, category_id)
            if int(row["isthing"]) != expected:
                what += f", but all ids and names are {known.name}'s, where it has {expected}"
                yield found("isthing-differs", listing.json_name, what, category=category_id)


def malformed_images(listing: Listing) -> Iterator[Finding]:
    """Find images without id or file name."""
    for row in listing.rows("images"):
        if not is_image(row):
            yield found("image-malformed", listing.json_name, f"the entry is {shorten(row)}")


def repeated_images(listing: Listing) -> Iterator[Finding]:
    """Find image ids that are given twice."""
    for image_id, rows in _groups(listing.rows("images"), is_image, "id").items():
        if len(rows) > 1:
            same = _all_equal(rows)
            files = "the same entry" if same else show(row["file_name"] for row in rows)
            what = f"{len(rows)} entries have this id: {files}"
            yield found("image-id-twice", listing.json_name, what, image=image_id, mendable=same)


def repeated_files(listing: Listing) -> Iterator[Finding]:
    """Find files that images of several ids name."""
    for name, rows in _groups(list(listing.images.values()), is_image, "file_name").items():
        if len(rows) > 1:
            what = f"{name} is the file of images {show(row['id'] for row in rows)}"
            yield found("image-listed-twice", listing.json_name, what, image=rows[0]["id"])


def absent_sizes(listing: Listing) -> Iterator[Finding]:
    """Find images without height or width."""
    for image_id, row in listing.images.items():
        missing = [key for key in ("height", "width") if key not in row]
        if missing:
            what = f"{row['file_name']} has no {' and no '.join(f'`{key}`' for key in missing)}"
            yield found("size-absent", listing.json_name, what, image=image_id, mendable=True)


def unannotated_images(listing: Listing) -> Iterator[Finding]:
    """Find images without annotation, unless there is no list of annotations at all."""
    if not isinstance(listing.content.get("annotations"), list):
        return
    named = _ids(listing.rows("annotations"), "image_id")
    for image_id, row in listing.images.items():
        if image_id not in named and str(image_id) not in named and _as_number(image_id) not in named:
            what = f"{row['file_name']} has no annotation"
            yield found("image-unannotated", listing.json_name, what, image=image_id)


def malformed_annotations(listing: Listing) -> Iterator[Finding]:
    """Find annotations that lack a key."""
    for row in listing.rows("annotations"):
        if not is_annotation(row):
            yield found("annotation-malformed", listing.json_name, f"the entry is {shorten(row)}")


def repeated_annotations(listing: Listing) -> Iterator[Finding]:
    """Find images with two annotations."""
    for image_id, rows in _groups(listing.rows("annotations"), is_annotation, "image_id").items():
        if len(rows) > 1:
            same = _all_equal(rows)
            files = "the same entry" if same else show(row["file_name"] for row in rows)
            what = f"{len(rows)} annotations: {files}"
            yield found("annotation-twice", listing.json_name, what, image=image_id, mendable=same)


def strange_annotations(listing: Listing) -> Iterator[Finding]:
    """Find annotations of images that are not listed."""
    if listing.lacks("images"):
        return
    listed = _ids(listing.rows("images"), "id")
    for image_id, row in listing.annotations.items():
        if image_id in listed:
            continue
        what = f"the annotation of {row['file_name']} has an `image_id` that no image has"
        if str(image_id) in listed or _as_number(image_id) in listed:
            what = f"`image_id` is {shorten(image_id)} and the image's `id` is of another type (number, text)"
        yield found("annotation-unknown-image", listing.json_name, what, image=image_id)


def shared_maps(listing: Listing) -> Iterator[Finding]:
    """Find maps that annotations of several images name."""
    for name, rows in _groups(list(listing.annotations.values()), is_annotation, "file_name").items():
        if len(rows) > 1:
            what = f"{name} is the map of images {show(row['image_id'] for row in rows)}"
            yield found("map-shared", listing.json_name, what, image=rows[0]["image_id"])


def maps_of_others(listing: Listing) -> Iterator[Finding]:
    """Find maps that have the name of another image than the one that they are joined to."""
    owners = {_stem(row["file_name"]): image_id for image_id, row in listing.images.items()}
    uses = Counter(row["file_name"] for row in listing.annotations.values())
    for image_id, row in listing.annotations.items():
        image, name = listing.images.get(image_id), row["file_name"]
        owner = owners.get(_stem(name), image_id)
        if image is None or owner == image_id or _stem(image["file_name"]) == _stem(name) or uses[name] > 1:
            continue
        what = f"{name} is the map of {image['file_name']}; by its name it is that of image {owner}"
        yield found("map-of-another", listing.json_name, what, image=image_id)


def is_color(value: Any) -> bool:
    """Return whether a value is RGB."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in value)
    )


JSON_RULES: tuple[Callable[[Listing], Iterator[Finding]], ...] = (
    malformed_categories,
    repeated_categories,
    repeated_names,
    colors,
    things,
    malformed_images,
    repeated_images,
    repeated_files,
    absent_sizes,
    unannotated_images,
    malformed_annotations,
    repeated_annotations,
    strange_annotations,
    shared_maps,
    maps_of_others,
)
"""Each takes a listing and yields what it finds, in the order of the file."""


def _stem(name: str) -> str:
    return splitext(name)[0]


def _groups(rows: Sequence[Any], usable: Callable[[Any], bool], key: str) -> dict[Any, list[Entry]]:
    groups: dict[Any, list[Entry]] = defaultdict(list)
    for row in rows:
        if usable(row):
            groups[row[key]].append(row)
    return groups


def _ids(rows: Sequence[Any], key: str) -> set[ImageId]:
    return {row[key] for row in rows if isinstance(row, dict) and is_id(row.get(key))}


def _all_equal(rows: Sequence[Entry]) -> bool:
    return all(row == rows[0] for row in rows)


def _as_number(image_id: ImageId) -> ImageId:
    return int(image_id) if isinstance(image_id, str) and image_id.isdecimal() else image_id


def _known_flag(listing: Listing, category_id: int) -> int:
    table = listing.known_table
    assert table is not None
    return int(table[table.labels[category_id]].is_thing)
