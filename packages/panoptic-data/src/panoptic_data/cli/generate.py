"""``panoptic-data generate``: make street-like scenes."""

import argparse
import time


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
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
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
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
