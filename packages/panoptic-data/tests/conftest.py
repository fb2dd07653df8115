"""Hand-made data sets of a few pixels, written in the layouts that people have on disk."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import panoptic_data  # noqa: F401  # first: it stands in for mmcv's operators, which mmdet imports
from panoptic_core.categories import ADE20K, VISTAS, Category, CategoryTable
from panoptic_core.files import write_panoptic_png

TABLE = CategoryTable(
    "three",
    (
        Category(3, "car", True, (0, 0, 142)),
        Category(1, "person", True, (220, 20, 60)),
        Category(2, "sky", False, (70, 130, 180)),
    ),
)


@pytest.fixture
def table() -> CategoryTable:
    """Return two things and one stuff class; the category ids are not in label order."""
    return TABLE


@pytest.fixture
def write_coco(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a COCO-panoptic set.

    Its argument is a list of ``(id_map, segments_info)``; image ``i`` has the id ``10 + i`` and the file
    ``i.png``. Further keywords replace parts of the JSON. It returns the root.
    """

    def write(
        pairs: Sequence[tuple[NDArray, list[dict[str, Any]]]],
        instances: list[dict[str, Any]] | None = None,
        **replace: Any,
    ) -> Path:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "panoptic").mkdir(exist_ok=True)
        content: dict[str, Any] = {"categories": TABLE.to_json()[::-1], "images": [], "annotations": []}
        for i, (id_map, segments) in enumerate(pairs):
            height, width = np.shape(id_map)
            shade = np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None], (height, width, 3))
            Image.fromarray(np.ascontiguousarray(shade)).save(tmp_path / "images" / f"{i}.png")
            write_panoptic_png(tmp_path / "panoptic" / f"{i}_map.png", np.asarray(id_map))
            image = {"id": 10 + i, "file_name": f"{i}.png", "height": height, "width": width}
            content["images"].append(image)
            annotation = {"image_id": 10 + i, "file_name": f"{i}_map.png", "segments_info": segments}
            content["annotations"].append(annotation)
        (tmp_path / "panoptic.json").write_text(json.dumps(content | replace))
        if instances is not None:
            content = {"images": [], "annotations": instances, "categories": TABLE.to_json()}
            (tmp_path / "instances.json").write_text(json.dumps(content))
        return tmp_path

    return write


@pytest.fixture
def write_cityscapes(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes native Cityscapes files: ``{"val/aachen/aachen_0_0": id_map}``."""

    def write(maps: dict[str, NDArray]) -> Path:
        for stem, id_map in maps.items():
            image = tmp_path / "leftImg8bit" / f"{stem}_leftImg8bit.png"
            label = tmp_path / "gtFine" / f"{stem}_gtFine_instanceIds.png"
            for path in (image, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((*np.shape(id_map), 3), dtype=np.uint8)).save(image)
            Image.fromarray(np.asarray(id_map, dtype=np.uint16)).save(label)
        return tmp_path

    return write


@pytest.fixture
def write_vistas(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes native Vistas files: ``{"training": {"a": (id_map, segments_info)}}``.

    `maps` is the folder of the maps in a split; further keywords replace parts of each JSON.
    """

    def write(
        splits: dict[str, dict[str, tuple[NDArray, list[dict[str, Any]]]]],
        maps: str = "panoptic",
        **replace: Any,
    ) -> Path:
        for split, images in splits.items():
            folder = tmp_path / split / maps
            content = _write_pairs(images, tmp_path / split / "images", folder)
            content["categories"] = VISTAS.to_json()
            (folder / "panoptic_2018.json").write_text(json.dumps(content | replace))
        return tmp_path

    return write


@pytest.fixture
def write_ade20k(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes ADE20K panoptic files: ``{"val": {"a": (id_map, segments_info)}}``."""

    def write(splits: dict[str, dict[str, tuple[NDArray, list[dict[str, Any]]]]], **replace: Any) -> Path:
        for split, images in splits.items():
            folder = tmp_path / "images" / {"train": "training", "val": "validation"}[split]
            content = _write_pairs(images, folder, tmp_path / f"ade20k_panoptic_{split}")
            content["categories"] = ADE20K.to_json()
            (tmp_path / f"ade20k_panoptic_{split}.json").write_text(json.dumps(content | replace))
        return tmp_path

    return write


def _write_pairs(
    pairs: dict[str, tuple[NDArray, list[dict[str, Any]]]], images: Path, maps: Path
) -> dict[str, Any]:
    """Write a JPEG and a map for each name; return the JSON's images and annotations."""
    content: dict[str, Any] = {"images": [], "annotations": []}
    for folder in (images, maps):
        folder.mkdir(parents=True, exist_ok=True)
    for name, (id_map, segments) in pairs.items():
        height, width = np.shape(id_map)
        Image.fromarray(np.full((height, width, 3), 99, dtype=np.uint8)).save(images / f"{name}.jpg")
        write_panoptic_png(maps / f"{name}.png", np.asarray(id_map))
        content["images"].append({"id": name, "file_name": f"{name}.jpg", "height": height, "width": width})
        content["annotations"].append(
            {"image_id": name, "file_name": f"{name}.png", "segments_info": segments}
        )
    return content


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder that holds ``coco_mini`` and ``cityscapes_mini``."""
    root = os.environ.get("PANOPTIC_DATA_ROOT")
    if not root:
        pytest.skip("PANOPTIC_DATA_ROOT is not set: no real images to check")
    return Path(root)
