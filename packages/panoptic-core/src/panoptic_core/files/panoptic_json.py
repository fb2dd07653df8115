"""The JSON beside the panoptic PNGs: which segments an image has, and what class each is.

The format is COCO's (https://cocodataset.org/#format-data, panoptic segmentation): ``annotations`` hold one
entry an image (``image_id``, ``file_name`` of the PNG, ``segments_info``), ``categories`` the classes with
``isthing``. Files of predictions may lack ``categories`` and ``images``.
"""

import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from panoptic_core.categories import KNOWN_TABLES, CategoryTable
from panoptic_core.files._errors import PanopticFileError
from panoptic_core.files.png import MAX_ID


class SegmentInfo(TypedDict):
    """One segment of an image: its id in the PNG and its class."""

    id: int
    category_id: int
    area: NotRequired[int]
    iscrowd: NotRequired[int]
    bbox: NotRequired[list[int]]


class ImageAnnotation(TypedDict):
    """The panoptic annotation of one image."""

    image_id: int | str
    file_name: str
    segments_info: list[SegmentInfo]


@dataclass(frozen=True, eq=False)
class PanopticJson:
    """A checked panoptic JSON.

    Attributes:
        path: Where it was read from.
        annotations: One entry an image, in the order of the file.
        images: The ``images`` list; empty if the file has none.
        categories: The ``categories`` list; empty if the file has none.
    """

    path: Path
    annotations: Sequence[ImageAnnotation]
    images: Sequence[Mapping[str, Any]]
    categories: Sequence[Mapping[str, Any]]

    @cached_property
    def by_image_id(self) -> Mapping[int | str, ImageAnnotation]:
        """The annotation of each image id."""
        return {annotation["image_id"]: annotation for annotation in self.annotations}

    @cached_property
    def table(self) -> CategoryTable:
        """The category table: ours where the file holds the same classes, else made from the file.

        Classes of one name get their ids behind it: results are told apart by name.

        Raises:
            PanopticFileError: If the file has no categories.
        """
        if not self.categories:
            msg = (
                f"Expected `categories` in {self.path}, got none. Copy the list from the ground truth's "
                "JSON: "
                "each entry has id, name and isthing."
            )
            raise PanopticFileError(msg)
        try:
            table = CategoryTable.from_json(_distinct(self.categories), name=self.path.name)
        except ValueError as error:
            msg = f"{self.path}: {error}"
            raise PanopticFileError(msg) from error
        ours = (known for known in KNOWN_TABLES if _facts(known) == _facts(table))
        return next(ours, table)


def read_panoptic_json(
    path: str | os.PathLike[str], *, category_ids: Collection[int] | None = None
) -> PanopticJson:
    """Read a panoptic JSON and check everything that can be checked without the PNGs.

    Args:
        path: The JSON file.
        category_ids: The ids that segments may have; by default those of the file's own ``categories``, if
            it has any.

    Returns:
        The checked content.

    Raises:
        FileNotFoundError: If there is no such file.
        PanopticFileError: If it is no JSON, a key is missing or of the wrong type, an image id or a
            segment id of an image occurs twice, a segment id cannot be in a PNG, or a category is unknown.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        msg = f"Expected the panoptic JSON {path}, but there is no such file. Check the path."
        raise FileNotFoundError(msg) from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"Expected {path} to be a JSON file, but it cannot be parsed: {error}. Write or copy it again."
        raise PanopticFileError(msg) from error
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        msg = (
            f"Expected {path} to be a COCO-panoptic JSON with a list `annotations`, got "
            f"{sorted(content) if isinstance(content, dict) else type(content).__name__}. "
            "Is it the panoptic file of the set?"
        )
        raise PanopticFileError(msg)
    for key in ("images", "categories"):
        if not isinstance(content.get(key) or [], list):
            msg = f"{path}: expected `{key}` to be a list, got {type(content[key]).__name__}. Write it again."
            raise PanopticFileError(msg)
    result = PanopticJson(
        path, content["annotations"], content.get("images") or [], content.get("categories") or []
    )
    if category_ids is None and result.categories:
        category_ids = result.table.labels.keys()
    seen: set[int | str] = set()
    for annotation in result.annotations:
        _check_annotation(annotation, path)
        image_id = annotation["image_id"]
        if image_id in seen:
            msg = f"{path}: image id {image_id!r} has two annotations. Keep one entry an image."
            raise PanopticFileError(msg)
        seen.add(image_id)
        check_segments(annotation["segments_info"], f"{path}, image {image_id!r}", category_ids)
    return result


def check_segments(
    segments_info: Sequence[Mapping[str, Any]], where: str, category_ids: Collection[int] | None = None
) -> None:
    """Check the segments of one image.

    Args:
        segments_info: The segments.
        where: File and image, for the error.
        category_ids: The ids that segments may have; any if not given.

    Raises:
        PanopticFileError: If a key is missing, an id occurs twice or is not in ``[1, 256**3)``, ``iscrowd``
            is not 0 or 1, or a category is unknown.
    """
    seen: set[int] = set()
    for segment in segments_info:
        try:
            segment_id, category_id, iscrowd = (
                segment["id"],
                segment["category_id"],
                segment.get("iscrowd", 0),
            )
        except (KeyError, TypeError, AttributeError):
            msg = f"{where}: expected each segment to have `id` and `category_id`, got {segment!r}."
            raise PanopticFileError(msg) from None
        if type(segment_id) is not int or not 0 < segment_id <= MAX_ID:
            msg = (
                f"{where}: expected segment ids in [1, {MAX_ID}], got {segment_id!r}. "
                "0 is void and has no entry; larger ids do not fit into an RGB pixel."
            )
            raise PanopticFileError(msg)
        if segment_id in seen:
            msg = f"{where}: segment id {segment_id} is listed twice. Give each segment its own id."
            raise PanopticFileError(msg)
        seen.add(segment_id)
        if iscrowd not in (0, 1):
            msg = f"{where}, segment {segment_id}: expected `iscrowd` to be 0 or 1, got {iscrowd!r}."
            raise PanopticFileError(msg)
        known = isinstance(category_id, int | float)  # what cannot be looked up is no id
        if category_ids is not None and not (known and category_id in category_ids):
            msg = (
                f"{where}, segment {segment_id}: category id {category_id!r} is not among the "
                f"{len(category_ids)} "
                "categories of the set. Use the data set's own ids (for Cityscapes not the train ids)."
            )
            raise PanopticFileError(msg)


def _check_annotation(annotation: Any, path: Path) -> None:
    kinds = {"image_id": (int, str), "file_name": (str,), "segments_info": (list,)}
    for key, types in kinds.items():
        value = annotation.get(key) if isinstance(annotation, dict) else None
        if not isinstance(value, types) or isinstance(value, bool):
            shown = str(annotation)
            shown = shown if len(shown) <= 120 else shown[:117] + "..."
            names = " or ".join(kind.__name__ for kind in types)
            msg = (
                f"{path}: expected each annotation to have `{key}` ({names}), got {shown}. "
                "A panoptic JSON has one annotation an image; an instances JSON has one an object."
            )
            raise PanopticFileError(msg)
    if "\0" in annotation["file_name"]:
        name = annotation["file_name"]
        msg = (
            f"{path}, image {annotation['image_id']!r}: `file_name` {name!r} has a NUL byte, which no file "
            "can. Write the name again."
        )
        raise PanopticFileError(msg)


def _distinct(categories: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the categories, the id behind each name that several have."""
    names = Counter(str(row.get("name")) for row in categories if isinstance(row, Mapping))
    return [
        {**row, "name": f"{row['name']} ({row.get('id')})"}
        if isinstance(row, Mapping) and names[str(row.get("name"))] > 1 and "name" in row
        else row
        for row in categories
    ]


def _facts(table: CategoryTable) -> set[tuple[int, bool]]:
    """What tells a data set: its ids and which are things. Spellings of names differ between copies."""
    return {(category.category_id, category.is_thing) for category in table.categories}
