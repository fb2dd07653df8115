"""What can be known about files before training starts, and errors that say what was found instead."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_SHOWN = 8  # entries of a list that an error prints


def show(items: Iterable[object], limit: int = _SHOWN) -> str:
    """Return the first items of a list for an error, and how many there are if that is not all.

    Example:
        >>> show([1, 2, 3], limit=2)
        '1, 2, ... (3 in all)'
    """
    entries = [str(item) for item in items]
    rest = f", ... ({len(entries)} in all)" if len(entries) > limit else ""
    return ", ".join(entries[:limit]) + rest


def describe_place(path: str | Path) -> str:
    """Say what is at a path, or what its nearest existing parent holds instead."""
    place = Path(path).absolute()
    if place.is_file():
        return f"{place} is a file"
    for folder in (place, *place.parents):
        if folder.is_dir():
            entries = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(folder))
            return f"{folder} holds {show(entries) if entries else 'nothing'}"
    return f"no parent of {place} exists"


def require_folder(path: str | Path, what: str, cure: str) -> Path:
    """Return the folder as a Path.

    Args:
        path: Where it should be.
        what: What the folder is for, as the error names it.
        cure: What to do if it is not there.

    Raises:
        FileNotFoundError: If it is not a folder; the message lists what is there instead.
    """
    if not Path(path).is_dir():
        msg = f"Expected {what} at {path}, got no such folder: {describe_place(path)}. {cure}"
        raise FileNotFoundError(msg)
    return Path(path)


def read_json(path: str | Path, what: str, cure: str) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is no JSON, or no object.
    """
    if not Path(path).is_file():
        msg = f"Expected {what} at {path}, got no such file: {describe_place(Path(path).parent)}. {cure}"
        raise FileNotFoundError(msg)
    try:
        with Path(path).open(encoding="utf-8") as file:
            content = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"Expected {what} at {path} to be valid JSON, got: {error}. Download or write the file again."
        raise ValueError(msg) from error
    if not isinstance(content, dict):
        msg = f"Expected {what} at {path} to be a JSON object, got a {type(content).__name__}. {cure}"
        raise ValueError(msg)
    return content


class FolderIndex:
    """Which files lie under a root, known from one listing a folder instead of one question a file.

    Args:
        root: The folder that relative names start from.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._names: dict[str, frozenset[str]] = {}

    def names(self, folder: str = "") -> frozenset[str]:
        """Return the names in a folder under the root; none if it does not exist."""
        if folder not in self._names:
            place = self.root / folder
            listed = frozenset(entry.name for entry in os.scandir(place)) if place.is_dir() else frozenset()
            self._names[folder] = listed
        return self._names[folder]

    def __contains__(self, name: str) -> bool:
        folder, _, base = name.rpartition("/")
        return base in self.names(folder)

    def require(self, names: Iterable[str], what: str, cure: str) -> None:
        """Check that all files exist.

        Raises:
            FileNotFoundError: If some do not; the message names them and what the root holds.
        """
        missing = [name for name in names if name not in self]
        if missing:
            msg = (
                f"Expected {what} under {self.root}, got no {show(missing)} "
                f"({describe_place(self.root / missing[0].rpartition('/')[0])}). {cure}"
            )
            raise FileNotFoundError(msg)
