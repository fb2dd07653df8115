"""The command ``panoptic-data``: make, look at, count and check data sets; one module a command."""

import argparse
import os
import sys
from collections.abc import Sequence

from panoptic_data.__about__ import __version__
from panoptic_data.cli import check, convert, generate, show, stats


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Its words; None = those of the process.

    Returns:
        0, or what the command returned: 1 after an error that was printed, or if it found what it looks for,
        130 if it was stopped by Ctrl-C. A wrong option exits with 2.
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # `... | head`: who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        print(f"panoptic-data: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\npanoptic-data: stopped", file=sys.stderr)
        return 130
    return int(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="panoptic-data", description="Make, look at, check and count panoptic data sets."
    )
    parser.add_argument("--version", action="version", version=f"panoptic-data {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (generate, convert, check, stats, show):
        command.add(commands)
    return parser
