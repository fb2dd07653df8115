"""Which images there are, what they are called, how large they are, and the classes."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from panoptic_core.categories import ADE20K, CITYSCAPES, COCO_PANOPTIC, VISTAS, CategoryTable
from panoptic_core.files import PanopticFileError, PanopticJson
from panoptic_core.files.writer import png_name

KNOWN = {"coco": COCO_PANOPTIC, "cityscapes": CITYSCAPES, "vistas": VISTAS, "ade20k": ADE20K}
"""The class tables that can be named."""


@dataclass(frozen=True)
class ImageEntry:
    """One image: its id, its file's name as the data set has it, and its ``(H, W)``."""

    image_id: int | str
    file_name: str
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ImageList:
    """The images of a COCO JSON, in its order, and the classes.

    Attributes:
        path: The JSON.
        images: One entry an image.
        table: The classes.
    """

    path: Path
    images: Sequence[ImageEntry]
    table: CategoryTable


def read_image_list(
    path: str | os.PathLike[str], categories: CategoryTable | str | os.PathLike[str] | None = None
) -> ImageList:
    """Read the images and the classes of a COCO JSON; a panoptic ground truth is one.

    Args:
        path: A JSON with ``images`` (id, file_name, width, height).
        categories: A table, the name of a known one (``"coco"``, ``"cityscapes"``, ``"vistas"``,
            ``"ade20k"``), or a JSON with ``categories``; by default those of `path`.

    Raises:
        FileNotFoundError: If a file is missing.
        PanopticFileError: If there is no image, a key is missing or wrong, an image occurs twice, or there
            are no categories with ``isthing``.
    """
    path = Path(path)
    content = read_json(path, "the images")
    rows = content.get("images") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        msg = (
            f"Expected {path} to hold a list `images` (id, file_name, width, height), got "
            f"{'an empty one' if rows == [] else 'none'}. The ground truth's panoptic JSON has it."
        )
        raise PanopticFileError(msg)
    images = [_entry(row, path) for row in rows]
    for what, values in (
        ("image id", [image.image_id for image in images]),
        ("file name", [png_name(image.file_name) for image in images]),
    ):
        if len(set(values)) < len(values):
            twice = next(value for i, value in enumerate(values) if value in values[:i])
            msg = f"{path}: the {what} {twice!r} occurs twice in `images`. Keep one entry an image."
            raise PanopticFileError(msg)
    if isinstance(categories, CategoryTable):
        return ImageList(path, images, categories)
    if categories is not None and str(categories) in KNOWN:
        return ImageList(path, images, KNOWN[str(categories)])
    if categories is not None:
        path_of_classes = Path(categories)
        content = read_json(path_of_classes, "the categories")
        found = content.get("categories") if isinstance(content, dict) else content
        return ImageList(path, images, _table(path_of_classes, found))
    return ImageList(path, images, _table(path, content.get("categories")))


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: If there is none.
        PanopticFileError: If it is none.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        msg = f"Expected a JSON file with {what} at {path}, but there is no such file. Check the path."
        raise FileNotFoundError(msg) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"Expected {path} to be a JSON file, but it cannot be parsed: {error}. Write or copy it again."
        raise PanopticFileError(msg) from error


def _table(path: Path, categories: Any) -> CategoryTable:
    try:
        return PanopticJson(path, [], [], categories or []).table
    except (PanopticFileError, TypeError, AttributeError) as error:
        msg = f"{error} Or name the classes: {', '.join(KNOWN)}, or a JSON that has them."
        raise PanopticFileError(msg) from error


def _entry(row: Any, path: Path) -> ImageEntry:
    values = row if isinstance(row, dict) else {}
    image_id, name = values.get("id"), values.get("file_name")
    height, width = values.get("height"), values.get("width")
    if (
        not (isinstance(image_id, str) or _is_whole(image_id))
        or not isinstance(name, str)
        or not (_is_whole(height) and height > 0)
        or not (_is_whole(width) and width > 0)
    ):
        shown = str(row)
        msg = (
            f"{path}: expected each of `images` to have id, file_name, width and height (> 0), got "
            f"{shown if len(shown) <= 120 else shown[:117] + '...'}."
        )
        raise PanopticFileError(msg)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        msg = f"{path}: expected each `file_name` to stay inside the folder of images, got {name}."
        raise PanopticFileError(msg)
    return ImageEntry(image_id, name, (height, width))


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)  # JSON's true is no number
