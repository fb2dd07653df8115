"""Log lines that a person can follow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from mmengine.runner import LogProcessor

from panoptic_core.registry import LOG_PROCESSORS

_TIMES = ("time", "data_time")
_HEADLINES = ("PQ", "PQ_th", "PQ_st", "mIoU", "box_AP", "mask_AP")
_NOT_SHOWN = ("iter", "epoch", "base_lr", "memory", "loss", "lr", "grad_norm", *_TIMES)


@LOG_PROCESSORS.register_module()
class ReadableLogProcessor(LogProcessor):
    """MMEngine's ``LogProcessor`` (the same arguments) with lines for people.

    ``train  50/160 (31%) | left 0:00:18 | 0.165 s/it (data 0.004) | lr 3.0e-03 | loss 2.134 = rpn_cls 0.310 +
    ...``. What goes to the JSON log and to TensorBoard is unchanged.
    """

    def get_log_after_iter(self, runner: Any, batch_idx: int, mode: str) -> tuple[dict[str, Any], str]:
        """Return the values for the log files and the line for the console."""
        tag, _ = super().get_log_after_iter(runner, batch_idx, mode)
        values = {key.removeprefix(f"{mode}/"): value for key, value in tag.items()}
        parts = [self._where(runner, batch_idx, mode)]
        if "eta" in runner.message_hub.runtime_info:
            left = dt.timedelta(seconds=int(runner.message_hub.get_info("eta")))
            parts.append(f"left {left}")
        if "time" in values:
            parts.append(f"{values['time']:.3f} s/it (data {values.get('data_time', 0):.3f})")
        if mode == "train":
            parts += _training_parts(values)
        if "memory" in tag:
            parts.append(f"{tag['memory']} MiB")
        return tag, " | ".join(parts)

    def get_log_after_epoch(
        self, runner: Any, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Return the values for the log files and the line for the console, headlines only."""
        tag, _ = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        numbers = {name: value for name, value in tag.items() if isinstance(value, int | float)}
        headlines = {name: value for name, value in numbers.items() if name.rpartition("/")[2] in _HEADLINES}
        shown = headlines or {name: value for name, value in numbers.items() if name not in _TIMES}
        parts = [f"{name.rpartition('/')[2]} {value:.2f}" for name, value in shown.items()]
        ending = f" ({numbers['time']:.3f} s a batch)" if "time" in numbers else ""
        return tag, f"{mode} done: {', '.join(parts)}{ending}"

    def _where(self, runner: Any, batch_idx: int, mode: str) -> str:
        if mode == "train" and not self.by_epoch:
            done, total, prefix = runner.iter + 1, runner.max_iters, ""
        else:
            done, total, prefix = batch_idx + 1, self._get_dataloader_size(runner, mode), ""
            if mode == "train":
                prefix = f"epoch {runner.epoch + 1}/{runner.max_epochs}, "
        return f"{mode}  {prefix}{str(done).rjust(len(str(total)))}/{total} ({100 * done // max(total, 1)}%)"


def _training_parts(values: Mapping[str, Any]) -> list[str]:
    parts = [f"lr {values['lr']:.1e}"] if "lr" in values else []
    losses = {name: value for name, value in values.items() if "loss" in name and name not in _NOT_SHOWN}
    others = {name: value for name, value in values.items() if "loss" not in name and name not in _NOT_SHOWN}
    if "loss" in values:
        terms = " + ".join(f"{_short(name)} {value:.3f}" for name, value in losses.items())
        parts.append(f"loss {values['loss']:.3f}" + (f" = {terms}" if terms else ""))
    parts += [f"{name} {value:.3g}" for name, value in others.items() if isinstance(value, int | float)]
    if "grad_norm" in values:
        parts.append(f"gradient {values['grad_norm']:.2f}")
    return parts


def _short(name: str) -> str:
    short = name.replace("loss_", "").replace("_loss", "")
    return short or name
