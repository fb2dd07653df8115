"""What is known of one image: its entries in the JSON and what its files hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from panoptic_data.checking.findings import ImageId
from panoptic_data.checking.listing import Entry, Listing, is_segment
from panoptic_data.checking.reading import (
    Fault,
    ImageFile,
    Pixels,
    exchange_red_and_blue,
    measure,
    read_image,
    read_map,
)
from panoptic_data.checks import FolderIndex
from panoptic_data.datasets.coco_panoptic import find_image


@dataclass(frozen=True)
class Task:
    """One image to look at.

    Attributes:
        image_id: Its id.
        entry: Its entry of ``images``; None if it has none.
        annotation: Its annotation; None if it has none.
        image: Where the image is; None if it has no entry, or nobody knows the folder.
        map: Where the map is; None without an annotation.
    """

    image_id: ImageId
    entry: Entry | None
    annotation: Entry | None
    image: Path | None
    map: Path | None


def list_tasks(listing: Listing, images: FolderIndex | None) -> Iterator[Task]:
    """List all images that have an entry or an annotation, each once.

    Args:
        listing: The JSON.
        images: The folder of the images, if it is known.
    """
    maps = listing.files.maps
    for image_id in listing.images | listing.annotations:
        entry, annotation = listing.images.get(image_id), listing.annotations.get(image_id)
        image = None
        if entry is not None and images is not None:
            image = images.root / find_image(entry["file_name"], images)
        yield Task(
            image_id, entry, annotation, image, None if annotation is None else maps / annotation["file_name"]
        )


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """An image with its files read.

    Attributes:
        listing: The JSON.
        task: Where it is.
        image: The image file; None if it is unknown or not there.
        id_map: ``(H, W)`` ids, red and blue in order; None if unknown or not there.
        has_bgr: Whether the map was written with red and blue exchanged.
    """

    listing: Listing
    task: Task
    image: ImageFile | Fault | None
    id_map: NDArray[np.int32] | Fault | None
    has_bgr: bool

    @property
    def map_name(self) -> str:
        """The map as findings name it."""
        return self.listing.named(self.task.map) if self.task.map is not None else self.listing.json_name

    @property
    def image_name(self) -> str:
        """The image as findings name it."""
        return self.listing.named(self.task.image) if self.task.image is not None else self.listing.json_name

    @property
    def size(self) -> tuple[int, int] | None:
        """The size that the files have, the image before the map."""
        if isinstance(self.image, ImageFile):
            return self.image.size
        return self.id_map.shape if isinstance(self.id_map, np.ndarray) else None

    @cached_property
    def segments(self) -> dict[int, Entry]:
        """The usable entries of the annotation by id, the first of each."""
        usable: dict[int, Entry] = {}
        for row in self.rows:
            if is_segment(row):
                usable.setdefault(row["id"], row)
        return usable

    @property
    def rows(self) -> list[Entry]:
        """All entries of the annotation."""
        return self.task.annotation["segments_info"] if self.task.annotation is not None else []

    @cached_property
    def pixels(self) -> Pixels | None:
        """The ids in the map; None without a map."""
        return measure(self.id_map) if isinstance(self.id_map, np.ndarray) else None

    @cached_property
    def extents(self) -> dict[int, tuple[int, list[int]]]:
        """Area and box of each id in the map."""
        if self.pixels is None:
            return {}
        columns = (self.pixels.ids.tolist(), self.pixels.areas.tolist(), self.pixels.boxes.tolist())
        return {segment_id: (area, box) for segment_id, area, box in zip(*columns, strict=True)}


def gather(listing: Listing, task: Task, *, quick: bool = False) -> ImageFacts:
    """Read an image's files.

    Args:
        listing: The JSON.
        task: The image.
        quick: Read the header of the image only.
    """
    image = read_image(task.image, quick=quick) if task.image is not None and task.image.is_file() else None
    id_map = read_map(task.map) if task.map is not None and task.map.is_file() else None
    facts = ImageFacts(listing, task, image, id_map, has_bgr=False)
    if isinstance(id_map, np.ndarray) and _fits_exchanged(facts):
        exchanged = exchange_red_and_blue(id_map).astype(np.int32)
        return ImageFacts(listing, task, image, exchanged, has_bgr=True)
    return facts


def _fits_exchanged(facts: ImageFacts) -> bool:
    """Return whether the ids of the map are those of the list only when red and blue change places."""
    listed = set(facts.segments)
    assert facts.pixels is not None
    there = set(facts.pixels.ids.tolist())
    exchanged = set(exchange_red_and_blue(facts.pixels.ids).tolist())
    return bool(there) and there != listed and exchanged == listed
