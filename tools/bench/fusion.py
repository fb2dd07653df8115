"""Benchmark of all fusions beside literal loops, other implementations, and an argmax of semantic scores."""

import argparse

from bench import centers, logits, masks, ranking
from bench._timing import Table


def run(args: argparse.Namespace) -> None:
    """Print all rows.

    Args:
        args: `repeats` is used if it is there.
    """
    repeats = getattr(args, "repeats", None) or 15
    table = Table("Fusion; slopes and memory on one thread")
    for part in (masks, ranking, centers, logits):
        part.add_rows(table, repeats)
    table.close()
