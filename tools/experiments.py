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
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from _trainings import ROOT, Runs, Training, as_line, is_of, read_result, spread, write_result

TIME_LIMIT = 240  # seconds a training, or an evaluation


@dataclass(frozen=True)
class Test:
    """How ``tools/test.py`` evaluates a trained network in another way than its training did."""

    options: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    config: str | None = None  # another one, whose weights are the same

    def command(self, training: Training, work_dir: Path, values: Path) -> list[str]:
        """Return the arguments of Python; the metrics go to the file `values`."""
        own = [option for option in training.options if option.startswith("model.")]
        options = [*own, *self.options]
        return [
            *("tools/test.py", self.config or training.config, str(work_dir), *self.arguments),
            *("--work-dir", str(values.parent), "--json", str(values)),
            *(["--cfg-options", *options] if options else []),
        ]


@dataclass(frozen=True)
class Experiment:
    """Variants of one config that differ in a few options, and the metrics to compare them by."""

    config: str
    variants: dict[str, list[str]]
    metrics: dict[str, str]  # column title -> key of the metrics
    options: list[str] = field(default_factory=list)
    configs: dict[str, str] = field(default_factory=dict)  # variant -> its own config
    tests: dict[str, Test] = field(default_factory=dict)  # variant -> its own evaluation


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
    tests={
        variant: Test([f"model.panoptic_fusion_head.order={order}", "test_dataloader.dataset.num_images=151"])
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

# Table 1 of the dense-affinity paper, and what it has not: the loss alone. C1 and D1 are the networks of C2
# and D2 behind the heuristic.
AFFINITY = Experiment(
    config="configs/dense_affinity.py",
    variants={name: [] for name in ("A", "B", "C1", "C2", "loss without affinity", "D1", "D2")},
    configs={
        "A": "configs/dense_affinity_a.py",
        "B": "configs/dense_affinity_b.py",
        "C1": "configs/dense_affinity_c2.py",
        "C2": "configs/dense_affinity_c2.py",
        "loss without affinity": "configs/dense_affinity_no_affinity.py",
    },
    tests={
        "C1": Test(config="configs/dense_affinity_c1.py"),
        "D1": Test(config="configs/dense_affinity_d1.py"),
    },
    metrics={**PANOPTIC, "box AP": "instance/box_AP"},
    options=SHORTEST,
)
# Every box loses a quarter. The others, which do not look beyond their boxes, are there for comparison.
CUT = Test(arguments=["--truncate-boxes", "0.25"])

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
    "affinity": AFFINITY,
    "truncation": replace(
        AFFINITY,
        variants={name: [] for name in ("UPSNet-C", "UPSNet", *AFFINITY.variants)},
        configs={
            "UPSNet-C": "configs/upsnet_c.py",
            "UPSNet": "configs/upsnet.py",
            **AFFINITY.configs,
        },
        tests={
            name: replace(CUT, config=AFFINITY.tests[name].config if name in AFFINITY.tests else None)
            for name in ("UPSNet-C", "UPSNet", *AFFINITY.variants)
        },
        metrics={
            "% shown": "truncation/shown",
            "% recovered": "truncation/recovered",
            "% of it right": "truncation/precision",
            "PQ": "panoptic/PQ",
            "PQ_th": "panoptic/PQ_th",
            "PQ_st": "panoptic/PQ_st",
        },
    ),
}


def training_of(name: str, variant: str, seed: int) -> Training:
    """Return the training that a variant of an experiment needs."""
    experiment = EXPERIMENTS[name]
    options = (*experiment.options, *experiment.variants[variant])
    return Training(experiment.configs.get(variant, experiment.config), options, seed)


def results_of(runs: Runs, training: Training, wanted: list[tuple[str, str]]) -> list[dict]:
    """Return the result of each experiment and variant that uses a training; run what is missing."""
    return [result_of(runs, training, name, variant) for name, variant in wanted]


def result_of(runs: Runs, training: Training, name: str, variant: str) -> dict:
    """Return a variant's result: its JSON's, its training's, or that of an evaluation."""
    label = f"{variant.replace(' ', '_')}_seed{training.seed}"
    file = runs.out / name / f"{label}.json"
    values = runs.out / name / label / "metrics.json"
    commands = [training.command(runs.work_dir(training))]
    test = EXPERIMENTS[name].tests.get(variant)
    if test is not None:
        commands.append(test.command(training, runs.work_dir(training), values))
    lines = [as_line(command) for command in commands]
    found = read_result(file)
    if found is not None and is_of(found, lines):
        return found
    result = runs.train(training)
    if test is not None:
        seconds = runs.call(f"{name}: {variant}, seed {training.seed}", commands[1])
        metrics = json.loads(values.read_text(encoding="utf-8"))
        result = {**result, "seconds": round(result["seconds"] + seconds, 1), "metrics": metrics}
    result["commands"] = lines
    write_result(file, result)
    return result


def table(name: str, results: dict[str, list[dict]]) -> str:
    """Return the mean and the range over the seeds of each variant, as a Markdown table."""
    columns = EXPERIMENTS[name].metrics
    lines = [f"| {name} | runs | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for variant, runs in results.items():
        # null or missing: nothing to find, such as no pair of overlapping instances that were both found
        cells = [spread([one["metrics"].get(key) for one in runs]) for key in columns.values()]
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
                work.setdefault(training_of(name, variant, seed), []).append((name, variant))
    done: dict[str, dict[str, list[dict]]] = {
        name: {variant: [] for variant in EXPERIMENTS[name].variants} for name in names
    }
    missing = list(names)
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = pool.map(partial(results_of, runs), work.keys(), work.values())
        for wanted, results in zip(work.values(), outcomes, strict=True):
            for (name, variant), result in zip(wanted, results, strict=True):
                done[name][variant].append(result)
            for name in list(missing):
                if all(len(own) == len(seeds) for own in done[name].values()):
                    print(table(name, done[name]), flush=True)
                    missing.remove(name)


if __name__ == "__main__":
    main()
