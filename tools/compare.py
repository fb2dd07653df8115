"""All methods on generated scenes in one table: ``python tools/compare.py``.

Trains what has no checkpoint under ``work_dirs/compare``, each config by its own schedule, then tests it,
counts its parameters and multiply-adds, and times the trained network on the test images, one after another:
let the machine do nothing else then. Prints a Markdown table; ``compare.md`` and ``compare.json`` hold it and
all that it is made of, with the commands. What is finished is kept: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from _trainings import ROOT, Runs, Training, as_line, is_of, read_result, spread, write_result

TIME_LIMIT = 1200  # seconds a command

# As many as a config lets through: its proposals, and its detections. Maps have neither.
BOXES = ("--proposals", "64", "--masks", "100")


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    config: str
    timing: tuple[str, ...] = ()  # options that leave out what is predicted beside the panoptic map
    counting: tuple[str, ...] = field(default=BOXES)  # arguments of tools/complexity.py

    @property
    def name(self) -> str:
        """Of its files."""
        return Path(self.config).stem


METHODS = {
    "Panoptic FPN": Method("configs/panoptic_fpn.py"),
    "TASCNet": Method("configs/tascnet.py", timing=("model.predict_residual=False",)),
    "UPSNet": Method("configs/upsnet.py"),
    "OANet": Method("configs/oanet.py"),
    "Panoptic-DeepLab": Method("configs/panoptic_deeplab.py", counting=()),
    "Dense affinity": Method("configs/dense_affinity.py"),
}
SIZE = ("160", "160")  # of the scenes
METRICS = {name: f"panoptic/{name}" for name in ("PQ", "PQ_th", "PQ_st")} | {
    "mIoU": "semantic/mIoU",
    "box AP": "instance/box_AP",
    "mask AP": "instance/mask_AP",
}
PARTS = ("network", "fusion", "all")


@dataclass(frozen=True)
class Row:
    """One trained network of the table: its commands, and where they write."""

    method: Method
    training: Training
    runs: Runs
    checkpoint: str | None = None  # else its own training's
    repeats: int = 1
    threads: int = 1  # while it is timed

    @property
    def folder(self) -> Path:
        """Where its values are."""
        return self.runs.out / f"{self.method.name}_seed{self.training.seed}"

    @property
    def weights(self) -> str:
        """The checkpoint's folder or file."""
        return self.checkpoint or str(self.runs.work_dir(self.training))

    def commands(self) -> dict[str, list[str]]:
        """Return the arguments of Python of what follows the training, by the name of its JSON."""
        config, folder = self.method.config, self.folder
        timing = ["--cfg-options", *self.method.timing] if self.method.timing else []
        threads = ("--threads", str(self.threads), "--repeats", str(self.repeats))
        return {
            "metrics": [
                *("tools/test.py", config, self.weights),
                *("--work-dir", str(folder), "--json", str(folder / "metrics.json")),
            ],
            "complexity": [
                *("tools/complexity.py", config, "--size", *SIZE, *self.method.counting),
                *("--json", str(folder / "complexity.json")),
            ],
            "times": [
                *("tools/benchmark.py", "trained", config, self.weights, *threads),
                *("--json", str(folder / "times.json"), *timing),
            ],
        }

    def train(self) -> None:
        """Train, unless there is a checkpoint."""
        if self.checkpoint is None:
            self.runs.train(self.training)

    def result(self, names: Sequence[str]) -> dict[str, dict]:
        """Return the values of some of the commands; run what is missing or was another command's."""
        commands = self.commands()
        return {name: self._value(name, commands[name]) for name in names}

    def _value(self, name: str, command: list[str]) -> dict:
        file = self.folder / f"{name}.result.json"
        line = as_line(command)
        found = read_result(file)
        # Nobody tells when weights that are not our own have changed: they are looked at again.
        if found is not None and self.checkpoint is None and is_of(found, [line]):
            return found["values"]
        self.folder.mkdir(parents=True, exist_ok=True)
        self.runs.call(f"{self.method.name}, seed {self.training.seed}, {name}", command)
        values = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        write_result(file, {"commands": [line], "values": values})
        return values


def compare(rows: Sequence[Row], jobs: int = 1) -> list[dict]:
    """Do what is missing: trainings and tests side by side, then the times, one after another."""
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(Row.train, rows))
        found = list(pool.map(lambda row: row.result(["metrics", "complexity"]), rows))
    for row, values in zip(rows, found, strict=True):
        values.update(row.result(["times"]))
    results = []
    for row, values in zip(rows, found, strict=True):
        commands = [*row.commands().values()]
        if row.checkpoint is None:
            commands.insert(0, row.training.command(row.runs.work_dir(row.training)))
        facts = {"config": row.method.config, "seed": row.training.seed}
        results.append({**facts, "commands": [as_line(command) for command in commands], **values})
    return results


def table(names: Sequence[str], results: Sequence[dict]) -> str:
    """Return the Markdown table, a row a method: means over its seeds, with the range if there are several.

    Args:
        names: Of methods.
        results: Of :func:`compare`.
    """
    columns = [*METRICS, "parameters (M)", "multiply-adds (B)", *(f"{part} (ms)" for part in PARTS)]
    lines = ["| method | " + " | ".join(columns) + " |", "|---" + "|---:" * len(columns) + "|"]
    for name in names:
        own = [result for result in results if result["config"] == METHODS[name].config]
        if not own:
            continue
        cells = [spread([one["metrics"].get(key) for one in own], 1) for key in METRICS.values()]
        counts = own[0]["complexity"]
        cells += [f"{counts['parameters'] / 1e6:.2f}", f"{counts['multiply_adds'] / 1e9:.2f}"]
        # Seeds differ in what the fusion finds, hardly in time: no range.
        cells += [f"{statistics.fmean(one['times'][part] for one in own):.1f}" for part in PARTS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def checkpoints_of(given: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Read ``METHOD=PATH``, the method as the table or as its config is called.

    Raises:
        ValueError: If there is no such method, or no such path.
    """
    by_name = {key: name for name in names for key in (name, METHODS[name].name)}
    found = {}
    for text in given:
        key, _, path = text.partition("=")
        if key not in by_name or not Path(path).exists() or not path:
            msg = (
                f"Expected METHOD=PATH with one of {', '.join(METHODS[name].name for name in names)} and a "
                f"checkpoint's file or folder, got {text!r}."
            )
            raise ValueError(msg)
        found[by_name[key]] = str(Path(path).resolve())
    return found


def note(results: Sequence[dict]) -> str:
    """Say what the times are."""
    places = {tuple(result["times"][name] for name in ("hardware", "threads", "torch")) for result in results}
    where = " / ".join(f"{place[0]}, {place[1]} thread(s), torch {place[2]}" for place in sorted(places))
    return f"Times: {where}, float32, batch 1; medians over the test images."


def main() -> None:
    """Do what is missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    stems = {method.name: name for name, method in METHODS.items()}
    parser.add_argument("methods", nargs="*", choices=[*stems, []], help="configs; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=ROOT / "work_dirs" / "compare")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="METHOD=PATH",
        help="take these weights, with the first seed alone, and train nothing; may be given several times",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="of every training: its schedule or data, not the model",
    )
    cores = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=cores, help="commands side by side; default: one a core")
    parser.add_argument("--repeats", type=int, default=1, help="timed runs of each test image (default: 1)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads while timing (default: 1)")
    parser.add_argument(
        "--time-limit", type=float, default=TIME_LIMIT, metavar="SECONDS", help="that a command may take"
    )
    args = parser.parse_args()
    if any(option.startswith("model.") for option in args.cfg_options):
        parser.error("--cfg-options are the training's; the tests would not know of another `model`.")
    names = [stems[stem] for stem in args.methods] or list(METHODS)
    try:
        checkpoints = checkpoints_of(args.checkpoint, names)
    except ValueError as error:
        parser.error(str(error))
    runs = Runs(args.out.resolve(), max(1, cores // args.jobs), args.time_limit)
    rows = [
        Row(
            METHODS[name],
            Training(METHODS[name].config, tuple(args.cfg_options), seed),
            runs,
            checkpoints.get(name),
            args.repeats,
            args.threads,
        )
        for name in names
        for seed in (args.seeds[:1] if name in checkpoints else args.seeds)
    ]
    results = compare(rows, args.jobs)
    text = f"{table(names, results)}\n\n{note(results)}"
    write_result(runs.out / "compare.json", {"command": as_line(sys.argv), "rows": results})
    (runs.out / "compare.md").write_text(f"{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
