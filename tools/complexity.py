"""Count a network's parameters and multiply-adds: ``python tools/complexity.py CONFIG --size 800 1333``."""

import sys

from panoptic_core.engine.arguments import complexity_parser, run_command
from panoptic_core.engine.runs import count_network


def main() -> int:
    """Read the arguments and count."""
    arguments = complexity_parser().parse_args()
    return run_command(
        lambda: count_network(
            arguments.config,
            tuple(arguments.size),
            num_boxes=arguments.proposals,
            num_masks=arguments.masks,
            affinity=arguments.affinity and tuple(arguments.affinity),
            json_path=arguments.json,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
