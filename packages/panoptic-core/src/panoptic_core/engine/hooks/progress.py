"""What runs, on how much data, where results go: said once at the start and once at the end."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from panoptic_core.engine.values import write_values
from panoptic_core.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Say what a run does and what it leaves behind; keep the last validation as ``metrics.json``."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self._started = time.monotonic()

    def before_run(self, runner: Any) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def before_train(self, runner: Any) -> None:
        """Say what is trained, on what, for how long."""
        images = len(runner.train_dataloader.dataset)
        loader = runner.train_dataloader
        batch = (loader.batch_size or getattr(loader.batch_sampler, "batch_size", 1)) * get_world_size()
        steps = f"{runner.max_epochs} passes" if _by_epoch(runner) else f"{runner.max_iters} iterations"
        learnable = sum(weight.numel() for weight in runner.model.parameters() if weight.requires_grad)
        runner.logger.info(
            f"Training {_model_name(runner)} ({learnable / 1e6:.2f} M learnable weights) on {images} images: "
            f"{steps} with batches of {batch}, on {_device(runner)}. Results: `{runner.work_dir}`, "
            f"log file: `{runner.log_dir}`."
        )

    def before_val(self, runner: Any) -> None:
        """Say on how many images is validated."""
        runner.logger.info(f"Validating on {len(runner.val_dataloader.dataset)} images.")

    def after_val_epoch(self, runner: Any, metrics: dict[str, Any] | None = None) -> None:
        """Write the values of the newest validation into the work folder."""
        if metrics and is_main_process():
            write_values(Path(runner.work_dir, "metrics.json"), metrics)

    def before_test(self, runner: Any) -> None:
        """Say what is tested."""
        images = len(runner.test_dataloader.dataset)
        runner.logger.info(f"Testing {_model_name(runner)} on {images} images, on {_device(runner)}.")

    def after_run(self, runner: Any) -> None:
        """Say how long it took and where everything is."""
        spent = dt.timedelta(seconds=round(time.monotonic() - self._started))
        lines = [f"Done in {spent}."]
        for hook in runner.hooks:
            if getattr(hook, "last_ckpt", None):
                lines.append(f"Last checkpoint: {hook.last_ckpt}")
            if getattr(hook, "best_ckpt_path", None):
                lines.append(f"Best checkpoint: {hook.best_ckpt_path}")
            if getattr(hook, "written_to", None):
                lines.append(f"Pictures: {hook.written_to}")
        runner.logger.info("\n".join(lines))


def _by_epoch(runner: Any) -> bool:
    return "Epoch" in type(runner.train_loop).__name__


def _model_name(runner: Any) -> str:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return type(model).__name__


def _device(runner: Any) -> str:
    device = next(runner.model.parameters()).device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    count = get_world_size()
    return name if count == 1 else f"{count} x {name}"
