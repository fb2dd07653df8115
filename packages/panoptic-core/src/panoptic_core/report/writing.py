"""Write the report of an evaluation of files."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

from panoptic_core.evaluating import FolderResult, ImageScore
from panoptic_core.files import PanopticJson, atomic_path, read_panoptic_json, read_segmentation
from panoptic_core.fusing.images import read_image_list
from panoptic_core.fusing.saved import ImageFiles
from panoptic_core.metrics.pairing import Mode
from panoptic_core.parallel import Progress
from panoptic_core.report import describing
from panoptic_core.report.content import Headline, ImageReport, ReportContent, Section
from panoptic_core.report.extending import extended_headlines, extended_sections
from panoptic_core.report.page import render
from panoptic_core.report.pictures import draw_pictures

PathLike = str | os.PathLike[str]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp", ".tif", ".tiff")
REPORTED = ("errors", "sizes")
"""The measures beside PQ that a report has if nobody asks for others."""
WORST = 12
"""How many images are shown if nobody says."""


class Sources(NamedTuple):
    """Where the files of an evaluation lie.

    Attributes:
        gt_json: The ground truth's JSON.
        pred_json: The predictions' JSON.
        gt_folder: The ground truth's PNGs; by default the JSON's path without ``.json``.
        pred_folder: The predictions' PNGs; the same default.
        images: The folder of the images; without it the maps are shown alone.
    """

    gt_json: PathLike
    pred_json: PathLike
    gt_folder: PathLike | None = None
    pred_folder: PathLike | None = None
    images: PathLike | None = None


def find_photos(sources: Sources) -> ImageFiles | None:
    """Find the images of the ground truth; to be called before a long evaluation, not after it.

    Raises:
        FileNotFoundError: If the folder, or an image in it, is missing; the message names it.
        PanopticFileError: If the ground truth's JSON does not list its images.
    """
    if sources.images is None:
        return None
    return ImageFiles.find(sources.images, read_image_list(sources.gt_json), IMAGE_SUFFIXES, "the image")


def write_report(
    path: PathLike,
    outcome: FolderResult,
    sources: Sources,
    *,
    worst: int = WORST,
    mode: Mode = "default",
    title: str = "Panoptic evaluation",
    progress: Progress | None = None,
) -> list[str]:
    """Write one HTML file that needs no other, with tables and the worst images.

    Args:
        path: The file; an old one is replaced, whole or not at all.
        outcome: From :func:`panoptic_core.evaluating.evaluate_folders`.
        sources: The files that were evaluated, and where the images are.
        worst: How many images are shown; only these are read again.
        mode: The mode of the evaluation.
        title: The heading.
        progress: Called with the images drawn and all images to draw, after each.

    Returns:
        What could not be shown, a sentence each; the report says it, too.

    Raises:
        FileNotFoundError: If a file is missing.
        PanopticFileError: If a file is broken.
    """
    chosen = worst_images(outcome.images, worst)
    files = _Files.open(sources) if chosen else None
    images = []
    for done, score in enumerate(chosen, start=1):
        assert files is not None
        images.append(files.draw(score, outcome, mode))
        if progress is not None:
            progress(done, len(chosen))
    content = ReportContent(
        title=title,
        facts=(
            ("Ground truth", str(sources.gt_json)),
            ("Predictions", str(sources.pred_json)),
            ("Images", f"{outcome.num_images}" + _ignored(outcome.num_ignored)),
            ("Classes", f"{len(outcome.table)} of {outcome.table.name}"),
            ("Mode", mode),
        ),
        headlines=tuple(headlines(outcome)),
        sections=tuple(sections(outcome)),
        image_pqs=tuple(score.pq for score in outcome.images),
        images=tuple(images),
    )
    write_page(path, content)
    return [one.pictures.problem for one in images if one.pictures is not None and one.pictures.problem]


def write_page(path: PathLike, content: ReportContent) -> None:
    """Write a page, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(render(content), encoding="utf-8", newline="\n")


def worst_images(images: tuple[ImageScore, ...], count: int) -> list[ImageScore]:
    """Return the images with the lowest PQ of their own; of equals, those with more errors first.

    Images in which nothing counts have no PQ and are left out.
    """
    counted = [score for score in images if score.pq == score.pq]
    return sorted(counted, key=lambda score: (score.pq, -(score.fp + score.fn)))[:count]


def headlines(outcome: FolderResult) -> list[Headline]:
    """Return the numbers that are read first."""
    lines = describing.quality_headlines(outcome.result)
    if outcome.semantic is not None:
        note = f"pixel accuracy {outcome.semantic.pixel_accuracy:.1f}"
        lines.append(Headline("mIoU of the semantic maps", outcome.semantic.miou, note))
    if outcome.extended is not None:
        lines += extended_headlines(outcome.extended)
    return lines


def sections(outcome: FolderResult) -> list[Section]:
    """Return the tables of everything that was measured."""
    result = describing.quality_sections(outcome.result, outcome.table)
    if outcome.extended is not None:
        result += extended_sections(outcome.extended, outcome.table)
    if outcome.trimming is not None:
        result.append(describing.trimming_section(outcome.trimming))
    if outcome.things_and_stuff is not None:
        result.append(describing.confusion_section(outcome.things_and_stuff, "What the semantic maps call"))
    return result


class _Files(NamedTuple):
    """The files of an evaluation, opened once."""

    truth: PanopticJson
    found: PanopticJson
    gt_folder: Path
    pred_folder: Path
    photos: ImageFiles | None

    @classmethod
    def open(cls, sources: Sources) -> "_Files":
        truth = read_panoptic_json(sources.gt_json)
        found = read_panoptic_json(sources.pred_json, category_ids=truth.table.labels.keys())
        gt_folder = Path(sources.gt_folder or truth.path.with_suffix(""))
        pred_folder = Path(sources.pred_folder or found.path.with_suffix(""))
        return cls(truth, found, gt_folder, pred_folder, find_photos(sources))

    def draw(self, score: ImageScore, outcome: FolderResult, mode: Mode) -> ImageReport:
        truth, found = self.truth.by_image_id[score.image_id], self.found.by_image_id[score.image_id]
        gt_png, pred_png = self.gt_folder / truth["file_name"], self.pred_folder / found["file_name"]
        areas: Literal["count", "json"] = "json" if mode == "exact" else "count"  # as they were evaluated
        target = read_segmentation(gt_png, truth["segments_info"], outcome.table, areas=areas)
        pred = read_segmentation(pred_png, found["segments_info"], outcome.table)
        photo = None if self.photos is None else self.photos.by_image_id[score.image_id]
        pictures, matches = draw_pictures(pred, target, outcome.table, photo, mode=mode)
        sentences = [
            *describing.wrong_segments(matches, outcome.table),
            *describing.kinds("Why missed", score.misses),
            *describing.kinds("Why false", score.falses),
        ]
        name = score.image_file or str(score.image_id)
        return ImageReport(name, score.pq, score.tp, score.fp, score.fn, tuple(sentences), pictures)


def _ignored(count: int) -> str:
    return f" ({count} predictions of other images ignored)" if count else ""
