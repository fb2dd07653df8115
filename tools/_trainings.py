"""What the comparing tools share: trainings and evaluations that are done once, and found again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Training:
    """What decides a trained network."""

    config: str
    options: tuple[str, ...]
    seed: int

    @property
    def folder(self) -> str:
        """Of its own: two trainings share it only if they are the same, down to their configs' texts."""
        parts = [self.config, self.options, *texts_of(ROOT / self.config)]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"{Path(self.config).stem}-{digest[:10]}-seed{self.seed}"

    def command(self, work_dir: Path) -> list[str]:
        """Return the arguments of Python."""
        options = [*self.options, f"randomness.seed={self.seed}"]
        return ["tools/train.py", self.config, "--work-dir", str(work_dir), "--cfg-options", *options]


def texts_of(config: Path) -> list[str]:
    """Return the text of a config and of the base files that it reads: a change makes another training."""
    text = config.read_text(encoding="utf-8")
    bases = re.findall(r"^ *from \.+(_base_[.\w]+) import", text, flags=re.MULTILINE)
    files = [ROOT / "configs" / f"{base.replace('.', '/')}.py" for base in bases]
    return [text, *(file.read_text(encoding="utf-8") for file in files)]


@dataclass(frozen=True)
class Runs:
    """Where results are, and how commands are run.

    Attributes:
        out: Trainings go to ``out/trainings``.
        threads: Of each command.
        time_limit: Seconds that a command may take.
    """

    out: Path
    threads: int = 1
    time_limit: float = 240

    def work_dir(self, training: Training) -> Path:
        """Return where a training's checkpoints are."""
        return self.out / "trainings" / training.folder

    def train(self, training: Training) -> dict:
        """Train, unless it is done already; return commands, seed, seconds and metrics."""
        work_dir = self.work_dir(training)
        file = work_dir.with_suffix(".json")
        command = training.command(work_dir)
        found = read_result(file)
        if found is not None:
            return found
        shutil.rmtree(work_dir, ignore_errors=True)
        seconds = self.call(f"training {training.folder}", command)
        metrics = json.loads((work_dir / "metrics.json").read_text(encoding="utf-8"))
        result = {
            "commands": [as_line(command)],
            "seed": training.seed,
            "seconds": round(seconds, 1),
            "metrics": metrics,
        }
        write_result(file, result)
        return result

    def call(self, what: str, command: list[str]) -> float:
        """Run a command and return the seconds it took."""
        print(f"{what}: {as_line(command)}", flush=True)
        begun = time.monotonic()
        try:
            subprocess.run(  # noqa: S603
                [sys.executable, *command],
                cwd=ROOT,
                check=True,
                timeout=self.time_limit,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": str(self.threads)},
            )
        except subprocess.TimeoutExpired:
            msg = (
                f"error: {what} took more than {self.time_limit:g} seconds: the machine is slow or busy. Run "
                "the same command again, with --jobs 1 or a higher --time-limit; finished runs are kept."
            )
            raise SystemExit(msg) from None
        except subprocess.CalledProcessError as error:
            msg = (
                f"error: {what} has ended with status {error.returncode}; what it said is above. Finished "
                "runs are kept."
            )
            raise SystemExit(msg) from None
        return time.monotonic() - begun


def as_line(command: Sequence[str]) -> str:
    """Return the command as it would be typed."""
    return f"python {' '.join(command)}"


def read_result(file: Path) -> dict | None:
    """Return what :func:`write_result` wrote, or None."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def write_result(file: Path, result: dict) -> None:
    """Write a result; a kill leaves no half file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.tmp")
    partial.write_text(json.dumps(result, indent=1), encoding="utf-8")
    partial.replace(file)


def is_of(result: dict, lines: list[str]) -> bool:
    """Whether a result is that of these commands, wherever they wrote; else its options have changed."""
    own = result["commands"] if "commands" in result else [result["command"]]  # before trainings were shared
    return [_without_folders(line) for line in own] == [_without_folders(line) for line in lines]


def _without_folders(command: str) -> str:
    command = re.sub(r" --(work-dir|json) \S+", "", command)
    return re.sub(r"\S*/trainings/", "", command)


def spread(values: Sequence[Any], digits: int | None = None) -> str:
    """Return the mean and the range of numbers as text; ``-`` if all are None.

    Args:
        values: None where a run does not have the value.
        digits: After the point; by default 1, or 4 if no number reaches 1.
    """
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    if digits is None:
        digits = 4 if max(known) < 1 else 1
    mean = f"{statistics.fmean(known):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(known):.{digits}f} to {max(known):.{digits}f})"
