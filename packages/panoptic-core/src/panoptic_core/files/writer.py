"""Writing panoptic results the way data sets and test servers want them: a folder of PNGs and one JSON."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.files._atomic import atomic_path
from panoptic_core.files.png import MAX_ID, write_panoptic_png
from panoptic_fusion import PanopticSegmentation


class PanopticWriter:
    """Write segmentations as panoptic PNGs, and their list as one JSON at the end.

    The same input gives the same bytes. Ids are colours near the class's own, so that a PNG can be looked
    at. The JSON appears whole, or not at all when an exception leaves the ``with`` block.

    Args:
        json_path: The JSON to write.
        folder: Where the PNGs go; made if it does not exist. By default the JSON's path without ``.json``,
            as in COCO and Cityscapes.
        table: The data set's classes; its category ids are written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from panoptic_core.testing import tiny_scene
        >>> scene = tiny_scene()
        >>> with (
        ...     TemporaryDirectory() as root,
        ...     PanopticWriter(f"{root}/panoptic.json", table=scene.table) as writer,
        ... ):
        ...     entry = writer.add(7, "scene.png", scene.segmentation)
        >>> [segment["category_id"] for segment in entry["segments_info"]]
        [23, 11, 7, 26, 26, 24, 24]
    """

    def __init__(
        self,
        json_path: str | os.PathLike[str],
        folder: str | os.PathLike[str] | None = None,
        *,
        table: CategoryTable,
    ) -> None:
        self.json_path = Path(json_path)
        self.folder = Path(folder) if folder is not None else self.json_path.with_suffix("")
        self.table = table
        self.annotations: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self._image_ids: set[int | str] = set()
        self._file_names: set[str] = set()

    def add(
        self,
        image_id: int | str,
        file_name: str,
        segmentation: PanopticSegmentation,
        *,
        image_file_name: str | None = None,
        with_scores: bool = False,
    ) -> dict[str, Any]:
        """Write one PNG and remember its segments.

        Args:
            image_id: The image's id in the data set.
            file_name: The PNG's name inside the folder; an image suffix is made ``.png``.
            segmentation: What to write, on any device.
            image_file_name: The picture's name for the ``images`` list; by default `file_name`.
            with_scores: Write each segment's ``score`` too.

        Returns:
            The image's entry of ``annotations``.

        Raises:
            ValueError: If the image id or the file name was written already, the name leaves the folder, or
                a label is not in the table.
        """
        annotation = self.write(image_id, file_name, segmentation, with_scores=with_scores)
        self.remember(annotation, image_file_name or file_name, segmentation.shape)
        return annotation

    def write(
        self,
        image_id: int | str,
        file_name: str,
        segmentation: PanopticSegmentation,
        *,
        with_scores: bool = False,
    ) -> dict[str, Any]:
        """Do the part of :meth:`add` that threads may do at once: write the PNG, remember nothing.

        Raises:
            ValueError: As :meth:`add`.
        """
        name = png_name(file_name)
        if image_id in self._image_ids or name in self._file_names:
            msg = f"Expected each image once, got image id {image_id!r} with file {name} again."
            raise ValueError(msg)
        path = self.folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            msg = f"Expected `file_name` to stay inside {self.folder}, got {file_name}."
            raise ValueError(msg)
        annotation, ids = make_annotation(image_id, name, segmentation, self.table, with_scores=with_scores)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_panoptic_png(path, ids)
        return annotation

    def remember(self, annotation: dict[str, Any], image_file_name: str, size: tuple[int, int]) -> None:
        """Do the rest of :meth:`add`: list the image in the JSON; in the order of the calls.

        Args:
            annotation: From :meth:`write`.
            image_file_name: The picture's name for the ``images`` list.
            size: ``(H, W)``.
        """
        image_id, (height, width) = annotation["image_id"], size
        self._image_ids.add(image_id)
        self._file_names.add(annotation["file_name"])
        self.annotations.append(annotation)
        self.images.append({"id": image_id, "file_name": image_file_name, "width": width, "height": height})

    def close(self) -> None:
        """Write the JSON: images, annotations and categories."""
        content = {"images": self.images, "annotations": self.annotations, "categories": self.table.to_json()}
        self.json_path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.json_path) as path:
            path.write_text(json.dumps(content))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


def make_annotation(
    image_id: int | str,
    file_name: str,
    segmentation: PanopticSegmentation,
    table: CategoryTable,
    *,
    with_scores: bool = False,
) -> tuple[dict[str, Any], NDArray[np.int32]]:
    """Return an image's JSON entry and its id map, without writing anything.

    Args:
        image_id: The image's id.
        file_name: The PNG's name.
        segmentation: The segments; labels are of `table`. Segments without a pixel are left out.
        table: The data set's classes.
        with_scores: Add each segment's ``score``.

    Returns:
        The entry (``segments_info`` with id, category_id, isthing, iscrowd, area, bbox as x, y, width,
        height), and ``(H, W)`` int32 ids.

    Raises:
        ValueError: If a label is not in the table.
    """
    segmentation = segmentation.cpu()
    labels = segmentation.labels.numpy()
    if labels.size and not 0 <= labels.min() <= labels.max() < len(table):
        msg = (
            f"Expected `labels` in [0, {len(table)}) of table '{table.name}', got values in "
            f"[{labels.min()}, {labels.max()}]. Use the table that the model was trained with."
        )
        raise ValueError(msg)
    old = segmentation.ids.numpy()
    new = color_ids(labels, table)
    order = np.argsort(old)
    known, renamed = np.append(0, old[order]), np.append(0, new[order]).astype(np.int32)
    place = np.searchsorted(known, segmentation.id_map.numpy())
    ids = renamed[place]
    boxes, areas = boxes_and_areas(place, len(known))
    segments_info = []
    for row, segment in enumerate(segmentation.segments):
        column = int(np.searchsorted(known, segment.id))
        if not areas[column]:
            continue
        info = {
            "id": int(new[row]),
            "category_id": table.category_ids[segment.label],
            "isthing": int(segment.is_thing),
            "iscrowd": int(segment.iscrowd),
            "area": int(areas[column]),
            "bbox": boxes[column].tolist(),
        }
        segments_info.append(info | {"score": segment.score} if with_scores else info)
    return {"image_id": image_id, "file_name": file_name, "segments_info": segments_info}, ids


def png_name(file_name: str) -> str:
    """Return an image's file name with the suffix ``.png``; names without an image suffix are kept whole."""
    path = Path(file_name)
    known = path.suffix.lower() in {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
    return path.with_suffix(".png").as_posix() if known else path.as_posix() + ".png"


def color_ids(labels: NDArray[np.int64], table: CategoryTable) -> NDArray[np.int64]:
    """Return one id a segment: the class's colour, or the nearest free one in fixed steps.

    Args:
        labels: ``(N,)``, of `table`.
        table: The data set's classes.

    Returns:
        ``(N,)`` int64, unique, in ``[1, 256**3)``.
    """
    weights = np.array([1, 256, 65536])
    used = {0}
    ids = np.zeros(len(labels), dtype=np.int64)
    for row, label in enumerate(labels.tolist()):
        candidate = int(table.palette[label] @ weights)
        while candidate in used:
            # An odd step in all three channels: 2**24 steps until one repeats, neighbours differ visibly.
            candidate = (candidate + 0x0B0D07) & MAX_ID
        used.add(candidate)
        ids[row] = candidate
    return ids


def boxes_and_areas(index: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each value of an index map lies, and how large it is.

    Args:
        index: ``(H, W)`` in ``[0, count)``.
        count: How many values there are.

    Returns:
        x, y, width, height ``(count, 4)``, meaningless for a value that does not occur, and the pixels
        ``(count,)``.
    """
    height, width = index.shape
    areas = np.bincount(index.reshape(-1), minlength=count)
    low = np.full((count, 2), (width, height), dtype=np.int64)
    high = np.zeros((count, 2), dtype=np.int64)
    # Only where runs begin and end can a segment be widest.
    flat = index.reshape(-1)
    border = np.flatnonzero(flat[1:] != flat[:-1])
    places = np.unique(
        np.concatenate([border, border + 1, np.arange(height) * width, np.arange(1, height + 1) * width - 1])
    )
    points = np.stack([places % width, places // width], axis=1)
    np.minimum.at(low, flat[places], points)
    np.maximum.at(high, flat[places], points + 1)
    return np.concatenate([low, high - low], axis=1), areas
