"""Counting what a split holds: one pass over its maps, in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.parallel import Progress, count_workers, map_in_order, watched
from panoptic_data.checking.reading import measure
from panoptic_data.checks import show
from panoptic_data.datasets import PanopticDataset
from panoptic_data.splits import Split
from panoptic_data.transforms.read import READERS


@dataclass(frozen=True, eq=False)
class SplitStats:
    """What a split holds; arrays have one row an image or one row a segment.

    Attributes:
        name: The split.
        table: The classes.
        image_ids: The id of each image, as text ``(I,)``.
        sizes: Height and width ``(I, 2)``.
        void: Void pixels ``(I,)``.
        images: The image of each segment ``(S,)``, its row.
        labels: Class of each segment ``(S,)``, things first.
        areas: Pixels of each segment ``(S,)``.
        crowds: Whether each segment is a crowd ``(S,)``.
    """

    name: str
    table: CategoryTable
    image_ids: tuple[str, ...]
    sizes: NDArray[np.int64]
    void: NDArray[np.int64]
    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    areas: NDArray[np.int64]
    crowds: NDArray[np.bool_]

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    @property
    def is_instance(self) -> NDArray[np.bool_]:
        """Whether each segment is a thing and no crowd ``(S,)``."""
        return (self.labels < self.table.num_things) & ~self.crowds

    @property
    def instances_an_image(self) -> NDArray[np.int64]:
        """Instances of each image ``(I,)``."""
        return np.bincount(self.images[self.is_instance], minlength=self.num_images)

    @property
    def segments_an_image(self) -> NDArray[np.int64]:
        """Segments of each image, crowds and stuff too ``(I,)``."""
        return np.bincount(self.images, minlength=self.num_images)

    @property
    def void_share(self) -> NDArray[np.float64]:
        """Void pixels of each image as a share of its pixels ``(I,)``."""
        return self.void / self.sizes.prod(axis=1)

    def of_class(self, label: int) -> "ClassStats":
        """Count one class."""
        rows = self.labels == label
        areas = self.areas[rows & ~self.crowds]
        category = self.table[label]
        return ClassStats(
            category_id=category.category_id,
            name=category.name,
            is_thing=category.is_thing,
            images=len(np.unique(self.images[rows])),
            segments=int((rows & ~self.crowds).sum()),
            crowds=int((rows & self.crowds).sum()),
            pixels=int(self.areas[rows].sum()),
            share=float(self.areas[rows].sum() / max(1, self.sizes.prod(axis=1).sum())),
            median_area=float(np.median(areas)) if areas.size else None,
        )


class ClassStats(NamedTuple):
    """One class of a split: ``segments`` are without its ``crowds``, ``share`` is of all pixels in [0, 1]."""

    category_id: int
    name: str
    is_thing: bool
    images: int
    segments: int
    crowds: int
    pixels: int
    share: float
    median_area: float | None


class _Image(NamedTuple):
    image_id: str
    size: tuple[int, int]
    void: int
    labels: NDArray[np.int64]
    areas: NDArray[np.int64]
    crowds: NDArray[np.bool_]


def collect(
    split: Split, *, limit: int | None = None, workers: int | None = None, progress: Progress | None = None
) -> SplitStats:
    """Count a split. Images are not opened, only their maps.

    Args:
        split: From :func:`panoptic_data.splits.find_splits`.
        limit: Only the first images.
        workers: Threads; by default one a CPU, at most 8.
        progress: Called with the images done and all images, after each image.

    Raises:
        ValueError: If `limit` is below 1, or a map and its list do not fit together.
    """
    if limit is not None and limit < 1:
        msg = f"Expected `limit` to be at least 1, got {limit}. Leave it away to count all images."
        raise ValueError(msg)
    dataset = split.open()
    total = len(dataset) if limit is None else min(limit, len(dataset))
    done = map_in_order(_counter(dataset), range(total), count_workers(workers))
    images = list(watched(done, total, progress))
    owners = [np.full(len(one.labels), row, dtype=np.int64) for row, one in enumerate(images)]
    return SplitStats(
        name=split.name,
        table=dataset.table,
        image_ids=tuple(one.image_id for one in images),
        sizes=np.array([one.size for one in images], dtype=np.int64).reshape(-1, 2),
        void=np.array([one.void for one in images], dtype=np.int64),
        images=np.concatenate(owners),
        labels=np.concatenate([one.labels for one in images]),
        areas=np.concatenate([one.areas for one in images]),
        crowds=np.concatenate([one.crowds for one in images]),
    )


def _counter(dataset: PanopticDataset) -> Callable[[int], _Image]:
    def count(index: int) -> _Image:
        info = dataset.get_data_info(index)
        id_map, segments = READERS[info["seg_format"]](info)
        pixels = measure(id_map)
        known = np.isin(pixels.ids, segments.ids)
        if not known.all() or len(pixels.ids) != len(segments):
            _refuse(Path(info["seg_map_path"]), pixels.ids, segments.ids)
        area_of = dict(zip(pixels.ids.tolist(), pixels.areas.tolist(), strict=True))
        areas = np.array([area_of[one] for one in segments.ids.tolist()], dtype=np.int64)
        height, width = id_map.shape
        void = height * width - int(areas.sum())
        return _Image(str(info["img_id"]), (height, width), void, segments.labels, areas, segments.iscrowd)

    return count


def _refuse(path: Path, there: NDArray[np.int64], listed: NDArray[np.int32]) -> None:
    strange = np.setdiff1d(there, listed).tolist()
    absent = np.setdiff1d(listed, there).tolist()
    what = f"ids {show(strange)} that are not listed" if strange else f"no pixel of segments {show(absent)}"
    msg = (
        f"Expected {path} to hold the segments that its JSON lists, got {what}. Find all such images with "
        "panoptic-data check, and mend them."
    )
    raise ValueError(msg)
