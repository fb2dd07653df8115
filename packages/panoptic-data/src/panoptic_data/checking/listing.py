"""A panoptic JSON read with as few conditions as possible: what is wrong is found, not raised."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from panoptic_core.categories import KNOWN_TABLES, CategoryTable
from panoptic_data.checking.findings import Finding, ImageId
from panoptic_data.checking.rules import found
from panoptic_data.checks import show
from panoptic_data.splits import PanopticFiles, Split

LISTS = ("images", "annotations", "categories")

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """What a JSON lists, entries that cannot be used left out.

    Attributes:
        files: Where everything is.
        root: Names in findings are relative to it.
        content: The JSON as it is; only the three lists are looked at.
        findings: What was wrong with the file itself.
    """

    files: PanopticFiles
    root: Path
    content: Mapping[str, Any] = field(repr=False)
    findings: tuple[Finding, ...] = ()

    def named(self, path: Path) -> str:
        """Return a path as findings name it."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    @property
    def json_name(self) -> str:
        """The JSON as findings name it."""
        return self.named(self.files.json)

    def rows(self, key: str) -> Sequence[Any]:
        """Return one of the lists; nothing if the JSON lacks it."""
        value = self.content.get(key)
        return value if isinstance(value, list) else ()

    def lacks(self, key: str) -> bool:
        """Return whether a list is not there, or empty where that cannot be meant."""
        value = self.content.get(key)
        return not isinstance(value, list) or (not value and key != "annotations")

    @cached_property
    def categories(self) -> dict[int, Entry]:
        """The categories that can be used, the first of each id."""
        usable: dict[int, Entry] = {}
        for row in self.rows("categories"):
            if is_category(row):
                usable.setdefault(row["id"], row)
        return usable

    @cached_property
    def images(self) -> dict[ImageId, Entry]:
        """The images that can be used, the first of each id."""
        usable: dict[ImageId, Entry] = {}
        for row in self.rows("images"):
            if is_image(row):
                usable.setdefault(row["id"], row)
        return usable

    @cached_property
    def annotations(self) -> dict[ImageId, Entry]:
        """The annotations that can be used, the first of each image."""
        usable: dict[ImageId, Entry] = {}
        for row in self.rows("annotations"):
            if is_annotation(row):
                usable.setdefault(row["image_id"], row)
        return usable

    @cached_property
    def known_table(self) -> CategoryTable | None:
        """The table of a known data set that holds all these ids with these names."""
        facts = {(category_id, str(row["name"])) for category_id, row in self.categories.items()}
        for table in KNOWN_TABLES:
            if len(facts) > 1 and facts <= {(one.category_id, one.name) for one in table.categories}:
                return table
        return None

    def is_thing(self, category_id: Any) -> bool | None:
        """Return whether a class is a thing; None if nobody says so."""
        row = self.categories.get(category_id) if type(category_id) is int else None
        value = None if row is None else row.get("isthing")
        return bool(value) if is_flag(value) else None


def read_listing(split: Split) -> Listing:
    """Read a split's JSON; problems are findings of the result."""
    files = split.files
    if files is None:
        msg = f"Expected split '{split.name}' to be COCO-panoptic files, got another layout."
        raise ValueError(msg)
    empty = Listing(files, split.root, {})
    try:
        content = json.loads(files.json.read_bytes())
    except (OSError, ValueError) as error:  # json's and Unicode's errors are ValueErrors
        what = f"it cannot be read: {error}"
        return Listing(files, split.root, {}, (found("json-unreadable", empty.json_name, what),))
    if not isinstance(content, dict):
        what = f"its top level is a {type(content).__name__}, not an object"
        return Listing(files, split.root, {}, (found("json-unreadable", empty.json_name, what),))
    there = show(sorted(content)) or "nothing"
    whats = [
        f"`{key}` is empty" if content.get(key) == [] else f"no list `{key}`; it has {there}"
        for key in LISTS
        if Listing(files, split.root, content).lacks(key)
    ]
    faults = tuple(found("list-absent", empty.json_name, what) for what in whats)
    return Listing(files, split.root, content, faults)


def is_flag(value: Any) -> bool:
    """Return whether a value is 0, 1, false or true."""
    return isinstance(value, int) and value in (0, 1)


def is_id(value: Any) -> bool:
    """Return whether a value can be an image's id."""
    return isinstance(value, int | str) and not isinstance(value, bool)


def is_category(row: Any) -> bool:
    """Return whether a category has an id and a name."""
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        return False
    return type(row.get("id")) is int and row["id"] >= 0


def is_image(row: Any) -> bool:
    """Return whether an image has an id and a file."""
    return isinstance(row, dict) and is_id(row.get("id")) and isinstance(row.get("file_name"), str)


def is_annotation(row: Any) -> bool:
    """Return whether an annotation has an image, a file and segments."""
    return (
        isinstance(row, dict)
        and is_id(row.get("image_id"))
        and isinstance(row.get("file_name"), str)
        and isinstance(row.get("segments_info"), list)
    )


def is_segment(row: Any) -> bool:
    """Return whether an entry has an id that a PNG can hold, and a category."""
    return is_segment_entry(row) and type(row["id"]) is int and 0 < row["id"] < 256**3


def is_segment_entry(row: Any) -> bool:
    """Return whether an entry has the keys of a segment."""
    return isinstance(row, dict) and "id" in row and "category_id" in row


def shorten(row: Any, limit: int = 120) -> str:
    """Return an entry as text, cut where it is long."""
    text = json.dumps(row, default=str)
    return text if len(text) <= limit else text[: limit - 3] + "..."
