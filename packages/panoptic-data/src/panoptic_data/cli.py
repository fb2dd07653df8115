"""The command ``panoptic-data``: generate scenes, look at data sets."""

import argparse
import sys
import time
from collections.abc import Sequence

from panoptic_data.__about__ import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Its words; None = those of the process.

    Returns:
        0, or 1 after an error that was printed.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        print(f"panoptic-data: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="panoptic-data", description="Make and look at panoptic data sets.")
    parser.add_argument("--version", action="version", version=f"panoptic-data {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_generate(commands)
    _add_show(commands)
    return parser


def _add_generate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from panoptic_data.generator.settings import DEFAULT_SIZE, SceneSettings

    default = "x".join(map(str, DEFAULT_SIZE))
    parser = commands.add_parser(
        "generate",
        help="make street-like scenes with panoptic ground truth",
        description="Make street-like scenes: images, panoptic.json with its PNGs, instances.json. "
        "Same seed, same bytes.",
    )
    parser.add_argument("out", metavar="OUT", help="folder to write; new or empty")
    parser.add_argument(
        "--images", type=int, default=100, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--size", default=default, metavar="S", help="128 or 128x192, height x width (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="K", help="another seed, other scenes (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="NAME=VALUE",
        help="change a setting, e.g. --set crowd=0 --set things=2,6; the names are the fields of "
        f"{SceneSettings.__module__}.SceneSettings",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if an earlier run wrote it")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes that draw (default: one a CPU, at most 8)"
    )
    parser.set_defaults(run=_generate)


def _add_show(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "show",
        help="draw the ground truth of a data set",
        description="Draw images and their ground truth. Reads what `generate` writes, COCO-panoptic files, "
        "and Cityscapes as downloaded.",
    )
    parser.add_argument("root", metavar="ROOT", help="root folder of the data set")
    parser.add_argument("--split", help="which split, such as val2017 (default: the validation split)")
    parser.add_argument(
        "--out", default="shown", metavar="DIR", help="folder for the pictures (default: %(default)s)"
    )
    parser.add_argument(
        "--limit", type=int, default=8, metavar="N", help="how many images (default: %(default)s)"
    )
    parser.set_defaults(run=_show)


def _generate(options: argparse.Namespace) -> None:
    from panoptic_data.generator import SceneSettings, write_scenes

    settings = SceneSettings().with_changes(options.changes)
    start = time.monotonic()
    step = max(1, options.images // 10)

    def progress(done: int) -> None:
        if done % step == 0 or done == options.images:
            print(f"{done} of {options.images} scenes, {time.monotonic() - start:.1f} s", flush=True)

    root = write_scenes(
        options.out,
        options.images,
        options.size,
        options.seed,
        settings,
        overwrite=options.overwrite,
        progress=progress,
        workers=options.workers,
    )
    print(f"Written: {root} (images, panoptic.json, panoptic, instances.json)")


def _show(options: argparse.Namespace) -> None:
    from panoptic_data.show import choose_split, find_splits, show_truth

    splits = find_splits(options.root)
    split = choose_split(splits, options.split)
    others = ", ".join(other.name for other in splits if other is not split)
    print(f"Split {split.name}" + (f" (also there: {others})" if others else ""))
    for path, truth in show_truth(split, options.out, options.limit):
        crowds = int(truth.iscrowd.sum())
        things = int(truth.is_thing.sum()) - crowds
        void = float((truth.id_map == 0).float().mean())
        print(
            f"{path}: {things} things, {len(truth) - things - crowds} stuff, {crowds} crowd, {void:.1%} void"
        )
