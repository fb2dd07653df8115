"""A mended copy of a data set, in a new folder; the original is not touched."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from panoptic_core.files import atomic_path, write_panoptic_png
from panoptic_core.parallel import count_workers, map_in_order, watched
from panoptic_data.checking.facts import Task, gather, list_tasks
from panoptic_data.checking.findings import Finding, FindingLog
from panoptic_data.checking.listing import Listing, is_annotation, is_image, read_listing
from panoptic_data.checking.mending import drop_copies, mend_categories, mend_image, mend_size
from panoptic_data.checking.run import ProgressOf
from panoptic_data.checks import FolderIndex, describe_place
from panoptic_data.datasets.coco_panoptic import find_image
from panoptic_data.splits import PanopticFiles, Split, files_split


@dataclass
class Mended:
    """A mended copy.

    Attributes:
        out: Its root folder.
        log: Each mend, as a finding of the rule that was broken.
        splits: The copy's splits.
        left_out: What was not copied, in words.
    """

    out: Path
    log: FindingLog
    splits: list[Split] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class _Result(NamedTuple):
    segments: list[Any]
    size: dict[str, int]
    mends: list[Finding]


def fix_splits(
    splits: Sequence[Split],
    out: Path,
    *,
    copy_images: bool = False,
    keep: int | None = 1000,
    workers: int | None = None,
    progress: ProgressOf | None = None,
) -> Mended:
    """Write a copy of a data set in which everything is mended that can be mended safely.

    The layout stays. Maps that need no mend are copied byte by byte, images are linked. A JSON is written
    last: an interrupted run leaves none.

    Args:
        splits: From :func:`panoptic_data.splits.find_splits`; COCO-panoptic files.
        out: The new folder.
        copy_images: Copy the images instead of linking them; done anyway where links do not work.
        keep: How many mends of a rule are kept; all are counted.
        workers: Threads; by default one a CPU, at most 8.
        progress: Makes what is called after each image of a split.

    Raises:
        FileExistsError: If the folder exists and is not empty.
        ValueError: If a split is no COCO-panoptic files.
    """
    native = [split.name for split in splits if split.files is None]
    if native:
        msg = (
            f"Expected COCO-panoptic files to mend, got split '{native[0]}' in another layout. Convert it "
            "first (panoptic-data convert); its own files are best downloaded again."
        )
        raise ValueError(msg)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"Expected a new or empty folder for the mended copy, got {describe_place(out)}. Name another."
        raise FileExistsError(msg)
    out.mkdir(parents=True, exist_ok=True)
    mended = Mended(out, FindingLog(keep))
    for split in splits:
        listing = read_listing(split)
        if not listing.content:
            mended.left_out.append(f"split {split.name}: {listing.findings[0].what}")
            continue
        files = _place(listing, out, split.name)
        _fix_split(listing, files, mended, split, copy_images, workers, progress)
        mended.splits.append(files_split(split.name, files, out))
    return mended


def _fix_split(
    listing: Listing,
    files: PanopticFiles,
    mended: Mended,
    split: Split,
    copy_images: bool,
    workers: int | None,
    progress: ProgressOf | None,
) -> None:
    """Write one split: its images, then its maps, at last its JSON."""
    for folder in (files.maps, files.json.parent):
        folder.mkdir(parents=True, exist_ok=True)
    images = None if listing.files.images is None else FolderIndex(listing.files.images)
    if images is not None and files.images is not None:
        files.images.mkdir(parents=True, exist_ok=True)
        names = sorted(
            {find_image(row["file_name"], images) for row in listing.rows("images") if is_image(row)}
        )
        for name in names:
            _bring(images.root / name, files.images, name, mended, link=not copy_images)
    owners = Counter(one["file_name"] for one in listing.annotations.values())
    tasks = list(list_tasks(listing, images))

    def work(task: Task) -> _Result:
        alone = task.annotation is not None and owners[task.annotation["file_name"]] == 1
        return _fix_image(listing, files, task, may_draw=alone)

    results: dict[Any, _Result] = {}
    done = map_in_order(work, tasks, count_workers(workers))
    shown = None if progress is None else progress(split.name)
    for task, result in zip(tasks, watched(done, len(tasks), shown), strict=True):
        results[task.image_id] = result
        mended.log.add(result.mends)
    for name in _names(listing, "annotations"):
        _bring(listing.files.maps / name, files.maps, name, mended, link=False)
    content, mends = _rewrite(listing, results)
    mended.log.add(mends)
    for other in listing.files.json.parent.glob("instances*.json"):
        _bring(other, files.json.parent, other.name, mended, link=False)
    with atomic_path(files.json) as path:
        path.write_text(json.dumps(content))


def _fix_image(listing: Listing, files: PanopticFiles, task: Task, *, may_draw: bool) -> _Result:
    facts = gather(listing, task, quick=True)
    size, mends = mend_size(facts)
    segments, id_map, more = mend_image(facts, may_draw=may_draw)
    if id_map is not None and task.annotation is not None:
        path = files.maps / task.annotation["file_name"]
        if not path.resolve().is_relative_to(files.maps.resolve()):
            return _Result(list(facts.rows), size, mends)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            write_panoptic_png(temporary, id_map)
    return _Result(segments, size, mends + more)


def _rewrite(listing: Listing, results: Mapping[Any, _Result]) -> tuple[dict[str, Any], list[Finding]]:
    """Return the JSON with every mend, and those of its lists."""
    content = dict(listing.content)
    lists: dict[str, list[Any]] = {}
    mends: list[Finding] = []
    for key, rule, id_key in (
        ("images", "image-id-twice", "id"),
        ("annotations", "annotation-twice", "image_id"),
    ):
        lists[key], more = drop_copies(listing, key, rule, id_key)
        mends += more
    lists["categories"], more = mend_categories(listing)
    # Only the first entry of an id was looked at; it is the same object in the list.
    lists["images"] = [
        {**row, **results[row["id"]].size} if is_image(row) and row is listing.images[row["id"]] else row
        for row in lists["images"]
    ]
    lists["annotations"] = [
        {**row, "segments_info": results[row["image_id"]].segments}
        if is_annotation(row) and row is listing.annotations[row["image_id"]]
        else row
        for row in lists["annotations"]
    ]
    content |= {key: rows for key, rows in lists.items() if key in listing.content}
    return content, [*more, *mends]


def _place(listing: Listing, out: Path, name: str) -> PanopticFiles:
    """Return where the copy's files go: where they were, below another root."""

    def inside(path: Path, otherwise: Path) -> Path:
        return out / path.relative_to(listing.root) if path.is_relative_to(listing.root) else otherwise

    files = listing.files
    json_path = inside(files.json, out / files.json.name)
    images = None if files.images is None else inside(files.images, out / "images" / name)
    return PanopticFiles(json_path, inside(files.maps, json_path.with_suffix("")), images)


def _names(listing: Listing, key: str) -> list[str]:
    rows = (row.get("file_name") for row in listing.rows(key) if isinstance(row, dict))
    return sorted({name for name in rows if isinstance(name, str)})


def _bring(source: Path, folder: Path, name: str, mended: Mended, *, link: bool) -> None:
    """Link or copy a file to its place unless it is there; tell what cannot be brought."""
    target = folder / name
    if not source.is_file():
        return  # the check of the copy names it
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        mended.left_out.append(f"{source}: its name {name!r} leaves the folder")
        return
    if target.exists() or target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            target.symlink_to(source.resolve())
            return
        except OSError:
            pass  # a file system without links
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
