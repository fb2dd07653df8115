"""Train and evaluate: what the tools do after they have read their arguments."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process

from panoptic_core.engine.config import ConfigError, RunOptions, prepare_config
from panoptic_core.engine.distributed import join_processes, leave_processes
from panoptic_core.engine.runner import PanopticRunner


def train(options: RunOptions) -> PanopticRunner:
    """Train as a config and options say.

    Returns:
        The runner, after training.

    Raises:
        ConfigError: If the config has mistakes; nothing was built then.
    """
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
    options: RunOptions, *, out: str | None = None, pictures: int = 0, json_path: str | None = None
) -> dict[str, Any]:
    """Evaluate a checkpoint.

    Args:
        options: With ``checkpoint`` set.
        out: Write prediction files (PNG and JSON) into this folder.
        pictures: Draw so many images (image, ground truth, prediction, mismatch) into the work folder.
        json_path: Write the values there; NaN becomes null.

    Returns:
        The values by name.

    Raises:
        ConfigError: If the config has mistakes; nothing was built then.
    """
    cfg, _ = prepare_config(options, "test")
    if out is not None:
        evaluators = cfg.test_evaluator
        evaluators = list(evaluators) if isinstance(evaluators, list | tuple) else [evaluators]
        cfg.test_evaluator = [*evaluators, {"type": "panoptic_core.PanopticWriter", "out": out}]
    hooks = [hook for hook in cfg.custom_hooks if "PredictionPicturesHook" not in str(hook.get("type"))]
    if pictures > 0:
        hooks.insert(0, {"type": "panoptic_core.PredictionPicturesHook", "num_images": pictures})
    cfg.custom_hooks = hooks
    join_processes(options.launcher)
    try:
        runner: PanopticRunner = PanopticRunner.from_cfg(cfg)
        values = runner.test()
        if json_path is not None and is_main_process():
            _write_json(Path(json_path), values)
    finally:
        leave_processes()
    return values


def _write_json(path: Path, values: dict[str, Any]) -> None:
    plain = {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


__all__ = ["ConfigError", "RunOptions", "evaluate", "train"]
