"""What an earlier run has finished: one line a image, appended as soon as the image is on the disk.

The first line says what is being converted. A line that a kill cut off is not there; a line whose files are
not as it says is not believed. So a run can be stopped at any moment, by any means, and the next one goes on.
"""

import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from panoptic_core.files import atomic_path
from panoptic_data.converting.plan import Item, Plan, SplitPlan

FOLDER = "conversion"
_VERSION = 1
_PATIENCE = 10.0  # seconds; the processes of a killed run need a moment to notice


def describe_job(plan: Plan, split: SplitPlan, images: str) -> dict[str, Any]:
    """Return what decides the result of a split; two equal descriptions mean the same files."""
    return {
        "format": plan.format,
        "source": str(plan.source.resolve()),
        "options": dict(plan.options),
        "images": images,
        "classes": plan.table.to_json(),
        "files": [[path.name, *_content_of(path)] for path in split.sources],
        "version": _VERSION,
    }


def read_state(path: Path) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Read the state of a split.

    Returns:
        The job, or None if there was none, and by the map's name the line of each finished image.
    """
    if not path.is_file():
        return None, {}
    lines = [line for line in path.read_bytes().split(b"\n")[:-1] if line]  # the last one has no end
    try:
        job = json.loads(lines[0])["job"]
    except (IndexError, KeyError, TypeError, ValueError):
        return None, {}
    done: dict[str, str] = {}
    for line in lines[1:]:
        try:
            done[json.loads(line)["map"]] = line.decode()
        except (KeyError, TypeError, ValueError):
            continue  # a damaged line is an image that was not finished
    return job, done


def check_same_job(found: Mapping[str, Any], job: Mapping[str, Any], path: Path) -> None:
    """Check that an earlier run did the same work.

    Raises:
        ValueError: If not; the message names what differs, and both values.
    """
    differing = [key for key in job if found.get(key) != job[key]]
    if differing:
        shown = "; ".join(
            f"{key}: {_short(found.get(key))} there, {_short(job[key])} now" for key in differing
        )
        msg = (
            f"Expected {path.parent.parent} to be new, or to be of the same conversion, got another one in "
            f"{path}: {shown}. Choose another OUT, or pass --restart to convert everything anew."
        )
        raise ValueError(msg)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a second run away from a split; the lock goes with the process, whatever ends it.

    Raises:
        ValueError: If another run holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows: two runs at once are the user's to avoid
        yield
        return
    with path.open("w") as file:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    msg = (
                        f"Another conversion writes to {path.parent.parent} ({path.name}). Wait for its end."
                    )
                    raise ValueError(msg) from None
                time.sleep(0.1)
        yield


def begin_state(path: Path, job: Mapping[str, Any], done: Mapping[str, str]) -> IO[str]:
    """Write the state anew with what is known, and return it open for appending."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for line in (json.dumps({"job": job}), *done.values()):
            file.write(line + "\n")
    return path.open("a", encoding="utf-8", newline="\n")


def fingerprint(item: Item) -> list[list[Any]]:
    """Return size and time of change of an image's own files."""
    found = []
    for path in (item.image, *item.sources):
        status = path.stat()
        found.append([path.name, status.st_size, status.st_mtime_ns])
    return found


def file_sum(path: Path) -> list[int]:
    """Return the size and the CRC-32 of a file."""
    return list(_content_of(path))


def is_still_good(record: Mapping[str, Any], item: Item, map_path: Path) -> bool:
    """Whether a finished image is on the disk as it was written, and was made from the files of today."""
    try:
        return (
            record["image_id"] == item.image_id
            and record["file_name"] == item.image_name
            and record["sources"] == fingerprint(item)
            and record["png"] == file_sum(map_path)
        )
    except (OSError, KeyError):
        return False


def _content_of(path: Path) -> tuple[int, int]:
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            crc = zlib.crc32(block, crc)
    return size, crc


def _short(value: Any, limit: int = 160) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= limit else f"{text[:limit]}... ({zlib.crc32(text.encode()):08x})"


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed run left in a folder."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".tmp"):
                Path(place, name).unlink(missing_ok=True)
