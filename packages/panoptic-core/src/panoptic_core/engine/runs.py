"""Train, evaluate, predict: what the tools do after they have read their arguments."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS, DefaultScope

from panoptic_core.categories import CategoryTable
from panoptic_core.complexity import Complexity, measure
from panoptic_core.engine.config import ConfigError, RunOptions, prepare_config
from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.distributed import join_processes, leave_processes
from panoptic_core.engine.ensembles import join_ensemble
from panoptic_core.engine.prediction_files import predict_files
from panoptic_core.engine.runner import PanopticRunner
from panoptic_core.engine.stuff_report import report_stuff
from panoptic_core.engine.values import write_values
from panoptic_core.evaluation.raw_writer import RawOutputsWriter
from panoptic_core.inference import load_model
from panoptic_core.oracles import apply_oracles


def train(options: RunOptions) -> PanopticRunner:
    """Train as a config and options say.

    Returns:
        The runner, after training.

    Raises:
        ConfigError: If the config has mistakes; nothing was built then.
    """
    _leave_out_noise()
    cfg, notes = prepare_config(options, "train")
    join_processes(options.launcher)
    try:
        runner: PanopticRunner = PanopticRunner.from_cfg(cfg)
        for note in notes:
            runner.logger.info(note)
        runner.train()
    finally:
        leave_processes()
    return runner


def evaluate(
    options: RunOptions,
    *,
    out: str | None = None,
    labels: str | None = None,
    pictures: int = 0,
    json_path: str | None = None,
    raw: str | None = None,
    raw_logits: bool = False,
    stuff_report: bool = False,
    stuff_limit: int | None = None,
) -> dict[str, Any]:
    """Evaluate a checkpoint.

    Args:
        options: With ``checkpoint`` set.
        out: Write prediction files (PNG and JSON) into this folder.
        labels: Write label PNGs of the semantic maps into this folder.
        pictures: Draw so many images (image, ground truth, prediction, mismatch) into the work folder.
        json_path: Write the values there; NaN becomes null.
        raw: Write what the network says before fusion into this folder, an npz file an image.
        raw_logits: With the class scores of all pixels, which some fusions need, and which are large.
        stuff_report: Measure what the semantic head confuses and what trimming small stuff does, too: see
            :mod:`panoptic_core.engine.stuff_report`.
        stuff_limit: Pixels, for the stuff report; by default the fusion's limit, else the data set's usual
            one.

    Returns:
        The values by name.

    Raises:
        ConfigError: If the config has mistakes; nothing was built then.
        OracleError: If the model cannot be tested with an oracle.
    """
    _leave_out_noise()
    cfg, _ = prepare_config(options, "test")
    for folder, writer in ((out, "PanopticWriter"), (labels, "LabelWriter")):
        if folder is not None:
            evaluators = cfg.test_evaluator
            evaluators = list(evaluators) if isinstance(evaluators, list | tuple) else [evaluators]
            cfg.test_evaluator = [*evaluators, {"type": f"panoptic_core.{writer}", "out": folder}]
    hooks = [hook for hook in cfg.custom_hooks if "PredictionPicturesHook" not in str(hook.get("type"))]
    if pictures > 0:
        hooks.insert(0, {"type": "panoptic_core.PredictionPicturesHook", "num_images": pictures})
    cfg.custom_hooks = hooks
    join_processes(options.launcher)
    try:
        runner: PanopticRunner = PanopticRunner.from_cfg(cfg)
        if options.ensemble:
            _join_ensemble(runner, options)
        if options.oracle:
            _apply_oracles(runner, options.oracle)
        if raw is not None:
            _keep_raw(runner.model, raw, logits=raw_logits, config=str(options.config))
        if stuff_report:
            report_stuff(runner, str(options.config), stuff_limit)
        values = runner.test()
        if json_path is not None and is_main_process():
            write_values(json_path, values)
    finally:
        leave_processes()
    return values


def predict(config: str, checkpoint: str, images: str, out: str, device: str | None = None) -> int:
    """Predict an image or a folder and say what was done.

    Returns:
        0, or 1 if an image could not be read; those are named at the end.
    """
    _leave_out_noise()
    model = load_model(config, checkpoint, device)
    unreadable = predict_files(model, images, out, print)
    print(f"Pictures, PNG maps and JSON files: `{out}`.")  # noqa: T201
    for sentence in unreadable:
        print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
    return 1 if unreadable else 0


def count_network(
    config: str | Path,
    size: tuple[int, int],
    *,
    num_boxes: int = 1000,
    num_masks: int = 100,
    json_path: str | None = None,
) -> Complexity:
    """Count the parameters and multiply-adds of a config's network, and print them.

    The network is built and run on the meta device: no weights, no data, hardly any time or memory.

    Args:
        config: The config file; also one of MMDetection's.
        size: ``(H, W)`` of the image.
        num_boxes: How many boxes the box head is given.
        num_masks: How many boxes the mask head is given.
        json_path: Write the counts there.
    """
    _leave_out_noise()
    cfg = load_config(config)
    scope = DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmengine")
    with scope, torch.device("meta"):
        model = MODELS.build(cfg.model)
    counts = measure(model, size, num_boxes=num_boxes, num_masks=num_masks)
    height, width = counts.size
    heads = f", {num_boxes} boxes, {num_masks} masks" if hasattr(model, "roi_head") else ""
    print(f"{type(model).__name__}, one image of {height} x {width}{heads}\n{counts.to_table()}")  # noqa: T201
    if json_path is not None:
        Path(json_path).write_text(counts.to_json() + "\n", encoding="utf-8")
    return counts


def _join_ensemble(runner: PanopticRunner, options: RunOptions) -> None:
    metainfo = runner.test_dataloader.dataset.metainfo
    table = CategoryTable.from_metainfo(metainfo) if "num_things" in metainfo else None
    join_ensemble(runner.model, options.ensemble, tta=options.tta, table=table)
    runner.logger.info(f"Ensemble of {len(options.ensemble) + 1} networks.")


def _apply_oracles(runner: PanopticRunner, names: Sequence[str]) -> None:
    apply_oracles(runner.model.module if is_model_wrapper(runner.model) else runner.model, names)
    runner.logger.warning(
        f"Oracle: {' and '.join(names)} of the ground truth. The values are no results of the model."
    )


def _keep_raw(model: Any, folder: str, *, logits: bool, config: str) -> None:
    """Let a detector write its raw outputs; class scores only if asked for, or if its fusion reads them."""
    detector = getattr(model, "module", model)
    if not hasattr(detector, "raw_transforms"):
        msg = (
            f"--save-raw needs a detector with `raw_transforms`, got {type(detector).__name__}. Leave it out."
        )
        raise ConfigError(config, [msg])
    detector.raw_transforms.append(RawOutputsWriter(folder))
    detector.keep_sem_logits = detector.keep_sem_logits or logits


def _leave_out_noise() -> None:
    """Leave out warnings of the layers below that nobody who runs a tool can act on."""
    for message in (
        ".*(OMP|MKL)_NUM_THREADS environment variable",
        ".*`broadcast_buffers` is deprecated",
        ".*`torch.jit.",
    ):
        warnings.filterwarnings("ignore", message=message)


__all__ = ["ConfigError", "RunOptions", "count_network", "evaluate", "predict", "train"]
