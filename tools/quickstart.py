"""Train TASCNet and the Panoptic FPN baseline on generated scenes and compare them, in minutes on two cores.

``python tools/quickstart.py`` (``nox -s quickstart`` runs it). Results are under ``work_dirs/quickstart``.
The two trainings run side by side: networks this small gain little from a second thread.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

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


def compare(out: Path) -> int:
    """Train every method of ``RUNS`` into its own folder below ``out`` and print one table."""
    begun = time.monotonic()
    folders = {name: out / Path(config).stem for name, config in RUNS.items()}
    processes = {name: _start(name, config, folders[name]) for name, config in RUNS.items()}
    readers = [threading.Thread(target=_relay, args=(name, process)) for name, process in processes.items()]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    except KeyboardInterrupt:
        for process in processes.values():
            process.terminate()
        raise
    failed = [name for name, process in processes.items() if process.wait() != 0]
    if failed:
        print(f"error: {', '.join(failed)} did not finish; its last lines say why.", file=sys.stderr)
        return 1

    print(f"\nOn generated scenes that training never saw ({(time.monotonic() - begun) / 60:.1f} minutes):\n")
    print(f"{'method':<14}" + "".join(f"{title:>9}" for title in COLUMNS))
    for name, folder in folders.items():
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        cells = (metrics.get(key) for key in COLUMNS.values())
        print(f"{name:<14}" + "".join(f"{_cell(value):>9}" for value in cells))
    print("\nPictures (image | ground truth | prediction | mismatch) and checkpoints:")
    for folder in folders.values():
        print(f"  {folder}")
    return 0


def _start(name: str, config: str, folder: Path) -> subprocess.Popen[str]:
    shutil.rmtree(folder, ignore_errors=True)  # numbers of an earlier run must not be taken for this one's
    threads = max(1, (os.cpu_count() or 1) // len(RUNS))
    command = [sys.executable, "-u", "tools/train.py", config, "--work-dir", str(folder)]
    print(f"[{name}] python tools/train.py {config} --work-dir {folder}", flush=True)
    return subprocess.Popen(  # noqa: S603
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _relay(name: str, process: subprocess.Popen[str]) -> None:
    """Print a process's lines as they come, with its name in front."""
    assert process.stdout is not None
    for line in process.stdout:
        print(f"[{name}] {line}", end="", flush=True)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "work_dirs" / "quickstart")
    return compare(parser.parse_args().out)


if __name__ == "__main__":
    sys.exit(main())
