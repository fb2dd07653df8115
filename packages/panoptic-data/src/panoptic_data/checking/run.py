"""The dataset doctor: every rule on every image, on several threads, in bounded memory."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from panoptic_core.categories import CITYSCAPES
from panoptic_core.parallel import Progress, count_workers, map_in_order, watched
from panoptic_data.checking.catalogue import RULES
from panoptic_data.checking.cityscapes import check_native, list_native, without_instances
from panoptic_data.checking.facts import Task, gather, list_tasks
from panoptic_data.checking.findings import Finding, FindingLog
from panoptic_data.checking.image_rules import IMAGE_RULES
from panoptic_data.checking.json_rules import JSON_RULES
from panoptic_data.checking.listing import Listing, read_listing
from panoptic_data.checking.reading import ImageFile
from panoptic_data.checking.segment_rules import SEGMENT_RULES
from panoptic_data.checking.set_rules import (
    Classes,
    classes_of,
    differing_categories,
    leaks,
    repeated_contents,
    unseen_classes,
    unused_files,
)
from panoptic_data.checks import FolderIndex, show
from panoptic_data.splits import Split

T = TypeVar("T")
R = TypeVar("R")

ProgressOf = Callable[[str], Progress]
"""Makes the progress of a split out of its name."""


@dataclass(frozen=True)
class SplitSize:
    """What a split holds: images, listed segments (native Cityscapes: evaluated ones), classes."""

    name: str
    layout: str
    num_images: int
    num_segments: int
    num_classes: int


@dataclass
class Checkup:
    """The result of a check.

    Attributes:
        log: What was found.
        splits: What was looked at.
        seconds: How long it took.
    """

    log: FindingLog
    splits: list[SplitSize] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Job:
    """How a split is looked at, where what is found goes, and the classes of the splits seen."""

    log: FindingLog
    quick: bool
    workers: int
    progress: ProgressOf | None
    classes: list[Classes] = field(default_factory=list)

    def run(self, split: Split, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[tuple[T, R]]:
        """Yield each task with its result, in order."""
        done = map_in_order(function, tasks, self.workers)
        progress = None if self.progress is None else self.progress(split.name)
        yield from zip(tasks, watched(done, len(tasks), progress), strict=True)


class _Result(NamedTuple):
    findings: list[Finding]
    digest: bytes | None


def check_splits(
    splits: Sequence[Split],
    *,
    quick: bool = False,
    keep: int | None = 1000,
    ignore: Collection[str] = (),
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Checkup:
    """Check splits of a data set; no broken file stops it.

    At most two images a worker are in memory, beside the JSON of one split. The result does not depend on
    the number of workers.

    Args:
        splits: From :func:`panoptic_data.splits.find_splits`.
        quick: Read only the headers of the images: a damaged end, and an image that is there twice, are not
            found. Maps are always read whole.
        keep: How many findings of a rule are kept; all are counted. None keeps all.
        ignore: Names of rules that do not matter here.
        workers: Threads; by default one a CPU, at most 8.
        progress: Makes what is called after each image of a split.

    Returns:
        What was found, in an order that is always the same.

    Raises:
        ValueError: If a rule to ignore does not exist, or a split's layout has no rules.
    """
    unknown = sorted(set(ignore) - set(RULES))
    if unknown:
        msg = f"Expected `ignore` to name rules ({show(RULES, limit=100)}), got {show(unknown)}."
        raise ValueError(msg)
    start = time.monotonic()
    checkup = Checkup(FindingLog(keep, ignore))
    job = _Job(checkup.log, quick, count_workers(workers), progress)
    contents: dict[str, dict[str, bytes]] = {}
    for split in splits:
        look = _check_files if split.files is not None else _check_native_split
        digests: dict[str, bytes] = {}
        checkup.splits.append(look(split, splits, job, digests))
        checkup.log.add(repeated_contents(digests))
        contents[split.name] = digests
    checkup.log.add(differing_categories(job.classes))
    checkup.log.add(leaks(contents))
    checkup.seconds = time.monotonic() - start
    return checkup


def _check_files(split: Split, splits: Sequence[Split], job: _Job, digests: dict[str, bytes]) -> SplitSize:
    listing = read_listing(split)
    job.log.add(listing.findings)
    for rule in JSON_RULES:
        job.log.add(rule(listing))
    folder = listing.files.images
    images = None if folder is None else FolderIndex(folder)
    tasks = list(list_tasks(listing, images))
    for task, result in job.run(split, lambda task: _check_image(listing, task, job.quick), tasks):
        job.log.add(result.findings)
        if result.digest is not None and task.image is not None:
            digests[listing.named(task.image)] = result.digest
    job.classes.append(classes_of(listing))
    job.log.add(unseen_classes(listing))
    job.log.add(unused_files(listing, "annotations", FolderIndex(listing.files.maps)))
    if images is not None and not _shares_images(split, splits):
        job.log.add(unused_files(listing, "images", images))
    segments = sum(len(one["segments_info"]) for one in listing.annotations.values())
    layout = f"COCO-panoptic files, {listing.json_name}"
    return SplitSize(split.name, layout, len(tasks), segments, len(listing.categories))


def _check_image(listing: Listing, task: Task, quick: bool) -> _Result:
    facts = gather(listing, task, quick=quick)
    findings = [finding for rule in (*IMAGE_RULES, *SEGMENT_RULES) for finding in rule(facts)]
    return _Result(findings, facts.image.digest if isinstance(facts.image, ImageFile) else None)


def _check_native_split(
    split: Split, splits: Sequence[Split], job: _Job, digests: dict[str, bytes]
) -> SplitSize:
    folders = [split.root / name / split.name for name in ("leftImg8bit", "gtFine")]
    if not all(folder.is_dir() for folder in folders):
        msg = (
            f"Expected split '{split.name}' of {split.root} to be COCO-panoptic files or native Cityscapes, "
            "got a layout without rules. Convert it first (panoptic-data convert) and check the result."
        )
        raise ValueError(msg)
    tasks = list_native(split.root, split.name)
    segments, kinds = 0, []
    for task, result in job.run(split, lambda task: check_native(task, quick=job.quick), tasks):
        job.log.add(result.findings)
        segments += result.num_segments
        if result.has_instances is not None:
            kinds.append((result.has_instances, result.has_things))
        if result.digest is not None:
            digests[task.image.relative_to(split.root).as_posix()] = result.digest
    job.log.add(without_instances(split.name, f"gtFine/{split.name}", kinds))
    return SplitSize(split.name, "native Cityscapes", len(tasks), segments, len(CITYSCAPES))


def _shares_images(split: Split, splits: Sequence[Split]) -> bool:
    """Return whether another split has its images in the same folder."""
    assert split.files is not None
    others = [other.files.images for other in splits if other is not split and other.files is not None]
    return split.files.images in others
