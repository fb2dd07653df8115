"""Train a model: ``python tools/train.py configs/tascnet.py``; ``--help`` lists the options."""

import sys

from panoptic_core.engine.arguments import run_command, to_options, train_parser
from panoptic_core.engine.distributed import end_process
from panoptic_core.engine.runs import train


def main() -> int:
    """Read the arguments and train."""
    arguments = train_parser().parse_args()
    return run_command(lambda: train(to_options(arguments)))


if __name__ == "__main__":
    sys.exit(end_process(main()))
