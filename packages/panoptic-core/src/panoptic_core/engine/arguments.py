"""The command line that ``tools/train.py`` and ``tools/test.py`` share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from mmengine.config import DictAction

from panoptic_core.engine.config import RunOptions
from panoptic_core.engine.config.options import AUTO
from panoptic_core.engine.distributed import LAUNCHERS, end_process
from panoptic_core.errors import CommandError
from panoptic_core.metrics import MEASURES
from panoptic_core.oracles import ORACLES, parse_oracles


def train_parser() -> argparse.ArgumentParser:
    """Return the parser of ``tools/train.py``."""
    parser = _parser("Train a model. All mistakes of the config are reported before anything is built.")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=AUTO,
        metavar="CHECKPOINT",
        help="go on with a run: from its newest whole checkpoint, or from the given one",
    )
    parser.add_argument("--load-from", metavar="CHECKPOINT", help="start from these weights, loaded by name")
    parser.add_argument("--amp", action="store_true", help="mixed precision (bfloat16; on old GPUs float16)")
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate linearly to the batch size, from the config's base_batch_size",
    )
    parser.add_argument(
        "--auto-scale-schedule",
        action="store_true",
        help="scale all numbers of iterations, so that this run sees as many images as the config means",
    )
    parser.add_argument("--seed", type=int, help="random seed (default: the config's)")
    return parser


def evaluation_parser() -> argparse.ArgumentParser:
    """Return the parser of ``tools/test.py``."""
    parser = _parser("Evaluate a checkpoint on the test set of a config.")
    parser.add_argument("checkpoint", help="weights that were trained with this config")
    parser.add_argument("--out", metavar="FOLDER", help="write predictions: PNG files and panoptic.json")
    parser.add_argument(
        "--labels", metavar="FOLDER", help="write the semantic map of each image: a PNG for panoptic-fuse"
    )
    parser.add_argument("--pictures", type=int, default=0, metavar="N", help="draw N images")
    parser.add_argument("--json", metavar="FILE", help="write the values as JSON")
    parser.add_argument(
        "--save-raw",
        metavar="FOLDER",
        help="write what the network says before fusion, for panoptic-fuse --raw",
    )
    parser.add_argument(
        "--save-logits", action="store_true", help="with --save-raw: class scores of all pixels too (large)"
    )
    parser.add_argument(
        "--stuff-report",
        action="store_true",
        help="also: how often the semantic head takes things for stuff and stuff for things; PQ, SQ, RQ and "
        "IoU of stuff before and after small stuff becomes void (docs/metrics.md)",
    )
    parser.add_argument(
        "--stuff-limit",
        type=_positive,
        metavar="PIXELS",
        help="with --stuff-report: what is small (default: the fusion's limit, else what is usual on the "
        "data set)",
    )
    parser.add_argument(
        "--extended",
        nargs="*",
        choices=MEASURES,
        metavar="MEASURE",
        help=f"also {', '.join(MEASURES)} of the final maps, or those that are named; at the end of the line "
        "(docs/metrics_extended.md)",
    )
    parser.add_argument(
        "--tta", action="store_true", help="test-time augmentation, as the config's block `tta` says"
    )
    parser.add_argument(
        "--ensemble",
        nargs=2,
        action="append",
        metavar=("CONFIG", "CHECKPOINT"),
        help="average with this network before fusion; may be given several times",
    )
    parser.add_argument(
        "--oracle",
        type=_oracles,
        default=(),
        metavar="+".join(f"[{name}]" for name in ORACLES),
        help="take these parts from the ground truth, such as `boxes+classes` (docs/oracles.md)",
    )
    parser.add_argument(
        "--truncate-boxes",
        type=_fraction,
        metavar="FRACTION",
        help="cut so much off every box before the fusion, and measure what comes back (docs/oracles.md)",
    )
    return parser


def prediction_parser() -> argparse.ArgumentParser:
    """Return the parser of ``tools/predict.py``."""
    parser = argparse.ArgumentParser(
        description="Write a picture, a panoptic PNG and a JSON of each image. Class names and colours come "
        "from the checkpoint."
    )
    parser.add_argument("config", help="the Python config file that the checkpoint was trained with")
    parser.add_argument("checkpoint", help="weights: a file, or a folder (its newest whole checkpoint)")
    parser.add_argument("images", help="an image, or a folder of images")
    parser.add_argument("--out", metavar="FOLDER", default="predictions", help="default: predictions")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument(
        "--affinity-at",
        nargs=2,
        type=int,
        action="append",
        default=[],
        metavar=("X", "Y"),
        help="also draw how much every pixel gives to this one (dense affinity); may be given several times",
    )
    return parser


def complexity_parser() -> argparse.ArgumentParser:
    """Return the parser of ``tools/complexity.py``."""
    parser = argparse.ArgumentParser(
        description="Count the parameters and multiply-adds of a config's network, without weights and data."
    )
    parser.add_argument("config", help="a Python config file")
    parser.add_argument(
        "--size",
        nargs=2,
        type=_positive,
        default=(800, 1333),
        metavar=("H", "W"),
        help="of the image, before padding (default: 800 1333)",
    )
    parser.add_argument(
        "--proposals",
        type=_positive,
        default=1000,
        metavar="N",
        help="boxes for the box head (default: 1000)",
    )
    parser.add_argument(
        "--masks", type=_positive, default=100, metavar="N", help="boxes for the mask head (default: 100)"
    )
    parser.add_argument(
        "--affinity",
        nargs=2,
        type=_positive,
        metavar=("C", "K"),
        help="also print what a dense affinity costs at a quarter of the size, explicit and factored, with C "
        "feature channels and a potential of K (the paper: 128 153); it is part of no count",
    )
    parser.add_argument("--json", metavar="FILE", help="write the counts as JSON")
    return parser


def to_options(arguments: argparse.Namespace) -> RunOptions:
    """Return what was typed as options of a run."""
    names = set(RunOptions.__dataclass_fields__)
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    return RunOptions(**given)


def run_command(command: Callable[[], object]) -> int:
    """Run a command and return its exit status. A process of a group ends here, with that status.

    Returns:
        0; the command's own status if it returns a number; 2 for what the user can cure, which is one message
        without a traceback.
    """
    try:
        status = command()
    except (CommandError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return end_process(2)
    return end_process(status if isinstance(status, int) else 0)


def _oracles(text: str) -> tuple[str, ...]:
    try:
        return parse_oracles(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _fraction(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        msg = f"Expected a fraction between 0 and 1, such as 0.25, got {text}."
        raise argparse.ArgumentTypeError(msg)
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = f"Expected a number of 1 or more, got {text}."
        raise argparse.ArgumentTypeError(msg)
    return number


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("config", help="a Python config file")
    parser.add_argument("--work-dir", metavar="FOLDER", help="where results go (default: work_dirs/CONFIG)")
    parser.add_argument("--data-root", metavar="FOLDER", help="where the data are, for every data set")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        default={},
        metavar="KEY=VALUE",
        help="override entries, such as train_dataloader.batch_size=2",
    )
    parser.add_argument(
        "--launcher", choices=LAUNCHERS, default="none", help="what has started the processes"
    )
    parser.add_argument(
        "--no-check", dest="check", action="store_false", help="build without checking the config first"
    )
    return parser
