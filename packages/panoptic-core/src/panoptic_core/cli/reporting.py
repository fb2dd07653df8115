"""The options of ``panoptic-eval`` that write an HTML report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from panoptic_core.evaluating import FolderResult
from panoptic_core.metrics import MEASURES
from panoptic_core.metrics.pairing import Mode
from panoptic_core.report import REPORTED, WORST, Sources, find_photos, write_report


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--report``, ``--images`` and ``--worst``."""
    group = parser.add_argument_group("HTML report (docs/report.md)")
    group.add_argument(
        "--report",
        metavar="FILE",
        type=Path,
        help="write one HTML file: tables, the kinds of errors, the worst images",
    )
    group.add_argument("--images", metavar="FOLDER", help="the images, shown under the maps of the report")
    group.add_argument(
        "--worst", type=_count, metavar="N", help=f"how many images are shown; default: {WORST}"
    )


def check_report_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the command where an option lacks the one that it belongs to."""
    for name in ("images", "worst"):
        if getattr(args, name) is not None and args.report is None:
            parser.error(f"--{name}: say --report FILE too")


def measures_of(args: argparse.Namespace) -> Sequence[str]:
    """Return the measures beside PQ: as asked for by ``--extended``; a report has errors and sizes anyway."""
    if args.extended is None:
        return () if args.report is None else REPORTED
    return args.extended or MEASURES


def report_sources(args: argparse.Namespace) -> Sources | None:
    """Return where the report's files lie, None if none is wanted; to be called before a long evaluation.

    Raises:
        FileNotFoundError: If a folder or an image is missing.
        PanopticFileError: If the ground truth does not list its images.
    """
    if args.report is None:
        return None
    if not args.report.parent.is_dir():
        msg = f"Expected the folder {args.report.parent} for --report, but there is none. Make it first."
        raise FileNotFoundError(msg)
    sources = Sources(args.gt_json, args.pred_json, args.gt_folder, args.pred_folder, args.images)
    find_photos(sources)
    return sources


def finish_report(args: argparse.Namespace, outcome: FolderResult, sources: Sources | None) -> None:
    """Write the report, if one is wanted; say what could not be shown."""
    if sources is None:
        return
    mode: Mode = "exact" if args.exact else "default"
    worst = WORST if args.worst is None else args.worst
    for problem in write_report(args.report, outcome, sources, worst=worst, mode=mode):
        print(f"panoptic-eval: warning: {problem}", file=sys.stderr)
    if not args.quiet:
        print(f"Report: {args.report}", file=sys.stderr)


def _count(text: str) -> int:
    if not text.isdigit():
        msg = f"expected a whole number >= 0, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
