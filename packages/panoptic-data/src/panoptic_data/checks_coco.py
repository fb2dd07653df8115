"""Reading and checking COCO-panoptic and COCO-instance JSON: done once, when a data set is made."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panoptic_core.categories import CategoryTable
from panoptic_core.files import PanopticJson, read_panoptic_json
from panoptic_data.checks import describe_place, read_json, show

ROOT_CURE = "Set data_root (tools: --data-root) to the folder that contains it."


def read_panoptic(path: str | Path) -> PanopticJson:
    """Read a panoptic JSON with images and annotations.

    Raises:
        FileNotFoundError: If it is not there; the message says what is there instead.
        ValueError: If its content is invalid, or images are listed twice or not at all.
    """
    if not Path(path).is_file():
        msg = (
            f"Expected the panoptic annotations at {path}, got no such file: "
            f"{describe_place(Path(path).parent)}. {ROOT_CURE}"
        )
        raise FileNotFoundError(msg)
    content = read_panoptic_json(path)
    broken = [image for image in content.images if "id" not in image or "file_name" not in image]
    if broken or not content.images:
        found = show(broken, limit=1) if broken else "no list `images`"
        msg = f"Expected {path} to list its images with id and file_name, got {found}. Add them to the JSON."
        raise ValueError(msg)
    if len({image["id"] for image in content.images}) != len(content.images):
        msg = f"Expected unique image ids in {path}, got fewer than images. Give each image its own id."
        raise ValueError(msg)
    return content


def read_instances(path: str | Path, table: CategoryTable) -> dict[Any, list[dict[str, Any]]]:
    """Read a COCO instance JSON.

    Returns:
        By image id, dicts with ``id``, ``label`` (contiguous), ``iscrowd`` and ``segmentation`` (float64
        arrays of x, y, ..., or an RLE).

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If a list or key is missing, or a category is unknown or stuff.
    """
    path = str(path)
    content = read_json(path, "the instance annotations", "Set instances_file, or None to use visible masks.")
    check_keys(content, ("annotations",), path, "Take a COCO instance JSON (instances_*.json).")
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in content["annotations"]:
        missing = [key for key in ("id", "image_id", "category_id", "segmentation") if key not in row]
        if missing:
            msg = (
                f"Expected each annotation of {path} to have id, image_id, category_id and segmentation, got "
                f"no {show(missing)} in {show([row])}. Take a COCO instance JSON (instances_*.json)."
            )
            raise ValueError(msg)
        label = find_label(table, row["category_id"], path, f"Annotation {row['id']}")
        if label >= table.num_things:
            msg = (
                f"Expected annotation {row['id']} of {path} to be a thing, got category {row['category_id']} "
                f"('{table.names[label]}'), which is stuff in table '{table.name}'. Remove it there."
            )
            raise ValueError(msg)
        segmentation = row["segmentation"]
        if isinstance(segmentation, list):
            segmentation = [np.asarray(points, dtype=np.float64) for points in segmentation]
        by_image[row["image_id"]].append(
            {
                "id": row["id"],
                "label": label,
                "iscrowd": bool(row.get("iscrowd", 0)),
                "segmentation": segmentation,
            }
        )
    return dict(by_image)


def check_keys(content: Mapping[str, Any], keys: Sequence[str], path: str, cure: str) -> None:
    """Check that a JSON has its lists.

    Raises:
        ValueError: If one is not there.
    """
    missing = [key for key in keys if not isinstance(content.get(key), list)]
    if missing:
        msg = f"Expected {path} to have the lists {show(keys)}, got no {show(missing)}. {cure}"
        raise ValueError(msg)


def check_categories(categories: Sequence[Mapping[str, Any]], table: CategoryTable, path: str) -> None:
    """Check that the categories of a JSON mean what the table says; its order does not matter.

    Raises:
        ValueError: If an id is not in the table, or has another name there, or is a thing in one and stuff in
            the other.
    """
    for row in categories:
        label = table.labels.get(row.get("id", -1))
        if label is None:
            msg = (
                f"Expected the categories of {path} to be in table '{table.name}', got id {row.get('id')} "
                f"('{row.get('name')}'). Take the table that the files were made with, or table='json'."
            )
            raise ValueError(msg)
        ours = table[label]
        if "name" in row and row["name"] != ours.name:
            msg = (
                f"Expected category {ours.category_id} of {path} to be '{ours.name}' as in table "
                f"'{table.name}', got '{row['name']}'. If the file was made with train ids, make it again "
                "with the data set's own ids; for your own classes use table='json'."
            )
            raise ValueError(msg)
        if "isthing" in row and bool(row["isthing"]) != ours.is_thing:
            msg = (
                f"Expected `isthing` of category {ours.category_id} ('{ours.name}') of {path} to be "
                f"{int(ours.is_thing)} as in table '{table.name}', got {row['isthing']}. Correct the JSON, "
                "or use table='json'."
            )
            raise ValueError(msg)


def find_label(table: CategoryTable, category_id: int, path: str, what: str) -> int:
    """Return a category's label.

    Raises:
        ValueError: If the table lacks it; the message names the file and the segment or annotation.
    """
    try:
        return table.lookup(category_id)
    except ValueError as error:
        msg = f"{what} of {path}: {error}"
        raise ValueError(msg) from error
