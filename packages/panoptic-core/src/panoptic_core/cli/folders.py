"""PQ of a folder of predictions against a folder of ground truth, image by image, in bounded memory."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panoptic_core._parallel import Progress, count_workers, map_in_order, watched
from panoptic_core.categories import CategoryTable
from panoptic_core.files import (
    ImageAnnotation,
    PanopticFileError,
    PanopticJson,
    read_panoptic_json,
    read_panoptic_png,
)
from panoptic_core.metrics import PQCounts, PQResult, SegmentTable, count_maps, sum_counts, summarize
from panoptic_core.metrics.matching import Mode

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class FolderResult:
    """PQ of a set of files.

    Attributes:
        result: PQ of all, things, stuff and each class.
        counts: What it was made from.
        table: The classes, from the ground truth's JSON.
        num_images: Evaluated images.
        num_ignored: Predictions of images that the ground truth does not have.
    """

    result: PQResult
    counts: PQCounts
    table: CategoryTable
    num_images: int
    num_ignored: int


def evaluate_folders(
    gt_json: PathLike,
    pred_json: PathLike,
    *,
    gt_folder: PathLike | None = None,
    pred_folder: PathLike | None = None,
    mode: Mode = "default",
    workers: int | None = None,
    progress: Progress | None = None,
) -> FolderResult:
    """Compute PQ from files in COCO's panoptic format.

    At most two images a worker are in memory at a time. Workers are threads: decoding and counting leave
    Python's lock, nothing is started that could be left behind, and the result does not depend on their
    number.

    Args:
        gt_json: The ground truth's JSON; its categories are the classes.
        pred_json: The predictions' JSON; only ``annotations`` are needed.
        gt_folder: The ground truth's PNGs; by default the JSON's path without ``.json``.
        pred_folder: The predictions' PNGs; the same default.
        mode: ``"default"`` or ``"exact"``, see :func:`panoptic_core.metrics.count_segments`.
        workers: Threads; by default one a CPU, at most 8.
        progress: Called with the images done and all images, after each image.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        PanopticFileError: If a file is broken, an image has no prediction, or PNG and JSON do not fit
            together; the message names the file.
    """
    truth = read_panoptic_json(gt_json)
    table = truth.table
    found = read_panoptic_json(pred_json, category_ids=table.labels.keys())
    gt_png = _folder(gt_folder, truth, "ground truth")
    pred_png = _folder(pred_folder, found, "predictions")
    pairs = _pair(truth, found)

    def count(pair: tuple[ImageAnnotation, ImageAnnotation]) -> PQCounts:
        return _count_image(pair[0], pair[1], gt_png, pred_png, table, mode)

    done = map_in_order(count, pairs, count_workers(workers))
    counts = sum_counts(watched(done, len(pairs), progress), len(table))
    ignored = len(found.annotations) - len(pairs)
    return FolderResult(summarize(counts, table), counts, table, len(pairs), ignored)


def _folder(folder: PathLike | None, content: PanopticJson, what: str) -> Path:
    path = Path(folder) if folder is not None else content.path.with_suffix("")
    if not path.is_dir():
        msg = (
            f"Expected the folder {path} with the PNGs of the {what}, but there is none. Name the right one."
        )
        raise FileNotFoundError(msg)
    return path


def _pair(truth: PanopticJson, found: PanopticJson) -> list[tuple[ImageAnnotation, ImageAnnotation]]:
    if not truth.annotations:
        msg = f"Expected annotations in {truth.path}, got none: there is nothing to evaluate."
        raise PanopticFileError(msg)
    missing = [a["image_id"] for a in truth.annotations if a["image_id"] not in found.by_image_id]
    if missing:
        shown = ", ".join(repr(one) for one in missing[:3]) + (", ..." if len(missing) > 3 else "")
        hint = "Predict every image of the set, or evaluate against its own subset."
        kinds = {type(one) for one in found.by_image_id}
        if len(missing) == len(truth.annotations) and kinds and type(missing[0]) not in kinds:
            hint = "One file writes image ids as numbers, the other as text: write them alike."
        msg = (
            f"Expected a prediction for each of the {len(truth.annotations)} images, got none for "
            f"{len(missing)} "
            f"of them in {found.path}: image id {shown}. {hint}"
        )
        raise PanopticFileError(msg)
    return [(annotation, found.by_image_id[annotation["image_id"]]) for annotation in truth.annotations]


def _count_image(
    truth: ImageAnnotation,
    found: ImageAnnotation,
    gt_png: Path,
    pred_png: Path,
    table: CategoryTable,
    mode: Mode,
) -> PQCounts:
    gt_path, pred_path = gt_png / truth["file_name"], pred_png / found["file_name"]
    needs_area = mode == "exact"
    target = _segments(truth["segments_info"], table, gt_path, needs_area=needs_area)
    pred = _segments(found["segments_info"], table, pred_path, needs_area=False)
    pred_map, target_map = read_panoptic_png(pred_path), read_panoptic_png(gt_path)
    try:
        return count_maps(pred_map, pred, target_map, target, len(table), mode=mode, strict=True)
    except ValueError as error:
        msg = f"Image {truth['image_id']!r}, {pred_path} against {gt_path}: {error}"
        raise PanopticFileError(msg) from error


def _segments(
    segments_info: Sequence[Mapping[str, Any]], table: CategoryTable, path: Path, *, needs_area: bool
) -> SegmentTable:
    labels = table.labels
    areas = [info.get("area", 0) for info in segments_info]
    if needs_area:
        for info in segments_info:
            area = info.get("area")
            if isinstance(area, bool) or not isinstance(area, int | float):
                msg = (
                    f"{path}, segment {info['id']}: expected `area` to be a number, got {area!r}. "
                    "The exact mode believes the areas of the JSON; the default mode counts them."
                )
                raise PanopticFileError(msg)
    return SegmentTable(
        np.array([info["id"] for info in segments_info], dtype=np.int64),
        np.array([labels[info["category_id"]] for info in segments_info], dtype=np.int64),
        np.array([info.get("iscrowd", 0) for info in segments_info], dtype=bool),
        np.array(areas) if needs_area else np.zeros(len(areas), dtype=np.int64),
    )
