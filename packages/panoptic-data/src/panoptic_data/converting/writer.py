"""The writer of all converters: COCO-panoptic files, in parallel, and a run that was stopped goes on.

The layout is COCO's::

    OUT/annotations/panoptic_SPLIT.json      written last, whole or not at all
    OUT/annotations/panoptic_SPLIT/*.png
    OUT/SPLIT/...                            the photographs, as links by default
    OUT/conversion/SPLIT.jsonl, SPLIT.txt    what is finished; what failed and what was noted
"""

import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panoptic_core.files import atomic_path
from panoptic_core.parallel import Progress, count_workers
from panoptic_data.checks import show
from panoptic_data.converting.plan import Item, Plan, SplitPlan, check_splits
from panoptic_data.converting.state import (
    FOLDER,
    begin_state,
    check_same_job,
    describe_job,
    locked,
    read_state,
    remove_leftovers,
)
from panoptic_data.converting.work import Images, Place, Result, enter_process, work, work_in_process


@dataclass(frozen=True)
class SplitOutcome:
    """What became of a split.

    Attributes:
        name: Its name.
        json_path: The JSON; it lists the images that did not fail.
        num_images: How many it lists.
        num_kept: How many of them an earlier run had finished.
        num_segments: How many segments they have.
        void: The share of their pixels that belongs to no segment.
        failures: Photograph and reason of each image that failed.
        notes: Photograph and remark.
        log: The file that lists failures and notes.
    """

    name: str
    json_path: Path
    num_images: int
    num_kept: int
    num_segments: int
    void: float
    failures: tuple[tuple[Path, str], ...]
    notes: tuple[tuple[Path, str], ...]
    log: Path


def convert(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    images: Images = "link",
    workers: int | None = None,
    restart: bool = False,
    progress: Progress | None = None,
) -> list[SplitOutcome]:
    """Convert a data set to COCO-panoptic files.

    The bytes do not depend on the number of workers, nor on how often the work was interrupted.

    Args:
        plan: What to convert, from one of this package's ``plan_...`` functions.
        out: The new data set's root.
        images: ``"link"`` (symbolic links, copies where they cannot be made), ``"copy"`` or ``"none"``.
        workers: Processes; None = one a CPU, at most 8. With 1 this process does the work.
        restart: Convert everything anew, whatever an earlier run did.
        progress: Called with the images done and all images of the split, after each image.

    Returns:
        One outcome a split. Images that failed are in it, not an exception: the others are done.

    Raises:
        ValueError: If OUT holds files of another conversion, or splits, or a split's images, cannot stand
            beside each other.
    """
    root = Path(out)
    check_splits(plan.splits)
    return [_convert_split(plan, split, root, images, workers, restart, progress) for split in plan.splits]


def _convert_split(
    plan: Plan,
    split: SplitPlan,
    root: Path,
    images: Images,
    workers: int | None,
    restart: bool,
    progress: Progress | None,
) -> SplitOutcome:
    json_path = root / "annotations" / f"panoptic_{split.name}.json"
    state_path = root / FOLDER / f"{split.name}.jsonl"
    place = Place(json_path.with_suffix(""), root / split.name, images)
    job = describe_job(plan, split, images)
    if not state_path.exists() and not restart:
        _check_free(place, split, json_path)
    for folder in (place.maps, state_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(state_path.with_suffix(".lock")):
        found, done = read_state(state_path)
        if found is not None and done and not restart:
            check_same_job(found, job, state_path)
        _check_others(root, split.name, plan)
        for folder in (place.maps, place.images):
            remove_leftovers(folder)
        json_path.unlink(missing_ok=True)  # it would not fit its PNGs while they change
        _remove_stale(place, split, done)
        if restart:
            done = {}
        results, kept = {}, 0
        with begin_state(state_path, job, done) as state:
            for count, result in enumerate(_results(plan, place, split, done, workers), start=1):
                results[result.item.map_name] = result
                kept += result.kept
                if result.line is not None and not result.kept:
                    state.write(result.line + "\n")
                    state.flush()  # to the system: it survives this process
                if progress is not None:
                    progress(count, len(split.items))
        ordered = [results[item.map_name] for item in split.items]
        begin_state(state_path, job, {r.item.map_name: r.line for r in ordered if r.line is not None}).close()
        return _finish(plan, split, ordered, json_path, state_path.with_suffix(".txt"), kept)


def _check_free(place: Place, split: SplitPlan, json_path: Path) -> None:
    """Check that nothing is overwritten that no conversion wrote."""
    taken = [json_path] if json_path.exists() else []
    if place.maps.is_dir() and any(place.maps.iterdir()):
        taken.append(place.maps)
    if place.mode != "none" and place.images.is_dir():
        pairs = ((place.images / item.image_name, item.image) for item in split.items)
        taken += [
            path
            for path, image in pairs
            if path.is_file() and not path.is_symlink() and not (image.exists() and path.samefile(image))
        ]
    if taken:
        msg = (
            f"Expected OUT to have no split '{split.name}' yet, got {show(taken, 2)}, which no conversion "
            "wrote. Choose another OUT, or pass --restart to replace it."
        )
        raise ValueError(msg)


def _check_others(root: Path, name: str, plan: Plan) -> None:
    """Check that all splits of a data set have the same classes."""
    for path in sorted((root / FOLDER).glob("*.jsonl")):
        job, _ = read_state(path)
        if path.stem != name and job is not None and job.get("classes") != plan.table.to_json():
            msg = (
                f"Expected split '{name}' to have the classes of split '{path.stem}' in {root}, got "
                f"others: {[c['name'] for c in job['classes']]} there, {list(plan.table.names)} now (or "
                "their ids, things or colours differ). Give both the same class file by --classes, or choose "
                "another OUT."
            )
            raise ValueError(msg)


def _remove_stale(place: Place, split: SplitPlan, done: dict[str, str]) -> None:
    """Delete PNGs, and links to photographs, of images that are not in the source any more; forget them."""
    wanted = {item.map_name for item in split.items}
    for name in [name for name in done if name not in wanted]:
        (place.maps / name).unlink(missing_ok=True)
        link = place.images / json.loads(done.pop(name)).get("file_name", "")
        if link.is_symlink():
            link.unlink()


def _results(
    plan: Plan, place: Place, split: SplitPlan, done: Mapping[str, str], workers: int | None
) -> Iterator[Result]:
    """Yield the results as they come."""
    count = min(count_workers(workers), len(split.items))
    if count <= 1:
        for item in split.items:
            yield work(plan, place, item, done.get(item.map_name))
        return
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context(method),
        initializer=enter_process,
        initargs=(Plan(plan.format, plan.source, plan.options, plan.table, plan.read, ()), place),
    )
    running: set[Future[Result]] = set()
    try:
        for item in split.items:
            if len(running) == 3 * count:  # enough that no process waits, and memory stays bounded
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
            running.add(pool.submit(work_in_process, item, done.get(item.map_name)))
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)
    except BrokenProcessPool as error:
        msg = (
            "A process of the conversion was killed, perhaps because memory ran out. What is finished is "
            "kept: run the command again, with fewer processes (--workers)."
        )
        raise OSError(msg) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finish(
    plan: Plan, split: SplitPlan, ordered: list[Result], json_path: Path, log: Path, kept: int
) -> SplitOutcome:
    """Write the JSON and the log of a split."""
    good = [result.line for result in ordered if result.line is not None]
    failures = tuple((r.item.image, r.error) for r in ordered if r.error is not None)
    notes: list[tuple[Path, str]] = []
    segments = void = pixels = 0
    for result in ordered:
        if result.line is None:
            continue
        record = json.loads(result.line)
        notes += [(result.item.image, note) for note in record["notes"]]
        segments += len(record["segments_info"])
        void += record["void"]
        pixels += record["width"] * record["height"]
    with atomic_path(log) as temporary:
        lines = [f"failed: {image}: {why}" for image, why in failures]
        lines += [f"note: {image}: {note}" for image, note in notes]
        temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    if good:
        _write_json(plan, split, good, json_path)
    share = void / pixels if pixels else 0.0
    return SplitOutcome(split.name, json_path, len(good), kept, segments, share, failures, tuple(notes), log)


def _write_json(plan: Plan, split: SplitPlan, lines: list[str], json_path: Path) -> None:
    """Write the panoptic JSON image by image: all of it at once would need several times its memory."""
    info = {"description": f"{split.name} of {plan.source.name}, converted from {plan.format}"}
    with atomic_path(json_path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"info":' + json.dumps(info) + ',"images":[\n')
        for row, line in enumerate(lines):
            record = json.loads(line)
            image = {
                "id": record["image_id"],
                "file_name": record["file_name"],
                "width": record["width"],
                "height": record["height"],
            }
            file.write(",\n" * (row > 0) + json.dumps(image, separators=(",", ":")))
        file.write('\n],"annotations":[\n')
        for row, line in enumerate(lines):
            record = json.loads(line)
            annotation: dict[str, Any] = {
                "image_id": record["image_id"],
                "file_name": record["map"],
                "segments_info": record["segments_info"],
            }
            file.write(",\n" * (row > 0) + json.dumps(annotation, separators=(",", ":")))
        file.write('\n],"categories":' + json.dumps(plan.table.to_json()) + "}\n")


__all__ = ["Images", "Item", "Progress", "SplitOutcome", "convert"]
