"""``panoptic-data convert``: other people's formats, and one's own masks, to COCO-panoptic files."""

import argparse
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from panoptic_data.cli.convert_formats import add_formats

if TYPE_CHECKING:
    from panoptic_data.converting import SplitOutcome

_SHOWN = 20  # failures and notes that are printed; the log has all of them


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "convert",
        help="make COCO-panoptic files of other formats, or of your own masks",
        description="Convert a data set to COCO-panoptic files: OUT/annotations/panoptic_SPLIT.json, its "
        "folder of PNGs, and the images in OUT/SPLIT. A run that was stopped goes on where it was.",
        epilog="Exit status: 0 fine, 1 if an image failed (the others are done) or nothing could be done.",
    )
    formats = parser.add_subparsers(required=True, metavar="FORMAT")
    add_formats(formats, _run)


def _run(options: argparse.Namespace) -> int:
    from panoptic_core.progress import show_progress
    from panoptic_data.converting import convert

    plan = options.plan(options)
    for note in plan.notes:
        print(f"Note: {note}")
    outcomes = convert(
        plan,
        options.out,
        images=options.images,
        workers=options.workers,
        restart=options.restart,
        progress=None if options.quiet else _progress(show_progress),
    )
    for outcome in outcomes:
        _report(outcome)
    return int(any(outcome.failures for outcome in outcomes))


def _progress(show_progress: Callable[[float], Callable[[int, int], None]]) -> Callable[[int, int], None]:
    """Show one progress a split: each starts with its first image."""
    show: Callable[[int, int], None] | None = None
    begin = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal show, begin
        if show is None:
            show = show_progress(begin)
        show(done, total)
        if done == total:
            show, begin = None, time.monotonic()

    return progress


def _report(outcome: "SplitOutcome") -> None:
    kept = f", {outcome.num_kept} of them by an earlier run" if outcome.num_kept else ""
    print(
        f"Split {outcome.name}: {outcome.num_images} images{kept}, {outcome.num_segments} segments, "
        f"{outcome.void:.1%} void"
    )
    if outcome.num_images:
        print(f"Written: {outcome.json_path}")
    for what, rows in (("failed", outcome.failures), ("note", outcome.notes)):
        for image, text in rows[:_SHOWN]:
            print(f"  {what}: {image}: {text}")
        if len(rows) > _SHOWN:
            print(f"  {what}: and {len(rows) - _SHOWN} more, see {outcome.log}")
    if outcome.failures:
        total = len(outcome.failures) + outcome.num_images
        print(
            f"{len(outcome.failures)} of {total} images failed and are not in the JSON. "
            "Mend them and run the command again: only they are done then."
        )
