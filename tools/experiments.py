"""Seeded comparisons on generated scenes: resumable, one JSON a run, at most four minutes a training.

``python tools/experiments.py`` runs what is missing under ``work_dirs/experiments`` and prints the tables;
``python tools/experiments.py tasc --seeds 0 1 2`` one of them. A run is a training through ``tools/train.py``
with its evaluation; variants that differ at inference alone share one training, which ``tools/test.py``
evaluates for each. A JSON holds the commands, the seed, the seconds that they took and the metrics. Trainings
are kept under ``trainings/``, named by config, options and seed: none is done twice. Networks this small gain
little from a second thread: as many trainings as there are cores go side by side (``--jobs``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIME_LIMIT = 240  # seconds a training, or an evaluation


@dataclass(frozen=True)
class Experiment:
    """Variants of one config that differ in a few options, and the metrics to compare them by."""

    config: str
    variants: dict[str, list[str]]
    metrics: dict[str, str]  # column title -> key of the metrics
    options: list[str] = field(default_factory=list)
    configs: dict[str, str] = field(default_factory=dict)  # variant -> its own config
    inference: dict[str, list[str]] = field(default_factory=dict)  # variant -> options of tools/test.py


# The quick start's schedule, cut so that a run stays below the limit on a busy machine, too.
SHORTER = ["train_cfg.max_iters=1000", "train_cfg.val_interval=1000", "param_scheduler.1.end=1000"]

# Of networks with deformable convolutions, which cost half as much again.
SHORTEST = ["train_cfg.max_iters=700", "train_cfg.val_interval=700", "param_scheduler.1.end=700"]

PANOPTIC = {name: f"panoptic/{name}" for name in ("PQ", "PQ_th", "PQ_st", "SQ", "RQ")} | {
    "mIoU": "semantic/mIoU",
    "mask AP": "instance/mask_AP",
}
# What lies on top has to be shown, though what lies below is surer (OANet, Table 3). One network a seed: the
# variants differ in the order in which instances are laid. 51 scenes have 16 backpacks, hence 151.
RANKING = Experiment(
    config="configs/oanet.py",
    variants={"detection score": [], "spatial ranking": []},
    inference={
        variant: [f"model.panoptic_fusion_head.order={order}", "test_dataloader.dataset.num_images=151"]
        for variant, order in (("detection score", "score"), ("spatial ranking", "ranking"))
    },
    metrics={
        "% on top with the lower score": "occlusion/upper_scores_lower",
        "% on top and shown": "occlusion/upper_shown",
        "PQ backpack": "panoptic/PQ/backpack",
        "PQ person": "panoptic/PQ/person",
        "PQ": "panoptic/PQ",
        "PQ_th": "panoptic/PQ_th",
        "PQ_st": "panoptic/PQ_st",
    },
    options=SHORTER,
)

EXPERIMENTS = {
    # Does the consistency loss bring the two heads together, and what becomes of PQ? (TASCNet, Table 4)
    "tasc": Experiment(
        config="configs/tascnet.py",
        variants={f"lambda {weight}": [f"model.tasc_weight={weight}"] for weight in ("0", "0.1", "1.0")},
        metrics={
            "residual": "tasc/residual",
            "PQ": "panoptic/PQ",
            "PQ_th": "panoptic/PQ_th",
            "PQ_st": "panoptic/PQ_st",
            "mIoU": "semantic/mIoU",
            "mask AP": "instance/mask_AP",
        },
        options=["model.predict_residual=True", *SHORTER],
    ),
    # What do panoptic loss and panoptic logits bring? (UPSNet, Tables 7 to 9)
    "upsnet": Experiment(
        config="configs/upsnet.py",
        variants={"UPSNet-C": [], "UPSNet-CP": [], "UPSNet": []},
        configs={"UPSNet-C": "configs/upsnet_c.py", "UPSNet-CP": "configs/upsnet_cp.py"},
        metrics=PANOPTIC,
        options=SHORTEST,
    ),
    # And the unknown channel? (UPSNet, Table 6) With it, it is the UPSNet of the comparison above.
    "unknown": Experiment(
        config="configs/upsnet.py",
        variants={
            "unknown off": ["model.unknown=False", "model.panoptic_fusion_head.unknown=False"],
            "unknown on": [],
        },
        metrics=PANOPTIC,
        options=SHORTEST,
    ),
    "ranking": RANKING,
    # Backpacks are rarer in training than in the test: most score lower than their wearers.
    "ranking_rare": replace(
        RANKING, options=[*RANKING.options, "train_dataloader.dataset.settings.backpack=0.3"]
    ),
}


@dataclass(frozen=True)
class Training:
    """What decides a trained network."""

    config: str
    options: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, name: str, variant: str, seed: int) -> Training:
        """Return the training that a variant of an experiment needs."""
        experiment = EXPERIMENTS[name]
        options = (*experiment.options, *experiment.variants[variant])
        return cls(experiment.configs.get(variant, experiment.config), options, seed)

    @property
    def folder(self) -> str:
        """Of its own: two trainings share it only if they are the same."""
        digest = hashlib.sha256(json.dumps([self.config, self.options]).encode()).hexdigest()
        return f"{Path(self.config).stem}-{digest[:10]}-seed{self.seed}"

    def command(self, work_dir: Path) -> list[str]:
        """Return the arguments of Python."""
        options = [*self.options, f"randomness.seed={self.seed}"]
        return ["tools/train.py", self.config, "--work-dir", str(work_dir), "--cfg-options", *options]


@dataclass(frozen=True)
class Runs:
    """Where results are, and how commands are run."""

    out: Path
    threads: int = 1
    time_limit: float = TIME_LIMIT

    def results(self, training: Training, wanted: list[tuple[str, str]]) -> list[dict]:
        """Return the result of each experiment and variant that uses a training; run what is missing."""
        return [self.result(training, name, variant) for name, variant in wanted]

    def result(self, training: Training, name: str, variant: str) -> dict:
        """Return a variant's result: its JSON's, its training's, or that of an evaluation."""
        label = f"{variant.replace(' ', '_')}_seed{training.seed}"
        file = self.out / name / f"{label}.json"
        work_dir = self.out / "trainings" / training.folder
        commands = [training.command(work_dir)]
        inference = EXPERIMENTS[name].inference.get(variant)
        if inference is not None:
            values = self.out / name / label / "metrics.json"
            own = [option for option in training.options if option.startswith("model.")]
            commands.append(
                [
                    *("tools/test.py", training.config, str(work_dir), "--work-dir", str(values.parent)),
                    *("--json", str(values), "--cfg-options", *own, *inference),
                ]
            )
        lines = [f"python {' '.join(command)}" for command in commands]
        found = _read(file)
        if found is not None and _same(found, lines):
            return found
        result = self.train(training)
        if inference is not None:
            seconds = self.call(f"{name}: {variant}, seed {training.seed}", commands[1])
            metrics = json.loads(values.read_text(encoding="utf-8"))
            result = {**result, "seconds": round(result["seconds"] + seconds, 1), "metrics": metrics}
        result["commands"] = lines
        _write(file, result)
        return result

    def train(self, training: Training) -> dict:
        """Train, unless it is done already; return commands, seed, seconds and metrics."""
        work_dir = self.out / "trainings" / training.folder
        file = work_dir.with_suffix(".json")
        command = training.command(work_dir)
        found = _read(file)
        if found is not None:
            return found
        shutil.rmtree(work_dir, ignore_errors=True)
        seconds = self.call(f"training {training.folder}", command)
        metrics = json.loads((work_dir / "metrics.json").read_text(encoding="utf-8"))
        result = {
            "commands": [f"python {' '.join(command)}"],
            "seed": training.seed,
            "seconds": round(seconds, 1),
            "metrics": metrics,
        }
        _write(file, result)
        return result

    def call(self, what: str, command: list[str]) -> float:
        """Run a command and return the seconds it took."""
        print(f"{what}: python {' '.join(command)}", flush=True)
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
        return time.monotonic() - begun


def _read(file: Path) -> dict | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _write(file: Path, result: dict) -> None:
    """Write a result; a kill leaves no half file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.tmp")
    partial.write_text(json.dumps(result, indent=1), encoding="utf-8")
    partial.replace(file)


def _same(result: dict, commands: list[str]) -> bool:
    """Whether a result is that of these commands, wherever they wrote; else its options have changed."""
    own = result["commands"] if "commands" in result else [result["command"]]  # before trainings were shared
    return [_without_folders(line) for line in own] == [_without_folders(line) for line in commands]


def _without_folders(command: str) -> str:
    command = re.sub(r" --(work-dir|json) \S+", "", command)
    return re.sub(r"\S*/trainings/", "", command)


def table(name: str, results: dict[str, list[dict]]) -> str:
    """Return the mean and the range over the seeds of each variant, as a Markdown table."""
    columns = EXPERIMENTS[name].metrics
    lines = [f"| {name} | runs | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for variant, runs in results.items():
        cells = []
        for key in columns.values():
            # null: nothing to find, such as no pair of overlapping instances that were both detected
            values = [one["metrics"][key] for one in runs if one["metrics"][key] is not None]
            if not values:
                cells.append("-")
                continue
            digits = 4 if max(values) < 1 else 1
            spread = f"{min(values):.{digits}f} to {max(values):.{digits}f}"
            cells.append(f"{statistics.fmean(values):.{digits}f} ({spread})")
        lines.append(f"| {variant} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the missing runs and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*EXPERIMENTS, []], help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "work_dirs" / "experiments")
    cores = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=cores, help="trainings side by side; default: one a core")
    parser.add_argument(
        "--time-limit",
        type=float,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help=f"that a training, or an evaluation, may take; default: {TIME_LIMIT}. "
        "More for a machine that does other work as well",
    )
    args = parser.parse_args()
    runs = Runs(args.out.resolve(), max(1, cores // args.jobs), args.time_limit)
    compare(args.names or list(EXPERIMENTS), args.seeds, runs, args.jobs)


def compare(names: list[str], seeds: list[int], runs: Runs, jobs: int = 1) -> None:
    """Run what is missing, each training once, and print the table of each experiment when it is whole."""
    work: dict[Training, list[tuple[str, str]]] = {}
    for name in names:
        # Seed by seed, so that an interrupted comparison still compares.
        for seed in seeds:
            for variant in EXPERIMENTS[name].variants:
                work.setdefault(Training.of(name, variant, seed), []).append((name, variant))
    done: dict[str, dict[str, list[dict]]] = {
        name: {variant: [] for variant in EXPERIMENTS[name].variants} for name in names
    }
    missing = list(names)
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = pool.map(runs.results, work.keys(), work.values())
        for wanted, results in zip(work.values(), outcomes, strict=True):
            for (name, variant), result in zip(wanted, results, strict=True):
                done[name][variant].append(result)
            for name in list(missing):
                if all(len(own) == len(seeds) for own in done[name].values()):
                    print(table(name, done[name]), flush=True)
                    missing.remove(name)


if __name__ == "__main__":
    main()
