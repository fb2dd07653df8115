"""``panoptic-eval``: panoptic quality of a folder of predictions."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from panoptic_core.__about__ import __version__
from panoptic_core.cli.folders import FolderResult, evaluate_folders
from panoptic_core.files import PanopticFileError, atomic_path
from panoptic_core.metrics.pq_summary import finite
from panoptic_core.progress import show_progress

_MODES = {
    "default": "areas counted, every crowd region excuses",
    "exact": "as panopticapi: areas from the JSON, one crowd region of a class excuses",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0, or 1 if files are missing or wrong: one line on stderr then says which and what to do. A wrong
        option
        exits with 2.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.stuff_regions and args.stuff_limit is None:
        parser.error("--stuff-regions: say --stuff-limit PIXELS too")
    progress = None if args.quiet else show_progress(time.monotonic())
    try:
        if args.json and not args.json.parent.is_dir():
            msg = f"Expected the folder {args.json.parent} for --json, but there is none. Make it first."
            raise FileNotFoundError(msg)
        outcome = evaluate_folders(
            args.gt_json,
            args.pred_json,
            gt_folder=args.gt_folder,
            pred_folder=args.pred_folder,
            mode="exact" if args.exact else "default",
            stuff_limit=args.stuff_limit,
            stuff_regions=args.stuff_regions,
            labels=args.labels,
            workers=args.workers,
            progress=progress,
        )
        print(report(outcome, exact=args.exact, per_class=args.per_class))
        if args.json:
            write_json(args.json, outcome, args)
    except (PanopticFileError, OSError) as error:
        print(f"panoptic-eval: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\npanoptic-eval: stopped", file=sys.stderr)
        return 130
    return 0


def report(outcome: FolderResult, *, exact: bool = False, per_class: bool = False) -> str:
    """Return the text that the command prints."""
    mode = "exact" if exact else "default"
    table = outcome.table
    lines = [
        f"Panoptic quality (percent) of {outcome.num_images} images, {len(table)} classes of {table.name}",
        f"Mode {mode}: {_MODES[mode]}",
        "",
        outcome.result.to_table(per_class=per_class),
    ]
    if outcome.trimming is not None:
        what = "regions" if outcome.trimming.by_region else "segments"
        lines += ["", f"Stuff (percent), {what} below {outcome.trimming.area_limit} pixels trimmed", ""]
        lines += [outcome.trimming.to_table()]
    if outcome.semantic is not None and outcome.things_and_stuff is not None:
        miou, accuracy = outcome.semantic.miou, outcome.semantic.pixel_accuracy
        lines += ["", f"Semantic maps (percent): mIoU {miou:.2f}, pixel accuracy {accuracy:.2f}"]
        lines += ["Things and stuff (percent of each row's pixels)", "", outcome.things_and_stuff.to_table()]
    if outcome.num_ignored:
        lines += [
            "",
            f"{outcome.num_ignored} predictions of images that the ground truth lacks were ignored.",
        ]
    return "\n".join(lines)


def write_json(path: Path, outcome: FolderResult, args: argparse.Namespace) -> None:
    """Write the result for programs; a value that does not exist (no class occurs) is null."""
    content = outcome.result.to_dict()
    ids = outcome.table.category_ids
    for row, category_id in zip(content["per_class"], ids, strict=True):
        row["category_id"] = category_id
    content |= {
        "mode": "exact" if args.exact else "default",
        "num_images": outcome.num_images,
        "classes_of": outcome.table.name,
        "gt_json": str(args.gt_json),
        "pred_json": str(args.pred_json),
        "version": __version__,
    }
    if outcome.trimming is not None:
        content["stuff"] = outcome.trimming.to_dict()
    if outcome.semantic is not None and outcome.things_and_stuff is not None:
        content["semantic"] = finite(asdict(outcome.semantic) | outcome.things_and_stuff.to_dict())
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="panoptic-eval",
        description="Compute the panoptic quality (PQ, SQ, RQ) of predictions in COCO's panoptic format.",
        epilog="Example: panoptic-eval --gt-json panoptic_val2017.json --pred-json pred.json --per-class",
    )
    parser.add_argument("--gt-json", required=True, help="JSON of the ground truth; its categories are used")
    parser.add_argument("--gt-folder", help="its PNGs; default: the JSON's path without .json")
    parser.add_argument("--pred-json", required=True, help="JSON of the predictions")
    parser.add_argument("--pred-folder", help="its PNGs; default: the JSON's path without .json")
    parser.add_argument(
        "--exact", action="store_true", help="count exactly as panopticapi, with areas from the JSON"
    )
    parser.add_argument(
        "--stuff-limit",
        type=positive,
        metavar="PIXELS",
        help="also PQ, SQ, RQ and IoU of stuff before and after stuff with fewer pixels becomes void",
    )
    parser.add_argument(
        "--stuff-regions",
        action="store_true",
        help="with --stuff-limit: judge each connected region by itself",
    )
    parser.add_argument(
        "--labels",
        metavar="FOLDER",
        help="label PNGs of the semantic maps: also mIoU, and how often things are taken for stuff",
    )
    parser.add_argument("--per-class", action="store_true", help="print a row for each class")
    parser.add_argument("--json", metavar="OUT", type=Path, help="write the result as a JSON file too")
    parser.add_argument("--workers", type=positive, help="threads; default: one a CPU, at most 8")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def positive(text: str) -> int:
    """Read a whole number >= 1."""
    value = int(text) if text.isdigit() else 0
    if value < 1:
        msg = f"expected a whole number >= 1, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return value
