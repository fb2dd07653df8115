"""Seeded comparisons on generated scenes: resumable, one JSON a run, at most four minutes each.

``python tools/experiments.py`` runs what is missing under ``work_dirs/experiments`` and prints the tables;
``python tools/experiments.py tasc --seeds 0 1 2`` one of them. A run is a training through ``tools/train.py``
followed by its evaluation; its JSON holds the command, the seed, the seconds and the metrics. Networks this
small gain little from a second thread: as many runs as there are cores go side by side (``--jobs``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIME_LIMIT = 240  # seconds a run


@dataclass(frozen=True)
class Experiment:
    """Variants of one config that differ in a few options, and the metrics to compare them by."""

    config: str
    variants: dict[str, list[str]]
    metrics: dict[str, str]  # column title -> key of the metrics
    options: list[str] = field(default_factory=list)
    configs: dict[str, str] = field(default_factory=dict)  # variant -> its own config


# The quick start's schedule, cut so that a run stays below the limit on a busy machine, too.
SHORTER = ["train_cfg.max_iters=1000", "train_cfg.val_interval=1000", "param_scheduler.1.end=1000"]

# Of networks with deformable convolutions, which cost half as much again.
SHORTEST = ["train_cfg.max_iters=700", "train_cfg.val_interval=700", "param_scheduler.1.end=700"]

PANOPTIC = {name: f"panoptic/{name}" for name in ("PQ", "PQ_th", "PQ_st", "SQ", "RQ")} | {
    "mIoU": "semantic/mIoU",
    "mask AP": "instance/mask_AP",
}
# What lies on top has to be shown, though what lies below is surer (OANet, Table 3). Both variants of a seed
# train the same network; they differ in the order in which instances are laid.
RANKING = Experiment(
    config="configs/oanet.py",
    variants={
        "detection score": ["model.panoptic_fusion_head.order=score"],
        "spatial ranking": ["model.panoptic_fusion_head.order=ranking"],
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
    options=[*SHORTER, "val_dataloader.dataset.num_images=151"],  # 51 scenes have 16 backpacks
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
    # And the unknown channel? (UPSNet, Table 6)
    "unknown": Experiment(
        config="configs/upsnet.py",
        variants={
            f"unknown {word}": [f"model.unknown={on}", f"model.panoptic_fusion_head.unknown={on}"]
            for word, on in (("off", False), ("on", True))
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


def run(name: str, variant: str, seed: int, folder: Path, threads: int) -> dict:
    """Train and evaluate one variant with one seed, unless its JSON is there already."""
    experiment = EXPERIMENTS[name]
    label = f"{variant.replace(' ', '_')}_seed{seed}"
    result_file = folder / name / f"{label}.json"
    if result_file.exists():
        return json.loads(result_file.read_text(encoding="utf-8"))
    work_dir = folder / name / label
    options = [*experiment.options, *experiment.variants[variant], f"randomness.seed={seed}"]
    command = [
        *("tools/train.py", experiment.configs.get(variant, experiment.config)),
        *("--work-dir", str(work_dir)),
        *("--cfg-options", *options),
    ]
    print(f"{name}: {variant}, seed {seed}: python {' '.join(command)}", flush=True)
    begun = time.monotonic()
    try:
        subprocess.run(  # noqa: S603
            [sys.executable, *command],
            cwd=ROOT,
            check=True,
            timeout=TIME_LIMIT,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
    except subprocess.TimeoutExpired:
        msg = (
            f"error: {label} of {name} took more than {TIME_LIMIT} seconds: the machine is slow or busy. "
            "Run the same command again, with --jobs 1 if need be; finished runs are kept."
        )
        raise SystemExit(msg) from None
    metrics = json.loads((work_dir / "metrics.json").read_text(encoding="utf-8"))
    result = {
        "command": f"python {' '.join(command)}",
        "seed": seed,
        "seconds": round(time.monotonic() - begun, 1),
        "metrics": metrics,
    }
    partial = result_file.with_suffix(".tmp")
    partial.write_text(json.dumps(result, indent=1), encoding="utf-8")
    partial.replace(result_file)
    return result


def table(name: str, results: dict[str, list[dict]]) -> str:
    """Return the mean and the range over the seeds of each variant, as a Markdown table."""
    columns = EXPERIMENTS[name].metrics
    lines = [f"| {name} | runs | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for variant, runs in results.items():
        cells = []
        for key in columns.values():
            values = [one["metrics"][key] for one in runs]
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
    parser.add_argument("--jobs", type=int, default=cores, help="runs side by side; default: one a core")
    args = parser.parse_args()
    threads = max(1, cores // args.jobs)
    for name in args.names or EXPERIMENTS:
        variants = EXPERIMENTS[name].variants
        # Seed by seed, so that an interrupted comparison still compares.
        work = [(variant, seed) for seed in args.seeds for variant in variants]
        with ThreadPoolExecutor(args.jobs) as pool:
            done = list(pool.map(lambda one, name=name: run(name, *one, args.out, threads), work))
        results = {
            variant: [result for (own, _), result in zip(work, done, strict=True) if own == variant]
            for variant in variants
        }
        print(table(name, results))


if __name__ == "__main__":
    main()
