"""``panoptic-data stats``: count what a data set holds."""

import argparse
import json
import time
from pathlib import Path

from panoptic_core.files import atomic_path
from panoptic_core.progress import show_progress


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "stats",
        help="count what a data set holds: classes, sizes, instances an image, void",
        description="Count classes, sizes, instances an image and void. Reads the same layouts as `show`; "
        "only maps are opened.",
    )
    parser.add_argument("root", metavar="ROOT", help="root folder of the data set")
    parser.add_argument("--split", help="one split, such as val2017 (default: all that are found)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of a split")
    parser.add_argument(
        "--sort",
        choices=("label", "segments", "images", "pixels"),
        default="label",
        help="order of the classes (default: %(default)s)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything as JSON, too")
    parser.add_argument(
        "--plot", metavar="FILE", type=Path, help="draw a PNG; of several splits one each, FILE_SPLIT.png"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="threads (default: one a CPU, at most 8)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from panoptic_data.splits import choose_split, find_splits
    from panoptic_data.stats import collect
    from panoptic_data.stats.report import to_dict, to_text

    splits = find_splits(options.root)
    if options.split:
        splits = [choose_split(splits, options.split)]
    results = []
    for place, split in enumerate(splits):
        progress = None if options.quiet else show_progress(time.monotonic(), f"images of {split.name}")
        stats = collect(split, limit=options.limit, workers=options.workers, progress=progress)
        print(("\n" if place else "") + to_text(stats, options.sort))
        results.append(to_dict(stats))
        if options.plot:
            from panoptic_data.stats.plot import plot

            name = options.plot.stem + (f"_{split.name}" if len(splits) > 1 else "")
            path = options.plot.with_name(f"{name}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            plot(stats, path)
            print(f"Plot: {path}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(options.json) as temporary:
            temporary.write_text(json.dumps({"splits": results}, indent=2) + "\n")
