"""PQ of a folder of predictions against a folder of ground truth, image by image, in bounded memory."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from panoptic_core.evaluating.counting import ImageCounter, ImageCounts
from panoptic_core.evaluating.scores import FolderResult, ImageScore, image_pq
from panoptic_core.files import ImageAnnotation, PanopticFileError, PanopticJson, read_panoptic_json
from panoptic_core.fusing.images import read_image_list
from panoptic_core.fusing.saved import ImageFiles
from panoptic_core.metrics import (
    CountsSum,
    ExtendedSum,
    StuffSum,
    compare_trimming,
    mean_iou,
    summarize,
    summarize_extended,
    thing_stuff_confusion,
)
from panoptic_core.metrics.extended import check_measures
from panoptic_core.metrics.pairing import Mode
from panoptic_core.parallel import Progress, count_workers, map_in_order, watched

PathLike = str | os.PathLike[str]


def evaluate_folders(
    gt_json: PathLike,
    pred_json: PathLike,
    *,
    gt_folder: PathLike | None = None,
    pred_folder: PathLike | None = None,
    mode: Mode = "default",
    stuff_limit: int | None = None,
    stuff_regions: bool = False,
    labels: PathLike | None = None,
    measures: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> FolderResult:
    """Compute PQ from files in COCO's panoptic format.

    At most two images a worker are in memory at a time, and a line of numbers of each image that is done.
    Workers are threads: decoding and counting leave Python's lock, nothing is started that could be left
    behind, and the result does not depend on their number.

    Args:
        gt_json: The ground truth's JSON; its categories are the classes.
        pred_json: The predictions' JSON; only ``annotations`` are needed.
        gt_folder: The ground truth's PNGs; by default the JSON's path without ``.json``.
        pred_folder: The predictions' PNGs; the same default.
        mode: ``"default"`` or ``"exact"``, see :func:`panoptic_core.metrics.count_segments`.
        stuff_limit: Pixels: measure stuff before and after stuff with fewer becomes void. Predict with no
            limit for it: what was dropped cannot come back.
        stuff_regions: Judge each connected region of stuff by itself, as OANet does.
        labels: A folder of label PNGs, one an image, called as the image: the semantic maps.
        measures: What to measure beside PQ, names of :data:`panoptic_core.metrics.MEASURES`; with
            ``"errors"`` each image's errors are told apart too.
        workers: Threads; by default one a CPU, at most 8.
        progress: Called with the images done and all images, after each image.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        PanopticFileError: If a file is broken, an image has no prediction, or PNG and JSON do not fit
            together; the message names the file.
        ValueError: If a measure does not exist.
    """
    check_measures(measures)
    truth = read_panoptic_json(gt_json)
    table = truth.table
    found = read_panoptic_json(pred_json, category_ids=table.labels.keys())
    gt_png = _folder(gt_folder, truth, "ground truth")
    pred_png = _folder(pred_folder, found, "predictions")
    pairs = _pair(truth, found)

    files = None
    if labels is not None:
        files = ImageFiles.find(labels, read_image_list(gt_json, table), (".png",), "the semantic map")
    counter = ImageCounter(table, gt_png, pred_png, mode, stuff_limit, stuff_regions, files, tuple(measures))
    done = map_in_order(lambda pair: counter.count(*pair), pairs, count_workers(workers))
    total, names = _Totals(len(table), measures), _image_names(truth)
    images = []
    for pair, part in zip(pairs, watched(done, len(pairs), progress), strict=True):
        total.add(part)
        images.append(_score(pair, part, names))
    counts, matrix = total.pq.total(), total.semantic
    trimming = None
    if stuff_limit is not None:
        before, after = (running.total() for running in total.stuff)
        trimming = compare_trimming(before, after, table, area_limit=stuff_limit, by_region=stuff_regions)
    return FolderResult(
        summarize(counts, table),
        counts,
        table,
        num_images=len(pairs),
        num_ignored=len(found.annotations) - len(pairs),
        images=tuple(images),
        trimming=trimming,
        semantic=None if files is None else mean_iou(matrix, table),
        things_and_stuff=None if files is None else thing_stuff_confusion(matrix, table),
        extended=summarize_extended(total.extended.total(), table) if measures else None,
    )


class _Totals:
    """The running sums of all images."""

    def __init__(self, num_classes: int, measures: Sequence[str]) -> None:
        self.pq = CountsSum(num_classes)
        self.stuff = StuffSum(num_classes), StuffSum(num_classes)
        self.extended = ExtendedSum(num_classes, measures)
        self.semantic = np.zeros((num_classes, num_classes + 1), dtype=np.int64)

    def add(self, part: ImageCounts) -> None:
        """Add one image."""
        self.pq.add(part.pq)
        for running, counts in zip(self.stuff, part.stuff or (), strict=False):
            running.add(counts)
        if part.semantic is not None:
            self.semantic += part.semantic
        if part.extended is not None:
            self.extended.add(part.extended)


def _score(
    pair: tuple[ImageAnnotation, ImageAnnotation], part: ImageCounts, names: Mapping[int | str, str]
) -> ImageScore:
    truth, found = pair
    counts = part.pq
    kinds = None if part.extended is None else part.extended.kinds_of_errors()
    return ImageScore(
        image_id=truth["image_id"],
        image_file=names.get(truth["image_id"]),
        gt_file=truth["file_name"],
        pred_file=found["file_name"],
        pq=image_pq(counts),
        iou=float(counts.iou.sum()),
        tp=int(counts.tp.sum()),
        fp=int(counts.fp.sum()),
        fn=int(counts.fn.sum()),
        misses=None if kinds is None else kinds[0],
        falses=None if kinds is None else kinds[1],
    )


def _image_names(truth: PanopticJson) -> dict[int | str, str]:
    """Return the file names that ``images`` lists; the evaluation itself can do without them."""
    listed = (image for image in truth.images if isinstance(image, Mapping))
    names = ((image.get("id"), image.get("file_name")) for image in listed)
    return {one: name for one, name in names if isinstance(one, int | str) and isinstance(name, str)}


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
