"""The work on one image, in a process of its own: read, check, write the PNG, place the photograph."""

import json
import os
import shutil
import signal
import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from panoptic_core.files import atomic_path, boxes_and_areas, write_panoptic_png
from panoptic_data.checks import show
from panoptic_data.converting.plan import Item, Plan, Segments
from panoptic_data.converting.state import file_sum, fingerprint, is_still_good

Images = Literal["link", "copy", "none"]


@dataclass(frozen=True)
class Place:
    """Where the files of a split go.

    Attributes:
        maps: The folder of the PNGs.
        images: The folder of the photographs.
        mode: How photographs get there.
    """

    maps: Path
    images: Path
    mode: Images


@dataclass(frozen=True)
class Result:
    """What became of one image.

    Attributes:
        item: The image.
        line: Its line of the state; None if it failed.
        error: Why it failed.
        kept: Whether an earlier run had finished it.
    """

    item: Item
    line: str | None = None
    error: str | None = None
    kept: bool = False


_job: dict[str, Any] = {}  # of this process


def enter_process(plan: Plan, place: Place) -> None:
    """Prepare a process of the pool: it knows the plan, and ends when the process that made it is gone."""
    _job.update(plan=plan, place=place)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    parent = parent_process()
    if parent is not None:
        # Otherwise a killed run would leave processes behind that wait for work for ever.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def work_in_process(item: Item, earlier: str | None) -> Result:
    """Call :func:`work` with what :func:`enter_process` was told."""
    return work(_job["plan"], _job["place"], item, earlier)


def work(plan: Plan, place: Place, item: Item, earlier: str | None) -> Result:
    """Convert one image, unless an earlier run has done so and its files are still there.

    Args:
        plan: What is converted.
        place: Where to.
        item: The image.
        earlier: Its line of the state.

    Returns:
        The line to remember, or why there is none. An exception of any kind ends this image alone.
    """
    try:
        if item.problem:
            raise FileNotFoundError(item.problem)
        if earlier is not None and is_still_good(json.loads(earlier), item, place.maps / item.map_name):
            place_image(item, place)
            return Result(item, earlier, kept=True)
        return Result(item, _convert(plan, place, item))
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
    except Exception as error:  # one image's surprise must not cost the others
        reason = f"{type(error).__name__}: {error}"
    (place.maps / item.map_name).unlink(missing_ok=True)  # of an earlier run: nothing lists it any more
    return Result(item, error=reason)


def _convert(plan: Plan, place: Place, item: Item) -> str:
    sources = fingerprint(item)  # before reading: a change meanwhile shows in the next run
    width, height, turned = _image_size(item.image)
    segments = plan.read(item)
    if segments.id_map.shape != (height, width):
        found = "x".join(map(str, segments.id_map.shape))
        hint = " The photograph has an EXIF rotation: save it upright without the tag." if turned else ""
        msg = (
            f"Expected the annotation of {item.image} to have its size {height}x{width} (height x width), "
            f"got {found}.{hint}"
        )
        raise ValueError(msg)
    infos, missing = _segments_info(segments, item)
    notes = [*segments.notes, *missing]
    if turned:
        notes.append("has an EXIF rotation; the map is as the pixels are stored: check that they agree")
    path = place.maps / item.map_name
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        write_panoptic_png(temporary, segments.id_map)
        png = file_sum(temporary)
    place_image(item, place)
    record = {
        "map": item.map_name,
        "image_id": item.image_id,
        "file_name": item.image_name,
        "width": width,
        "height": height,
        "void": int((segments.id_map == 0).sum()),
        "png": png,
        "sources": sources,
        "segments_info": infos,
        "notes": notes,
    }
    return json.dumps(record, separators=(",", ":"))


def _image_size(path: Path) -> tuple[int, int, bool]:
    """Return width, height and whether an EXIF tag says that the picture is not upright."""
    try:
        with Image.open(path) as image:
            return *image.size, image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
    except UnidentifiedImageError:
        msg = f"Expected an image at {path}, but none could be recognised in it. Copy it again."
        raise ValueError(msg) from None


def _segments_info(segments: Segments, item: Item) -> tuple[list[dict[str, Any]], list[str]]:
    """Measure the segments; those without a pixel become a note."""
    ids = np.asarray(segments.ids, dtype=np.int64)
    order = np.argsort(ids)
    known = np.append(0, ids[order])
    place = np.searchsorted(known, segments.id_map)
    wrong = (place == known.size) | (known[np.minimum(place, known.size - 1)] != segments.id_map)
    if wrong.any() or np.unique(known).size != known.size:
        found = show(np.unique(segments.id_map[wrong]).tolist())
        msg = f"Expected the map of {item.image} to hold the ids of its segments, got {found}. This is a bug."
        raise ValueError(msg)
    boxes, areas = boxes_and_areas(place, known.size)
    infos, missing = [], []
    for column, row in enumerate(order.tolist(), start=1):
        category_id = int(segments.category_ids[row])
        if not areas[column]:
            missing.append(f"segment {ids[row]} of category {category_id} has no pixel and is left out")
            continue
        infos.append(
            {
                "id": int(ids[row]),
                "category_id": category_id,
                "area": int(areas[column]),
                "bbox": boxes[column].tolist(),
                "iscrowd": int(segments.iscrowd[row]),
            }
        )
    return infos, missing


def place_image(item: Item, place: Place) -> None:
    """Link or copy a photograph into the new data set, under its final name only when it is whole."""
    path = place.images / item.image_name
    if place.mode == "none" or _is_same(path, item.image):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if place.mode == "link" and _link(item.image, path):
        return
    source = item.image.stat()
    if path.is_file() and not path.is_symlink():
        found = path.stat()
        if (found.st_size, found.st_mtime_ns) == (source.st_size, source.st_mtime_ns):
            return
    with atomic_path(path) as temporary:
        shutil.copy2(item.image, temporary)


def _is_same(path: Path, image: Path) -> bool:
    """Whether the photograph itself, not a link to it, lies where it should go."""
    return path.is_file() and not path.is_symlink() and path.samefile(image)


def _link(image: Path, path: Path) -> bool:
    """Make a relative symbolic link, so that a folder with both may move; say whether that works here."""
    target = os.path.relpath(image.resolve(), path.parent.resolve())
    if path.is_symlink() and os.readlink(path) == target:  # noqa: PTH115  # as text, not as a path
        return True
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.symlink_to(target)
        temporary.replace(path)
    except (OSError, NotImplementedError):
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True
