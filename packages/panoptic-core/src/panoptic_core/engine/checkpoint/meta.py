"""Class names and colours that a checkpoint carries, checked as plain data."""

from __future__ import annotations

from typing import Any

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.checkpoint.errors import CheckpointError

_MAX_CLASSES = 4096
_MAX_NAME = 256


def categories_of(checkpoint: dict[str, Any], name: str) -> CategoryTable | None:
    """Return the category table in a checkpoint's ``meta``, or None if it carries none.

    Args:
        checkpoint: A loaded checkpoint.
        name: The file, for error messages.

    Raises:
        CheckpointError: If what is there is not a table of names, colours and ids.
    """
    meta = checkpoint.get("meta")
    described = meta.get("dataset_meta") if isinstance(meta, dict) else None
    if not isinstance(described, dict) or "num_things" not in described:
        return None  # other projects' checkpoints name their classes without saying which are things
    try:
        _check_plain(described)
        return CategoryTable.from_metainfo(described)
    except (ValueError, TypeError, OverflowError) as error:
        msg = (
            f"Expected the class names and colours in `{name}` to be plain lists of one length, but {error} "
            "The file was not written by this project's training; use one that was."
        )
        raise CheckpointError(msg) from error


def _check_plain(described: dict[str, Any]) -> None:
    rules: dict[str, Any] = {
        "classes": lambda item: isinstance(item, str) and len(item) <= _MAX_NAME and item.isprintable(),
        "category_ids": lambda item: type(item) is int,
        "palette": lambda item: isinstance(item, list | tuple) and all(type(value) is int for value in item),
    }
    for key, is_plain in rules.items():
        items = described.get(key)
        if not isinstance(items, list | tuple) or not 0 < len(items) <= _MAX_CLASSES:
            msg = f"`{key}` is {type(items).__name__}, not a list of 1 to {_MAX_CLASSES} entries."
            raise TypeError(msg)
        for item in items:
            if not is_plain(item):
                msg = f"`{key}` holds {item!r}."
                raise TypeError(msg)
    if type(described["num_things"]) is not int:
        msg = f"`num_things` is {described['num_things']!r}, not a whole number."
        raise TypeError(msg)
