"""``panoptic-data check``: the dataset doctor."""

import argparse
import time
from pathlib import Path
from typing import Any

from panoptic_core.progress import show_progress


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "check",
        help="find what is wrong with a data set, and mend it",
        description="Check images, panoptic PNGs and JSON: each finding says where, why it matters "
        "and what to do. Reads the same layouts as `show`.",
        epilog="Exit status: 0 no error, 1 errors (--strict: or warnings), 2 wrong options.",
    )
    parser.add_argument(
        "root", metavar="ROOT", nargs="?", help="root folder of the data set, or a panoptic JSON"
    )
    parser.add_argument("--split", help="one split, such as val2017 (default: all that are found)")
    parser.add_argument(
        "--maps", metavar="DIR", help="ROOT is a JSON: its PNGs (default: its path without .json)"
    )
    parser.add_argument("--images", metavar="DIR", help="ROOT is a JSON: its images (default: not looked at)")
    parser.add_argument("--strict", action="store_true", help="warnings fail, too")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="RULE",
        help="a rule that does not matter; repeatable",
    )
    parser.add_argument("--quick", action="store_true", help="read only the headers of images (maps whole)")
    parser.add_argument(
        "--limit",
        type=_natural,
        default=5,
        metavar="N",
        help="findings printed a rule (default: %(default)s)",
    )
    parser.add_argument(
        "--keep",
        type=_natural,
        default=1000,
        metavar="N",
        help="findings of a rule kept for --json; all are counted; 0 keeps all (default: %(default)s)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all findings as JSON, too")
    parser.add_argument(
        "--fix", metavar="OUT", type=Path, help="write a mended copy to a new folder, and check that"
    )
    parser.add_argument(
        "--copy-images", action="store_true", help="with --fix: copy the images instead of linking them"
    )
    parser.add_argument(
        "--workers", type=_natural, metavar="N", help="threads (default: one a CPU, at most 8)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--list-rules", action="store_true", help="print all rules and stop")
    parser.set_defaults(run=lambda options: _run(options, parser))


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from panoptic_data.checking import RULES, check_splits
    from panoptic_data.checking.report import rules_text, to_text, write_json

    if options.list_rules:
        print(rules_text())
        return 0
    _check_options(options, parser, list(RULES))
    splits = _find(options)
    work = {
        "quick": options.quick,
        "ignore": options.ignore,
        "keep": options.keep or None,
        "workers": options.workers or None,
        "progress": None
        if options.quiet
        else lambda name: show_progress(time.monotonic(), f"images of {name}"),
    }
    checkup = check_splits(splits, **work)
    print(to_text(checkup, options.limit))
    if options.fix:
        return int(_fix(options, splits, checkup, work))
    if options.json:
        write_json(options.json, checkup)
    return int(checkup.log.fails(strict=options.strict))


def _fix(options: argparse.Namespace, splits: list[Any], before: Any, work: dict[str, Any]) -> bool:
    """Write the mended copy, check it, print both; return whether the copy fails."""
    from panoptic_data.checking import check_splits
    from panoptic_data.checking.fixing import fix_splits
    from panoptic_data.checking.report import mends_text, to_dict, to_text, write_json

    kept = {key: work[key] for key in ("keep", "workers", "progress")}
    mended = fix_splits(splits, options.fix, copy_images=options.copy_images, **kept)
    print(f"\n{mends_text(mended, options.limit)}\n\nThe mended copy {options.fix}:\n")
    after = check_splits(mended.splits, **work)
    print(to_text(after, options.limit))
    if options.json:
        mends = [mend.to_dict() for mend in mended.log.kept]
        more = {"mends": mends, "mends_by_rule": dict(mended.log.by_rule), "left_out": mended.left_out}
        write_json(options.json, before, **more, after=to_dict(after))
    return bool(mended.left_out) or after.log.fails(strict=options.strict)


def _check_options(options: argparse.Namespace, parser: argparse.ArgumentParser, rules: list[str]) -> None:
    if options.root is None:
        parser.error("ROOT is missing: the root folder of a data set, or a panoptic JSON")
    unknown = sorted(set(options.ignore) - set(rules))
    if unknown:
        parser.error(f"--ignore {unknown[0]}: no such rule; --list-rules prints them")
    is_json = Path(options.root).suffix == ".json"
    if not is_json and (options.maps or options.images):
        parser.error("--maps and --images say where the files of a JSON are: give the JSON as ROOT")
    if is_json and options.split:
        parser.error("--split chooses a split of a root folder: a JSON is one split")
    if options.copy_images and not options.fix:
        parser.error("--copy-images: say --fix OUT, too")


def _find(options: argparse.Namespace) -> list[Any]:
    from panoptic_data.checks import require_folder
    from panoptic_data.splits import PanopticFiles, choose_split, files_split, find_splits

    path = Path(options.root)
    if path.suffix != ".json" or path.is_dir():
        splits = find_splits(path)
        return [choose_split(splits, options.split)] if options.split else splits
    if not path.is_file():
        msg = f"Expected a panoptic JSON at {path}, got no such file. Check the path."
        raise FileNotFoundError(msg)
    maps = Path(options.maps or path.with_suffix(""))
    require_folder(maps, "the PNGs of the JSON", "Name their folder by --maps.")
    images = Path(options.images) if options.images else None
    if images is not None:
        require_folder(images, "the images of the JSON", "Name their folder by --images.")
    return [files_split(path.stem, PanopticFiles(path, maps, images), path.parent)]


def _natural(text: str) -> int:
    if not text.isdecimal():
        msg = f"expected a whole number >= 0, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
