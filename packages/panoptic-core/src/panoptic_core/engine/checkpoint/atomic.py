"""Write files so that a kill at any moment leaves either the old file or the new one, both whole."""

from __future__ import annotations

import logging
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.logging import print_log

from panoptic_core.files import atomic_path

LAST_CHECKPOINT = "last_checkpoint"
_PROGRESS = re.compile(r"(?:^|_)(\d+)$")


@contextmanager
def atomic_save(path: str | Path) -> Iterator[Path]:
    """As :func:`panoptic_core.files.atomic_path`, and the new name is on the disk too before this returns."""
    path = Path(path)
    with atomic_path(path) as temporary:
        yield temporary
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text_atomically(path: str | Path, text: str) -> None:
    """Write a small text file atomically."""
    with atomic_save(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_whole(path: str | Path) -> bool:
    """Whether a checkpoint file is complete: a zip archive whose every record has its checksum.

    Nothing is unpickled. Files of torch before 1.6, which are no zip archives, do not count as whole.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            has_data = any(name.endswith("/data.pkl") or name == "data.pkl" for name in archive.namelist())
            return has_data and archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError):
        return False


def remove_leftovers(folder: str | Path) -> list[Path]:
    """Remove the temporary files of saves that were killed; return what was removed."""
    leftovers = [*sorted(Path(folder).glob(".*.pth.*.tmp")), *Path(folder).glob(f".{LAST_CHECKPOINT}.*.tmp")]
    for leftover in leftovers:
        with suppress(OSError):
            leftover.unlink()
    return leftovers


def find_resumable(folder: str | Path) -> Path | None:
    """Return the newest whole checkpoint of a training run, or None.

    Candidates are the file that ``last_checkpoint`` names and every other ``*.pth`` that can be resumed
    (``best_*`` has no optimizer state), by falling training progress. Broken ones are skipped with a warning.
    """
    folder = Path(folder)
    for candidate in _candidates(folder):
        if is_whole(candidate):
            return candidate
        print_log(
            f"The checkpoint `{candidate}` is cut short or damaged; looking for the one before it.",
            logger="current",
            level=logging.WARNING,
        )
    return None


def as_checkpoint(place: str | Path) -> str:
    """Return a checkpoint's path or address; of a folder, the newest whole checkpoint in it.

    Raises:
        FileNotFoundError: If the folder has none.
    """
    folder = Path(place).expanduser()
    if not folder.is_dir():
        return str(place)
    found = find_resumable(folder)
    if found is None:
        msg = f"Expected a whole checkpoint (*.pth) in the folder `{place}`, but there is none."
        raise FileNotFoundError(msg)
    return str(found)


def _candidates(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("*.pth") if not path.name.startswith("best_")]
    found.sort(key=_progress, reverse=True)
    named = _named_by_last_checkpoint(folder)
    if named is not None and named not in found:  # saved elsewhere by the hook's `out_dir`
        found.insert(0, named)
    return found


def _named_by_last_checkpoint(folder: Path) -> Path | None:
    try:
        name = (folder / LAST_CHECKPOINT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not name:
        return None
    beside = folder / Path(name).name  # the whole folder may have been moved
    path = beside if beside.is_file() else Path(name)
    return path if path.is_file() else None


def _progress(path: Path) -> tuple[int, float]:
    number = _PROGRESS.search(path.stem)
    return int(number[1]) if number else -1, path.stat().st_mtime
