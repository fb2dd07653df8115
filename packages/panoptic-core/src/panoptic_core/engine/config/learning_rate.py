"""The linear scaling rule: k times the batch, k times the learning rate (Goyal et al., arXiv:1706.02677)."""

from __future__ import annotations

from typing import Any


def real_batch_size(cfg: dict[str, Any], processes: int) -> int:
    """Return how many images one step of the optimizer sees: per process, processes, accumulated steps."""
    loader = cfg["train_dataloader"]
    sampler = loader.get("batch_sampler") or {}
    per_process = loader.get("batch_size") or sampler.get("batch_size") or 1
    return int(per_process * processes * cfg["optim_wrapper"].get("accumulative_counts", 1))


def scale_learning_rate(cfg: dict[str, Any], processes: int) -> str:
    """Scale the optimizer's learning rate if ``auto_scale_lr`` is enabled, and say what was done.

    MMEngine's own scaling is switched off: it forgets accumulated steps.

    Args:
        cfg: The config, changed in place.
        processes: Number of training processes.

    Returns:
        A sentence for the log; empty if the batch is the one that the learning rate was chosen for.
    """
    scaling = cfg.get("auto_scale_lr") or {}
    base = scaling.get("base_batch_size")
    batch = real_batch_size(cfg, processes)
    if not base or base == batch:
        return ""
    optimizer = cfg["optim_wrapper"]["optimizer"]
    old = optimizer["lr"]
    new = old * batch / base
    sentence = f"The learning rate {old:g} was chosen for batches of {base} images; this run has {batch}."
    if not scaling.get("enable"):
        return f"{sentence} It is kept; --auto-scale-lr makes it {new:g}."
    optimizer["lr"] = new
    cfg["auto_scale_lr"] = {**scaling, "enable": False}
    return f"{sentence} It is scaled to {new:g}."
