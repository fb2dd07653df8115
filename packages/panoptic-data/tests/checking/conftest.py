"""A small data set without any fault, and native Cityscapes files without any."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from panoptic_core.files import write_panoptic_png

CAR, PERSON, SKY, ROAD = 1, 2, 3, 4
CATEGORIES = [
    {"id": CAR, "name": "car", "isthing": 1, "color": [0, 0, 142]},
    {"id": PERSON, "name": "person", "isthing": 1},
    {"id": SKY, "name": "sky", "isthing": 0},
    {"id": ROAD, "name": "road", "isthing": 0},
]
A, B, C, D, E = 70_001, 300, 900, 65_536 * 3 + 7, 12  # segment ids; red and blue differ in all of them
CLASSES = {A: CAR, B: PERSON, C: SKY, D: ROAD, E: CAR}
MAPS = [
    [[C, C, C, C, C, C], [C, C, C, C, C, 0], [D, A, A, B, D, D], [D, A, A, B, E, D]],
    [[C, C, C, C, C], [D, A, A, D, D], [D, D, D, D, 0]],
    [[D, D, D], [D, E, E], [D, E, E], [A, 0, 0]],
]


def segments_of(id_map: NDArray[np.int64], crowds: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """List the segments of a map by the book."""
    rows = []
    for segment_id in sorted(set(id_map.flat) - {0}):
        y, x = np.nonzero(id_map == segment_id)
        box = [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]
        rows.append(
            {
                "id": int(segment_id),
                "category_id": CLASSES[int(segment_id)],
                "iscrowd": int(segment_id in crowds),
                "area": len(y),
                "bbox": [int(value) for value in box],
            }
        )
    return rows


class Sample:
    """A data set on disk whose JSON can be changed.

    Attributes:
        root: Its root folder.
        content: The JSON; :meth:`save` writes it.
    """

    CAR, PERSON, SKY, ROAD = CAR, PERSON, SKY, ROAD
    A, B, C, D, E = A, B, C, D, E  # cars, a person, the sky, the road, another car

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content: dict[str, Any] = {"categories": [dict(row) for row in CATEGORIES]}
        self.content |= {"images": [], "annotations": []}
        self.images, self.maps = root / "val", root / "annotations" / "panoptic_val"
        for folder in (self.images, self.maps):
            folder.mkdir(parents=True)
        for index, rows in enumerate(MAPS):
            id_map = np.array(rows)
            height, width = id_map.shape
            image_id = 10 + index
            self.write_image(f"{index}.jpg", (height, width), index)
            write_panoptic_png(self.maps / f"{index}.png", id_map)
            self.content["images"].append(
                {"id": image_id, "file_name": f"{index}.jpg", "height": height, "width": width}
            )
            crowds = (A,) if index == 2 else ()
            self.content["annotations"].append(
                {
                    "image_id": image_id,
                    "file_name": f"{index}.png",
                    "segments_info": segments_of(id_map, crowds),
                }
            )
        self.save()

    def write_image(self, name: str, size: tuple[int, int], shade: int, **options: Any) -> Path:
        """Write a grey-green picture."""
        pixels = np.full((*size, 3), (40 * shade, 90, 120), np.uint8)
        Image.fromarray(pixels).save(self.images / name, **options)
        return self.images / name

    def segment(self, image: int, segment_id: int) -> dict[str, Any]:
        """Return an entry of segments_info."""
        rows = self.content["annotations"][image]["segments_info"]
        return next(row for row in rows if row["id"] == segment_id)

    def id_map(self, image: int) -> NDArray[np.int64]:
        """Return a map as it was drawn."""
        return np.array(MAPS[image])

    def write_map(self, image: int, id_map: NDArray) -> None:
        """Write another map."""
        write_panoptic_png(self.maps / f"{image}.png", np.asarray(id_map))

    def relist(self, image: int, id_map: NDArray) -> None:
        """Write a map and list its segments by the book."""
        self.write_map(image, id_map)
        self.content["annotations"][image]["segments_info"] = segments_of(id_map)

    def save(self) -> None:
        """Write the JSON."""
        path = self.root / "annotations" / "panoptic_val.json"
        path.write_text(json.dumps(self.content))


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """Return a set without faults: three images, two things, two stuff classes, one crowd."""
    return Sample(tmp_path / "set")


@pytest.fixture
def native(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes native Cityscapes files with label ids; None leaves a file away."""

    def write(
        maps: dict[str, Any],
        labels: dict[str, Any] | None = None,
        sizes: dict[str, tuple[int, int]] | None = None,
    ) -> Path:
        root = tmp_path / "cityscapes"
        for index, (stem, rows) in enumerate(maps.items()):
            ids = np.array(rows, dtype=np.uint16)
            city = f"val/{stem.partition('_')[0]}"
            for folder in ("leftImg8bit", "gtFine"):
                (root / folder / city).mkdir(parents=True, exist_ok=True)
            size = (sizes or {}).get(stem, ids.shape)
            pixels = np.full((*size, 3), 50 * index, np.uint8)
            Image.fromarray(pixels).save(root / "leftImg8bit" / city / f"{stem}_leftImg8bit.png")
            Image.fromarray(ids).save(root / "gtFine" / city / f"{stem}_gtFine_instanceIds.png")
            plain = np.where(ids < 1000, ids, ids // 1000)
            plain = np.array((labels or {}).get(stem, plain), dtype=np.uint8)
            Image.fromarray(plain).save(root / "gtFine" / city / f"{stem}_gtFine_labelIds.png")
        return root

    return write
