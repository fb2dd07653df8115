"""Fuse saved outputs into files of COCO's panoptic format, or under many settings against a ground truth."""

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panoptic_core.files import (
    PanopticFileError,
    PanopticJson,
    PanopticWriter,
    read_panoptic_json,
    read_segmentation,
)
from panoptic_core.fusing.images import ImageEntry
from panoptic_core.fusing.methods import FusionMethod, SettingError, find_method
from panoptic_core.fusing.parts import ImageParts
from panoptic_core.fusing.saved import SavedOutputs
from panoptic_core.metrics import CountsSum, PQCounts, PQResult, count_segments, summarize
from panoptic_core.parallel import Progress, count_workers, map_in_order, watched
from panoptic_fusion import PanopticSegmentation

PathLike = str | os.PathLike[str]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class FusedFolder:
    """What was written.

    Attributes:
        json_path: The JSON.
        folder: The folder of PNGs.
        num_images: Images.
        num_segments: Segments of all images.
    """

    json_path: Path
    folder: Path
    num_images: int
    num_segments: int


@dataclass(frozen=True)
class SweepRow:
    """One setting and its panoptic quality.

    Attributes:
        settings: The values that were tried, by short name.
        result: PQ of all, things, stuff and each class.
    """

    settings: Settings
    result: PQResult


def fuse_folders(
    outputs: SavedOutputs,
    json_path: PathLike,
    folder: PathLike | None = None,
    *,
    method: str = "confidence",
    settings: Settings | None = None,
    with_scores: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FusedFolder:
    """Fuse every image and write a panoptic PNG of each and one JSON.

    The JSON makes the result: one that is there already is removed before the first PNG is written, and the
    new one appears whole, after the last. The same input gives the same bytes, however many threads work;
    at most two images a thread are in memory.

    Args:
        outputs: From :meth:`SavedOutputs.open`.
        json_path: The JSON to write.
        folder: Where the PNGs go; by default the JSON's path without ``.json``. Each is called as its image.
        method: A name of :data:`METHODS`.
        settings: Values by short name or keyword; the fusion's defaults otherwise.
        with_scores: Write each segment's ``score``.
        workers: Threads; by default one a CPU, at most 8.
        progress: Called with the images done and all images, after each image.

    Raises:
        SettingError: If the method or a setting does not exist, or has an impossible value.
        FileNotFoundError: If an input is missing.
        PanopticFileError: If an input is broken or does not fit, or the output would replace an input; the
            message names the file.
    """
    fusion, settings = find_method(method), dict(settings or {})
    fusion.check(settings)
    writer = PanopticWriter(json_path, folder, table=outputs.table)
    _keep_inputs(writer, outputs)

    def work(image: ImageEntry) -> dict[str, Any]:
        segmentation = _fuse(fusion, outputs.read(image), settings)
        return writer.write(image.image_id, image.file_name, segmentation, with_scores=with_scores)

    images = outputs.images.images
    writer.json_path.unlink(missing_ok=True)
    done = watched(map_in_order(work, images, count_workers(workers)), len(images), progress)
    with writer:
        for image, annotation in zip(images, done, strict=True):
            writer.remember(annotation, image.file_name, image.size)
    count = sum(len(annotation["segments_info"]) for annotation in writer.annotations)
    return FusedFolder(writer.json_path, writer.folder, len(images), count)


def sweep_folders(
    outputs: SavedOutputs,
    grid: Mapping[str, Sequence[Any]],
    *,
    gt_json: PathLike,
    gt_folder: PathLike | None = None,
    method: str = "confidence",
    settings: Settings | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[SweepRow]:
    """Fuse every image under every combination of settings and compare each with the ground truth.

    Inputs and ground truth of an image are read once for all settings; nothing is written.

    Args:
        outputs: From :meth:`SavedOutputs.open`.
        grid: The values to try, by short name or keyword; an empty grid tries `settings` alone.
        gt_json: The ground truth's JSON, with an annotation of each image of `outputs`.
        gt_folder: Its PNGs; by default the JSON's path without ``.json``.
        method: A name of :data:`METHODS`.
        settings: Values that are the same in all rows.
        workers: Threads; by default one a CPU, at most 8.
        progress: Called with the images done and all images, after each image.

    Returns:
        One row a combination, the highest PQ first; equal ones in the order of the grid.

    Raises:
        SettingError: As :func:`fuse_folders`, **or** if a setting is both fixed and swept, or has no values.
        FileNotFoundError: If a file or folder is missing.
        PanopticFileError: If a file is broken or does not fit; the message names it.
    """
    fusion, table = find_method(method), outputs.table
    rows = _combine(fusion, grid, settings or {})
    for row in rows:
        fusion.check({**(settings or {}), **row})
    truth = read_panoptic_json(gt_json, category_ids=table.labels.keys())
    png = _truth_folder(truth, gt_folder, outputs.images.images)

    def work(image: ImageEntry) -> list[PQCounts]:
        annotation = truth.by_image_id[image.image_id]
        path = png / annotation["file_name"]
        target = read_segmentation(path, annotation["segments_info"], table, size=image.size)
        parts = outputs.read(image)
        fused = (_fuse(fusion, parts, {**(settings or {}), **row}) for row in rows)
        return [count_segments(seg, target, len(table), image=image.image_id) for seg in fused]

    images = outputs.images.images
    sums = [CountsSum(len(table)) for _ in rows]
    done = map_in_order(work, images, count_workers(workers))
    for counts in watched(done, len(images), progress):
        for running, part in zip(sums, counts, strict=True):
            running.add(part)
    results = [SweepRow(row, summarize(s.total(), table)) for row, s in zip(rows, sums, strict=True)]
    return sorted(results, key=lambda row: math.inf if math.isnan(row.result.all.pq) else -row.result.all.pq)


def _fuse(fusion: FusionMethod, parts: ImageParts, settings: Settings) -> PanopticSegmentation:
    try:
        return fusion.fuse(parts, settings)
    except PanopticFileError:
        raise
    except (ValueError, TypeError) as error:
        msg = f"{parts.where}: {error}"
        raise PanopticFileError(msg) from error


def _combine(fusion: FusionMethod, grid: Mapping[str, Sequence[Any]], fixed: Settings) -> list[Settings]:
    axes = {fusion.option(key).name: list(values) for key, values in grid.items()}
    for name, values in axes.items():
        if not values:
            msg = f"Expected values of `{name}` to try, got none."
            raise SettingError(msg)
    both = axes.keys() & {fusion.option(key).name for key in fixed}
    if both:
        msg = f"Expected each setting either fixed or swept, got both for {', '.join(sorted(both))}."
        raise SettingError(msg)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _truth_folder(truth: PanopticJson, folder: PathLike | None, images: Sequence[ImageEntry]) -> Path:
    missing = [image.image_id for image in images if image.image_id not in truth.by_image_id]
    if missing:
        msg = (
            f"Expected an annotation of each of the {len(images)} images in {truth.path}, got none for "
            f"{len(missing)} of them: image id {missing[0]!r}. Sweep over images that are annotated."
        )
        raise PanopticFileError(msg)
    path = Path(folder) if folder is not None else truth.path.with_suffix("")
    if not path.is_dir():
        msg = f"Expected the folder {path} with the PNGs of the ground truth, but there is none. Name it."
        raise FileNotFoundError(msg)
    return path


def _keep_inputs(writer: PanopticWriter, outputs: SavedOutputs) -> None:
    """Raise where the output would replace an input, or the ground truth that lies beside the image list."""
    inputs = [*outputs.paths, outputs.images.path.with_suffix("")]
    taken = {path.resolve() for path in inputs}
    for path in (writer.json_path, writer.folder):
        if path.resolve() in taken:
            msg = f"Expected the output {path} to be no input, got one of them. Write to another place."
            raise PanopticFileError(msg)
