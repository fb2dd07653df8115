"""``panoptic-eval``: panoptic quality of a folder of predictions."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from panoptic_core.__about__ import __version__
from panoptic_core.cli.reporting import (
    add_report_options,
    check_report_options,
    finish_report,
    measures_of,
    report_sources,
)
from panoptic_core.cli.result_files import write_csv, write_json
from panoptic_core.evaluating import FolderResult, evaluate_folders
from panoptic_core.files import PanopticFileError
from panoptic_core.metrics import MEASURES
from panoptic_core.progress import show_progress

_MODES = {
    "default": "areas counted, every crowd region excuses",
    "exact": "as panopticapi: areas from the JSON, one crowd region of a class excuses",
}
# Each option, then how panopticapi and cityscapesScripts spell it.
_FILES = {
    ("--gt-json", "--gt_json_file", "--gt-json-file"): "JSON of the ground truth; its categories are used",
    ("--gt-folder", "--gt_folder"): "its PNGs; default: the JSON's path without .json",
    ("--pred-json", "--pred_json_file", "--prediction-json-file"): "JSON of the predictions",
    ("--pred-folder", "--pred_folder", "--prediction-folder"): "its PNGs; default: the JSON's path "
    "without .json",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0, or 1 if files are missing or wrong: one line on stderr then says which and what to do. A wrong
        option exits with 2.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.stuff_regions and args.stuff_limit is None:
        parser.error("--stuff-regions: say --stuff-limit PIXELS too")
    check_report_options(parser, args)
    progress = None if args.quiet else show_progress(time.monotonic())
    try:
        for option, path in (("--json", args.json), ("--csv", args.csv)):
            if path and not path.parent.is_dir():
                msg = f"Expected the folder {path.parent} for {option}, but there is none. Make it first."
                raise FileNotFoundError(msg)
        sources = report_sources(args)
        outcome = evaluate_folders(
            args.gt_json,
            args.pred_json,
            gt_folder=args.gt_folder,
            pred_folder=args.pred_folder,
            mode="exact" if args.exact else "default",
            stuff_limit=args.stuff_limit,
            stuff_regions=args.stuff_regions,
            labels=args.labels,
            measures=measures_of(args),
            workers=args.workers,
            progress=progress,
        )
        print(report(outcome, exact=args.exact, per_class=args.per_class))
        if args.json:
            write_json(args.json, outcome, args)
        if args.csv:
            write_csv(args.csv, outcome)
        finish_report(args, outcome, sources)
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
    if outcome.extended is not None:
        lines += ["", "Beside PQ (percent, counts of errors)", "", outcome.extended.to_table()]
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="panoptic-eval",
        description="Compute the panoptic quality (PQ, SQ, RQ) of predictions in COCO's panoptic format.",
        epilog="Example: panoptic-eval --gt-json panoptic_val2017.json --pred-json pred.json --per-class",
    )
    for names, text in _FILES.items():
        parser.add_argument(*names, required="json" in names[0], help=text)
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
    parser.add_argument(
        "--extended",
        nargs="*",
        choices=MEASURES,
        metavar="MEASURE",
        help=f"also {', '.join(MEASURES)}, or those that are named (docs/metrics_extended.md)",
    )
    parser.add_argument("--per-class", action="store_true", help="print a row for each class")
    parser.add_argument(
        "--json", "--results_file", metavar="OUT", type=Path, help="write the result as a JSON file too"
    )
    parser.add_argument("--csv", metavar="OUT", type=Path, help="write a table of groups and classes too")
    add_report_options(parser)
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
