"""Time the parts of this project beside their peers: ``python tools/benchmark.py PART``.

Each row is a ratio of medians of one run, in which peer and ours take turns, with the bar that it should
meet.
The bodies are in ``tools/bench/``, one file a part.

``python tools/benchmark.py speed CONFIG...`` times one image of whole models instead, and
``python tools/benchmark.py trained CONFIG CHECKPOINT`` a trained one on the images of its test set.
"""

import argparse
import importlib
import sys
from pathlib import Path

PARTS = ("fusion", "metrics", "loading", "ops")


def main() -> None:
    """Run the named parts one after another, or time the models of configs."""
    sys.path.insert(0, str(Path(__file__).parent))
    if sys.argv[1:2] in (["speed"], ["trained"]):
        importlib.import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts",
        nargs="+",
        choices=[*PARTS, "centers", "affinity", "photos", "all"],
        metavar="PART",
        help=f"{', '.join(PARTS)}, centers (a part of fusion), affinity (of training), photos (of 24 "
        "megapixels) or all, without these three",
    )
    parser.add_argument("--repeats", type=int, help="timed rounds; default: each part's own")
    parser.add_argument("--threads", type=int, help="torch threads; default: torch's own")
    args = parser.parse_args()
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    for part in PARTS if "all" in args.parts else args.parts:
        print(f"== {part} ==")
        importlib.import_module(f"bench.{part}").run(args)
        print()


if __name__ == "__main__":
    main()
