"""``panoptic-data convert``: other people's formats, and one's own masks, to COCO-panoptic files."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panoptic_data.converting import Plan, SplitOutcome

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
    _add_cityscapes(formats)
    _add_masks(formats)


def _add_format(
    formats: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    plan: "Callable[[argparse.Namespace], Plan]",
    source: str,
    text: str,
) -> argparse.ArgumentParser:
    """Add one format with the options that all have."""
    parser = formats.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("source", metavar="SRC", type=Path, help=source)
    parser.add_argument("out", metavar="OUT", type=Path, help="root folder of the new data set")
    parser.add_argument(
        "--images",
        choices=("link", "copy", "none"),
        default="link",
        help="how photographs get to OUT/SPLIT; copies where links cannot be made (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="processes (default: one a CPU, at most 8)"
    )
    parser.add_argument(
        "--restart", action="store_true", help="convert everything anew, whatever an earlier run left in OUT"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_run, plan=plan)
    return parser


def _add_cityscapes(formats: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.cityscapes import plan_cityscapes

        return plan_cityscapes(options.source, options.splits)

    parser = _add_format(
        formats,
        "cityscapes",
        plan,
        "the folder that holds leftImg8bit and gtFine",
        "Cityscapes as downloaded; ids and segments as csCreatePanopticImgs writes them",
    )
    _add_splits(parser)


def _add_masks(formats: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def plan(options: argparse.Namespace) -> "Plan":
        from panoptic_data.converting.masks import plan_masks

        return plan_masks(
            options.source,
            options.classes,
            image_folder=options.image_folder,
            mask_folder=options.mask_folder,
            instance_folder=options.instance_folder,
            void=options.void,
            lonely=options.no_instance,
            split=options.split,
            val=options.val,
            splits=options.splits,
        )

    parser = _add_format(
        formats,
        "masks",
        plan,
        "the folder that holds images, masks and perhaps instances; or a folder of splits that do",
        "your own label PNGs: grey, palette or RGB, with or without instance PNGs",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV with id (the value in the masks), name, isthing and perhaps color; or JSON `categories`",
    )
    for name, folder in (("image", "images"), ("mask", "masks"), ("instance", "instances")):
        parser.add_argument(
            f"--{name}-folder", default=folder, metavar="NAME", help="its name in SRC (default: %(default)s)"
        )
    parser.add_argument(
        "--void",
        nargs="+",
        default=["255"],
        metavar="VALUE",
        help="values (0) and colours ('#000000') that are no class (default: 255)",
    )
    parser.add_argument(
        "--no-instance",
        choices=("crowd", "components", "void"),
        help="what thing pixels without an instance become (default: connected regions if there are no "
        "instance PNGs, else a crowd)",
    )
    _add_split(parser)
    _add_splits(parser)


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", default="train", metavar="NAME", help="name of the split (default: %(default)s)"
    )
    parser.add_argument(
        "--val",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="put about so many percent of the images into a split val, by their names (default: none)",
    )


def _add_splits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--splits", nargs="+", metavar="NAME", help="which splits, such as train val (default: all there are)"
    )


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


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        msg = f"expected a whole number >= 1, got {text}"
        raise argparse.ArgumentTypeError(msg)
    return value
