"""How hard each branch pulls at the backbone (OANet, section 4.3 and figure 5)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from panoptic_heads.registry import HOOKS


@HOOKS.register_module()
class GradientBalanceHook(Hook):
    """Record the mean absolute gradient of each branch at the backbone's last feature map.

    As in figure 5, the stuff loss counts with weight 1, whatever the training gives it. Each measurement
    costs one backward pass from the losses to that map and changes nothing that is trained. What the first
    process sees goes into a file of JSON lines, and into the log as ``gradient_instance`` and
    ``gradient_stuff``.

    Args:
        interval: Iterations from one measurement to the next.
        file: Inside the work folder.
    """

    def __init__(self, interval: int = 50, file: str = "gradient_balance.jsonl") -> None:
        if interval < 1:
            msg = f"Expected `interval` to be at least 1, got {interval}."
            raise ValueError(msg)
        self.interval = interval
        self.file = file

    def before_train(self, runner: Any) -> None:
        """Refuse a model that has no branches to compare."""
        model = _unwrapped(runner)
        if not hasattr(model, "measure_gradients"):
            msg = f"Expected a model with two branches, got {type(model).__name__}. This hook is OANet's."
            raise TypeError(msg)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Ask for a measurement when its turn has come."""
        _unwrapped(runner).measure_gradients = runner.iter % self.interval == 0

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Keep what was measured."""
        model = _unwrapped(runner)
        if not model.measure_gradients:
            return
        model.measure_gradients = False
        for branch, value in model.gradient_balance.items():
            runner.message_hub.update_scalar(f"train/gradient_{branch}", value)
        if is_main_process():
            line = json.dumps({"iter": runner.iter + 1, **model.gradient_balance})
            with Path(runner.work_dir, self.file).open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def _unwrapped(runner: Any) -> Any:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
