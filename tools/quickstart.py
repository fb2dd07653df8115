"""Train TASCNet and the Panoptic FPN baseline on generated scenes and compare them, in minutes on two cores.

``python tools/quickstart.py`` (what ``nox -s quickstart`` runs). Results are under ``work_dirs/quickstart``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from panoptic_core.engine.arguments import run_command
from panoptic_core.engine.runs import RunOptions, train

ROOT = Path(__file__).resolve().parent.parent
RUNS = {"TASCNet": "configs/tascnet.py", "Panoptic FPN": "configs/panoptic_fpn.py"}
COLUMNS = {
    "PQ": "panoptic/PQ",
    "PQ_th": "panoptic/PQ_th",
    "PQ_st": "panoptic/PQ_st",
    "mIoU": "semantic/mIoU",
    "box AP": "instance/box_AP",
    "mask AP": "instance/mask_AP",
}


def compare(out: Path) -> None:
    """Train every method of ``RUNS`` into its own folder below ``out`` and print one table."""
    rows = [f"{'method':<14}" + "".join(f"{title:>9}" for title in COLUMNS) + "   minutes"]
    folders = []
    for number, (name, config) in enumerate(RUNS.items(), start=1):
        print(f"\n[{number}/{len(RUNS)}] {name}: {config}\n", flush=True)
        folder = out / Path(config).stem
        begun = time.monotonic()
        train(RunOptions(config=str(ROOT / config), work_dir=str(folder)))
        minutes = (time.monotonic() - begun) / 60
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        cells = (metrics.get(key) for key in COLUMNS.values())
        rows.append(f"{name:<14}" + "".join(f"{_cell(value):>9}" for value in cells) + f"{minutes:10.1f}")
        folders.append(folder)
    print("\nOn generated scenes that training never saw:\n")
    print("\n".join(rows))
    print("\nPictures (image | ground truth | prediction | mismatch) and checkpoints:")
    for folder in folders:
        print(f"  {folder}")


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "work_dirs" / "quickstart")
    arguments = parser.parse_args()
    return run_command(lambda: compare(arguments.out))


if __name__ == "__main__":
    sys.exit(main())
