"""Which classes there are, and which of them are things: from a class file, or from names."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from panoptic_core.categories import CategoryTable
from panoptic_data.checks import describe_place, show

_THING_WORDS = {"1": 1, "thing": 1, "true": 1, "yes": 1, "0": 0, "stuff": 0, "false": 0, "no": 0}
_CURE = (
    "A class file is a CSV with the columns id, name, isthing (1 or 0) and, if you care, color (#rrggbb), "
    "or a JSON list of such objects (the `categories` of a COCO-panoptic JSON)."
)


def read_classes(path: str | Path) -> CategoryTable:
    """Read a class file.

    Args:
        path: A CSV with the columns ``id``, ``name``, ``isthing`` (1, 0, thing, stuff) and perhaps ``color``
            (``#rrggbb``); or a JSON list of such objects, or an object that has one as ``categories``.

    Returns:
        The table, things first; the order inside things and inside stuff is the file's.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is neither, or a row is not as it should be; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        msg = f"Expected the class file {path}, got no such file: {describe_place(path.parent)}. {_CURE}"
        raise FileNotFoundError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _json_rows(text) if path.suffix.lower() == ".json" else list(_csv_rows(text))
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        msg = f"Expected {path} to be a class file, but it cannot be read: {error}. {_CURE}"
        raise ValueError(msg) from error
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        msg = f"Expected {path} to list classes, got {show(rows) if rows else 'none'}. {_CURE}"
        raise ValueError(msg)
    try:
        table = CategoryTable.from_json([_clean(row) for row in rows], name=path.name)
    except ValueError as error:
        msg = f"{path}: {error} {_CURE}"
        raise ValueError(msg) from error
    _check_names(table.names, path.name)
    return table


def classes_from_names(
    names: Iterable[str],
    things: Sequence[str],
    *,
    where: str,
    colors: Mapping[str, Sequence[int]] | None = None,
    ids: Mapping[str, int] | None = None,
) -> CategoryTable:
    """Make a table of names that were found in annotations.

    Args:
        names: All classes; the order does not matter.
        things: Which of them are things; ``["*"]`` means all.
        where: What they were found in; errors name it.
        colors: RGB of some of them.
        ids: Their category ids; by default 1, 2, ... by name, so the same names give the same table.

    Raises:
        ValueError: If there is no class, or a thing is none of them.
    """
    found = sorted(set(names))
    if not found:
        msg = f"Expected classes in {where}, got none. Give them by --classes FILE."
        raise ValueError(msg)
    wanted = found if list(things) == ["*"] else list(things)
    unknown = [name for name in wanted if name not in found]
    if unknown:
        msg = f"Expected --things to name classes of {where} ({show(found, 40)}), got {show(unknown)}."
        raise ValueError(msg)
    rows = [
        {
            "id": ids[name] if ids else number,
            "name": name,
            "isthing": int(name in wanted),
            "color": list((colors or {}).get(name, ())),
        }
        for number, name in enumerate(found, start=1)
    ]
    return CategoryTable.from_json(rows, name=where)


def ids_by_name(table: CategoryTable) -> dict[str, int]:
    """Return the category id of each class's name."""
    return dict(zip(table.names, table.category_ids, strict=True))


def _json_rows(text: str) -> list[Any]:
    content = json.loads(text)
    if isinstance(content, dict):
        content = content.get("categories")
    return content if isinstance(content, list) else []


def _csv_rows(text: str) -> Iterable[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for row in csv.DictReader(lines, skipinitialspace=True):
        yield {str(key).strip(): value.strip() for key, value in row.items() if isinstance(value, str)}


def _clean(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn texts of a CSV into numbers."""
    clean = dict(row)
    number = clean.get("id")
    if isinstance(number, str):
        if not number.isdigit():
            msg = f"Expected the id of {dict(row)} to be an integer >= 0, got {number!r}."
            raise ValueError(msg)
        clean["id"] = int(number)
    flag = clean.get("isthing")
    if isinstance(flag, str):
        clean["isthing"] = _THING_WORDS.get(flag.lower(), flag)
    color = clean.get("color")
    if isinstance(color, str):
        clean["color"] = parse_color(color) if color else None
    return clean


def parse_color(text: str) -> list[int]:
    """Read ``#rrggbb``.

    Raises:
        ValueError: If the text is something else.
    """
    digits = text.strip().removeprefix("#")
    try:
        if len(digits) != 6:
            raise ValueError
        return list(bytes.fromhex(digits))
    except ValueError:
        msg = f"Expected a colour as #rrggbb, got {text!r}."
        raise ValueError(msg) from None


def _check_names(names: Sequence[str], where: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"Expected each class of {where} to have its own name, got {show(twice)} more than once."
        raise ValueError(msg)
