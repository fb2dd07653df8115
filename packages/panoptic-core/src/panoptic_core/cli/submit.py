"""``panoptic-submit``: zips for the test servers of COCO, Cityscapes and Vistas, and their check."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from panoptic_core.__about__ import __version__
from panoptic_core.cli.evaluate import positive
from panoptic_core.files import atomic_path
from panoptic_core.progress import show_progress
from panoptic_core.submission import SERVERS, Report, check_submission, write_submission

_IMAGES = (
    "the split's images: a JSON with `images`, such as image_info_test-dev2017.json, or their folder; finds "
    "missing images and wrong sizes"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0, or 1 if a file cannot be used or the check found errors (with --strict: or warnings); a wrong
        option exits with 2.
    """
    args = _parser().parse_args(argv)
    progress = None if args.quiet else show_progress(time.monotonic())
    try:
        if args.command == "check":
            report = check_submission(
                args.file, server=args.server, images=args.images, workers=args.workers, progress=progress
            )
        else:
            report = write_submission(
                args.command,
                args.predictions,
                args.out,
                folder=args.folder,
                split=getattr(args, "split", "test"),
                train_ids=args.train_ids,
                images=args.images,
                workers=args.workers,
                progress=progress,
            )
        print(report.to_text())
        if args.command != "check":
            print(f"Written: {args.out}" if not report.errors else "Not written: cure the errors first.")
        if args.json:
            with atomic_path(args.json) as temporary:
                temporary.write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    except (ValueError, OSError) as error:
        print(f"panoptic-submit: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\npanoptic-submit: stopped", file=sys.stderr)
        return 130
    return _status(report, strict=args.strict)


def _status(report: Report, *, strict: bool) -> int:
    return int(bool(report.errors) or (strict and bool(report.warnings)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="panoptic-submit",
        description="Write predictions as the zip that a test server takes, and check it before upload.",
        epilog="Example: panoptic-submit coco out/panoptic.json --images image_info_test-dev2017.json "
        "--out panoptic_test-dev2017_tascnet_results.zip",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for server in SERVERS.values():
        _add_writer(commands, server.name)
    check = commands.add_parser(
        "check", help="check a zip", description="Check a zip as its server reads it."
    )
    check.add_argument("file", metavar="FILE", help="the zip")
    check.add_argument("--server", choices=tuple(SERVERS), help="default: found out from names and image ids")
    _add_common(check)
    return parser


def _add_writer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", server: str) -> None:
    rule = SERVERS[server].zip_rule
    parser = commands.add_parser(
        server,
        help=f"write a zip for the {server} server",
        description=f"Write {rule}, and check it. A zip with errors does not appear.",
    )
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="PRED_JSON",
        help="JSONs in COCO's panoptic format, or folders of them (of tools/test.py --out, tools/predict.py, "
        "panoptic-fuse)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.zip", help=f"the zip: {rule}")
    parser.add_argument(
        "--folder", help="the PNGs; default: the JSON's path without .json, else the JSON's folder"
    )
    parser.add_argument(
        "--train-ids",
        action="store_true",
        help="category ids of the predictions count the classes from 0 (Cityscapes: train ids)",
    )
    if server == "cityscapes":
        parser.add_argument(
            "--split",
            default="test",
            choices=("test", "val", "train"),
            help="names the JSON in the zip; default: test",
        )
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", metavar="PATH", help=_IMAGES)
    parser.add_argument("--strict", action="store_true", help="exit with 1 on warnings too")
    parser.add_argument("--json", metavar="OUT", type=Path, help="write the report as a JSON file too")
    parser.add_argument("--workers", type=positive, help="threads; default: one a CPU, at most 8")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
