"""Evaluate a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``; ``--help`` lists the options."""

import sys

from panoptic_core.engine.arguments import evaluation_parser, run_command, to_options
from panoptic_core.engine.distributed import end_process
from panoptic_core.engine.runs import evaluate


def main() -> int:
    """Read the arguments and evaluate."""
    arguments = evaluation_parser().parse_args()
    return run_command(
        lambda: evaluate(
            to_options(arguments),
            out=arguments.out,
            labels=arguments.labels,
            pictures=arguments.pictures,
            json_path=arguments.json,
            raw=arguments.save_raw,
            raw_logits=arguments.save_logits,
            truncate=arguments.truncate_boxes,
            stuff_report=arguments.stuff_report or arguments.stuff_limit is not None,
            stuff_limit=arguments.stuff_limit,
            report=arguments.report,
            worst=arguments.worst,
            extended=arguments.extended,
        )
    )


if __name__ == "__main__":
    sys.exit(end_process(main()))
