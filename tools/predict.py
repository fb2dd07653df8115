"""Predict images: ``python tools/predict.py CONFIG CHECKPOINT IMAGE_FOLDER_OR_VIDEO --out FOLDER``."""

import sys

from panoptic_core.engine.arguments import prediction_parser, run_command
from panoptic_core.engine.runs import predict


def main() -> int:
    """Read the arguments and predict."""
    arguments = prediction_parser().parse_args()
    return run_command(
        lambda: predict(
            arguments.config,
            arguments.checkpoint,
            arguments.images,
            arguments.out,
            arguments.device,
            [(x, y) for x, y in arguments.affinity_at],
            arguments.every,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
