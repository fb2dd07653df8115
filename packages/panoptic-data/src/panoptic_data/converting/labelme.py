"""labelme's JSON files, one a photograph: polygons, rectangles, circles and masks."""

import base64
import binascii
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from panoptic_core.categories import CategoryTable
from panoptic_data.checks import IMAGE_SUFFIXES, describe_place, require_folder, show
from panoptic_data.converting.classes import classes_from_names, ids_by_name, read_classes
from panoptic_data.converting.files import walk_files
from panoptic_data.converting.painting import (
    Layer,
    Region,
    category_of,
    from_crop,
    from_ellipse,
    from_polygon,
    from_rectangle,
    paint,
)
from panoptic_data.converting.plan import (
    Item,
    Plan,
    Segments,
    divide_items,
    id_of,
    map_name,
)

_VOID_LABELS = frozenset({"__ignore__", "_background_"})
"""Labels that labelme's own examples give to what is no class."""
_CURE = "Save it with labelme again."


@dataclass(frozen=True)
class LabelmeReader:
    """Paints the shapes of one file.

    Attributes:
        table: The classes.
    """

    table: CategoryTable

    def __call__(self, item: Item) -> Segments:
        """Paint the shapes in the order of the file, the last one on top."""
        path = item.sources[0]
        content = _read(path)
        with Image.open(item.image) as image:
            width, height = image.size
        size = (int(content.get("imageHeight") or height), int(content.get("imageWidth") or width))
        ids = ids_by_name(self.table)
        layers, notes = [], []
        for number, shape in enumerate(content["shapes"], start=1):
            label = str(shape.get("label"))
            kind = shape.get("shape_type") or "polygon"
            name = f"shape {number} ('{label}')"
            region = _region(shape, kind, size, f"{name} of {path}")
            if region is None:
                notes.append(f"{name} is a {kind}, which has no area, and is left out")
                continue
            category_id = None if label in _VOID_LABELS else category_of(label, ids, f"{name} of {path}")
            key = shape.get("group_id")
            layers.append(Layer(name, category_id, region, key, _is_crowd(shape)))
        return paint(layers, size, self.table, notes)


def _is_crowd(shape: Mapping[str, Any]) -> bool:
    flags = shape.get("flags")
    return isinstance(flags, Mapping) and bool(flags.get("iscrowd") or flags.get("crowd"))


def _region(shape: Mapping[str, Any], kind: str, size: tuple[int, int], where: str) -> Region | None:
    """Return a shape's pixels; None if its kind has no area."""
    try:
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if kind == "polygon":
            return from_polygon(points, size)
        if kind == "rectangle":
            (x0, y0), (x1, y1) = points if len(points) == 2 else (points[0], points[2])
            return from_rectangle(x0, y0, x1, y1, size)
        if kind == "circle":
            (cx, cy), (x, y) = points
            radius = float(np.hypot(x - cx, y - cy))
            return from_ellipse(cx, cy, radius, radius, size)
        if kind == "mask":
            data = base64.b64decode(shape["mask"], validate=True)
            with Image.open(io.BytesIO(data)) as picture:
                crop = np.asarray(picture) != 0
            return from_crop(crop.reshape(crop.shape[:2]), round(points[0][0]), round(points[0][1]), size)
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error, UnidentifiedImageError) as error:
        msg = f"Expected {where} to be a {kind}, got points {show([shape.get('points')])}: {error}. {_CURE}"
        raise ValueError(msg) from error
    return None


def plan_labelme(
    source: str | Path,
    *,
    things: Sequence[str] | None = None,
    classes: str | Path | None = None,
    split: str = "train",
    val: float = 0.0,
) -> Plan:
    """Plan the conversion of a folder of labelme files.

    Shapes of a thing class with the same ``group_id`` are one instance; stuff is one segment a class. Later
    shapes cover earlier ones, as in labelme. A shape with the flag ``iscrowd`` (or ``crowd``) is a crowd.

    Args:
        source: The folder, or one file; folders in it are searched, too.
        things: The labels that are things; the others are stuff.
        classes: A class file instead, with the labels as names.
        split: The split's name.
        val: How many percent of the images go to a split "val" instead.

    Raises:
        FileNotFoundError: If there is no labelme file, or no photograph of any.
        ValueError: If a file cannot be read, or neither `things` nor `classes` is given.
    """
    root = Path(source)
    if not root.is_file():
        require_folder(root, "labelme's JSON files", "Give their folder.")
    paths = [root] if root.is_file() else sorted(path for path in walk_files(root) if path.suffix == ".json")
    items, labels, others = [], set(), []
    base = root.parent if root.is_file() else root
    for path in paths:
        content = _read(path, required=False)
        if not isinstance(content.get("shapes"), list):
            others.append(path.relative_to(base).as_posix())
            continue
        labels |= {str(shape.get("label")) for shape in content["shapes"]} - _VOID_LABELS
        image, problem = _find_image(path, content)
        name = (path.parent.relative_to(base) / image.name).as_posix()
        items.append(Item(id_of(name), image, name, map_name(name), (path,), problem=problem))
    if not items:
        msg = f"Expected labelme's JSON files in {root}, got none: {describe_place(root)}. Give their folder."
        raise FileNotFoundError(msg)
    table = choose_classes(labels, things, classes, f"the labels of {root.name}")
    counts = Counter(item.image_name for item in items)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        msg = f"Expected one labelme file an image in {root}, got several of {show(twice)}."
        raise ValueError(msg)
    splits = divide_items(items, split, val)
    notes = (
        (f"{len(others)} JSON files are not labelme's and were left out: {show(others)}",) if others else ()
    )
    return Plan("labelme", root, {"val": val}, table, LabelmeReader(table), splits, notes)


def choose_classes(
    labels: set[str],
    things: Sequence[str] | None,
    classes: str | Path | None,
    where: str,
    colors: Mapping[str, Sequence[int]] | None = None,
) -> CategoryTable:
    """Return the classes: a file's, or the labels that were found.

    Raises:
        ValueError: If it is not said which are things, or said twice.
    """
    if (things is None) == (classes is None):
        found = show(sorted(labels), 40)
        msg = (
            f"Expected --things NAME ... or --classes FILE, got {'neither' if things is None else 'both'}. "
            f"It must be known which of {where} are things: {found}."
        )
        raise ValueError(msg)
    if classes is not None:
        return read_classes(classes)
    return classes_from_names(labels, things or (), where=where, colors=colors)


def _read(path: Path, *, required: bool = True) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, UnicodeDecodeError) as error:
        msg = f"Expected {path} to be a labelme JSON, but it cannot be parsed: {error}. {_CURE}"
        raise ValueError(msg) from error
    if not isinstance(content, dict):
        content = {}
    if required and not isinstance(content.get("shapes"), list):
        msg = f"Expected {path} to have labelme's list `shapes`, got none. {_CURE}"
        raise ValueError(msg)
    return content


def _find_image(path: Path, content: Mapping[str, Any]) -> tuple[Path, str]:
    """Return the photograph, as the file says, else the one beside it of its name; and what is wrong."""
    text = str(content.get("imagePath") or "")
    name = PureWindowsPath(text).as_posix() if "\\" in text else PurePosixPath(text).as_posix()
    candidates = [path.parent / name, path.parent / PurePosixPath(name).name] if text else []
    candidates += [path.with_suffix(suffix) for suffix in sorted(IMAGE_SUFFIXES)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate, ""
    hint = (
        " The JSON holds a copy of it (imageData): export it, e.g. by labelme_export_json."
        if content.get("imageData")
        else ""
    )
    place = describe_place(path.parent)
    msg = f"Expected the photograph of {path} at {candidates[0]}, got none: {place}.{hint}"
    return candidates[0], msg
