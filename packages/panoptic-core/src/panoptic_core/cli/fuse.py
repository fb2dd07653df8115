"""``panoptic-fuse``: saved instance and semantic predictions become panoptic PNGs, by any fusion."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panoptic_core.__about__ import __version__
from panoptic_core.cli.evaluate import positive
from panoptic_core.files import PanopticFileError, atomic_path
from panoptic_core.fusing import (
    METHODS,
    FusionMethod,
    SavedOutputs,
    SettingError,
    SweepRow,
    find_method,
    fuse_folders,
    sweep_folders,
)
from panoptic_core.fusing.images import KNOWN
from panoptic_core.progress import show_progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0, or 1 if files are missing or wrong: one line on stderr then says which and what to do. A wrong
        option exits with 2.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        method, settings, grid = _read_options(args, parser)
        _run(args, method, settings, grid)
    except SettingError as error:
        parser.error(str(error))
    except (PanopticFileError, OSError) as error:
        print(f"panoptic-fuse: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\npanoptic-fuse: stopped", file=sys.stderr)
        return 130
    return 0


def report(rows: Sequence[SweepRow], method: str, num_images: int) -> str:
    """Return the table of a sweep, the best row first, and the best setting as options."""
    names = list(rows[0].settings)
    cells = [[*names, "PQ", "PQ_th", "PQ_st"]]
    for row in rows:
        groups = (row.result.all, row.result.things, row.result.stuff)
        values = ["-" if group.pq != group.pq else f"{group.pq:.2f}" for group in groups]
        cells.append([*(_shown(row.settings[name]) for name in names), *values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in cells]
    title = f"Method {method}, {num_images} images, {len(rows)} settings, panoptic quality in percent"
    table = [title, "", lines[0], "-" * len(lines[0]), *lines[1:]]
    if names:
        table += ["", f"Best: --set {_as_options(rows[0].settings)}"]
    return "\n".join(table)


def write_json(path: Path, rows: Sequence[SweepRow], args: argparse.Namespace, fixed: Mapping) -> None:
    """Write a sweep for programs, the best row first; a value that does not exist is null."""
    content = {
        "method": args.method,
        "settings": dict(fixed),
        "best": dict(rows[0].settings),
        "rows": [{"settings": dict(row.settings)} | row.result.to_dict() for row in rows],
        "inputs": {name: _text(getattr(args, name)) for name in ("images", "instances", "semantic", "raw")},
        "gt_json": _text(args.gt_json),
        "version": __version__,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _run(args: argparse.Namespace, method: str, settings: dict[str, Any], grid: dict[str, list[Any]]) -> None:
    if args.json and not args.json.parent.is_dir():
        msg = f"Expected the folder {args.json.parent} for --json, but there is none. Make it first."
        raise FileNotFoundError(msg)
    outputs = SavedOutputs.open(
        args.images,
        instances=args.instances,
        semantic=args.semantic,
        raw=args.raw,
        semantic_ids=args.semantic_ids,
        categories=args.categories,
    )
    count = len(outputs.images.images)
    if outputs.num_ignored:
        print(f"{outputs.num_ignored} instances of images that are not listed were ignored.", file=sys.stderr)
    if args.sweep is not None:
        rows = sweep_folders(
            outputs,
            grid,
            gt_json=args.gt_json,
            gt_folder=args.gt_folder,
            method=method,
            settings=settings,
            workers=args.workers,
            progress=None if args.quiet else show_progress(time.monotonic()),
        )
        print(report(rows, method, count))
        if args.json:
            write_json(args.json, rows, args, settings)
        settings = {**settings, **rows[0].settings}
    if args.out:
        fused = fuse_folders(
            outputs,
            args.out,
            args.out_folder,
            method=method,
            settings=settings,
            with_scores=args.scores,
            workers=args.workers,
            progress=None if args.quiet else show_progress(time.monotonic()),
        )
        print(f"{fused.num_images} images, {fused.num_segments} segments: {fused.json_path}, {fused.folder}/")


def _read_options(
    args: argparse.Namespace, parser: argparse.ArgumentParser
) -> tuple[str, dict[str, Any], dict[str, list[Any]]]:
    """Check what belongs together and read the settings."""
    method = find_method(args.method)
    if args.images is None and args.gt_json is None:
        parser.error("expected --images: a COCO JSON with `images`, e.g. the ground truth's")
    args.images = args.images or args.gt_json
    args.gt_json = args.gt_json or args.images
    if args.sweep is None and args.out is None:
        parser.error("expected --out (a JSON to write), or --sweep")
    if args.sweep is None and args.json is not None:
        parser.error("expected --json with --sweep only: it holds the sweep's table; --out names the result")
    if args.out_folder is not None and args.out is None:
        parser.error("expected --out with --out-folder")
    if args.out is not None and not args.out.endswith(".json"):
        parser.error(f"expected --out to be a file name that ends with .json, got {args.out}")
    _keep_truth(args, parser)
    settings: dict[str, Any] = {}
    for name, values in _settings(method, args.set or []):
        if len(values) != 1 or name in settings:
            msg = f"Expected one value of `{name}` in --set, got several. To try several use --sweep."
            raise SettingError(msg)
        settings[name] = values[0]
    grid: dict[str, list[Any]] = {}
    for name, values in _settings(method, args.sweep or []):
        if name in grid or len(set(values)) < len(values):
            msg = f"Expected `{name}` once in --sweep with distinct values, got repetitions."
            raise SettingError(msg)
        grid[name] = values
    return method.name, settings, grid


def _keep_truth(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse an output in the place of the ground truth; `fuse_folders` looks after the other inputs."""
    if args.out is None:
        return
    truth, out = Path(args.gt_json), Path(args.out)
    pairs = [
        (out, truth),
        (Path(args.out_folder or out.with_suffix("")), args.gt_folder or truth.with_suffix("")),
    ]
    for path, kept in pairs:
        if path.resolve() == Path(kept).resolve():
            parser.error(f"expected an output beside the ground truth, not in its place: {path}")


def _settings(method: FusionMethod, texts: Sequence[str]) -> list[tuple[str, list[Any]]]:
    return [method.read_setting(text) for text in texts]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="panoptic-fuse",
        description="Fuse saved instance and semantic predictions into panoptic PNGs and a JSON, "
        "or sweep over the settings of a fusion.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--images", help="COCO JSON with `images` and `categories`; default: --gt-json")
    add("--instances", help="COCO results JSON with RLE masks, or a folder of RawOutputs .npz")
    add("--semantic", help="folder of label PNGs or RawOutputs .npz, called as the images")
    add("--raw", help="folder of RawOutputs .npz for all that is not given otherwise")
    add("--method", default="confidence", help=f"{', '.join(METHODS)}; default: confidence")
    add(
        "--set", nargs="+", action="extend", metavar="NAME=VALUE", help="settings of the method, listed below"
    )
    add("--out", metavar="JSON", help="JSON to write; after a sweep: by the best setting")
    add("--out-folder", help="folder of its PNGs; default: the JSON's path without .json")
    add("--scores", action="store_true", help="write each segment's score into the JSON")
    add("--categories", help=f"{', '.join(KNOWN)} or a JSON; default: the categories of --images")
    add(
        "--semantic-ids",
        choices=("labels", "dataset"),
        default="labels",
        help="what label PNGs hold: labels from 0, things first (default), or the data set's category ids",
    )
    add(
        "--sweep",
        nargs="*",
        action="extend",
        metavar="NAME=A,B",
        help="try all combinations against the ground truth",
    )
    add("--gt-json", help="JSON of the ground truth of a sweep; default: --images")
    add("--gt-folder", help="its PNGs; default: the JSON's path without .json")
    add("--json", metavar="OUT", type=Path, help="write the sweep's table as a JSON file too")
    add("--workers", type=positive, help="threads; default: one a CPU, at most 8")
    add("--quiet", action="store_true", help="show no progress")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _epilog() -> str:
    lines = ["settings and their defaults:"]
    for method in METHODS.values():
        shown = " ".join(f"{option.name}={_shown(option.default)}" for option in method.options.values())
        lines.append(f"  {method.name}: {shown}")
    lines += [
        "",
        "example: panoptic-fuse --images panoptic_val2017.json --instances maskrcnn.segm.json",
        "         --semantic pspnet_labels/ --sweep overlap=0.3,0.5 score=0.4,0.6 --out fused.json",
    ]
    return "\n".join(lines)


def _as_options(settings: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_shown(value)}" for name, value in settings.items())


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
