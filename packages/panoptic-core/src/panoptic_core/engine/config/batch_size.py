"""Another batch than the config's: the learning rate, and the length of the schedule.

The linear scaling rule: k times the batch, k times the learning rate (Goyal et al., arXiv:1706.02677). The
schedule in proportion: as many images are seen, and the rate falls after as many.
"""

from __future__ import annotations

from typing import Any

# What MMEngine's schedulers take as numbers of iterations.
_LENGTHS = ("begin", "end", "milestones", "step_size", "T_max", "total_steps", "periods")
_WITHOUT_LENGTH = ("ExponentialLR", "ExponentialMomentum", "ExponentialParamScheduler")  # a factor a step


def images_of_an_iteration(cfg: dict[str, Any], processes: int) -> int:
    """Return how many images all processes load in one iteration, accumulated or not."""
    loader = cfg["train_dataloader"]
    sampler = loader.get("batch_sampler") or {}
    return int((loader.get("batch_size") or sampler.get("batch_size") or 1) * processes)


def real_batch_size(cfg: dict[str, Any], processes: int) -> int:
    """Return how many images one step of the optimizer sees: per process, processes, accumulated steps."""
    return images_of_an_iteration(cfg, processes) * int(cfg["optim_wrapper"].get("accumulative_counts", 1))


def scale_learning_rate(cfg: dict[str, Any], processes: int) -> str:
    """Scale the optimizer's learning rate if ``auto_scale_lr`` is enabled, and say what was done.

    MMEngine's own scaling is switched off in any case: it forgets accumulated steps.

    Args:
        cfg: The config, changed in place.
        processes: Number of training processes.

    Returns:
        A sentence for the log; empty if the batch is the one that the learning rate was chosen for.
    """
    scaling = cfg.get("auto_scale_lr") or {}
    base = scaling.get("base_batch_size")
    batch = real_batch_size(cfg, processes)
    if scaling.get("enable"):
        cfg["auto_scale_lr"] = {**scaling, "enable": False}
    if not base or base == batch:
        return ""
    optimizer = cfg["optim_wrapper"]["optimizer"]
    old = optimizer["lr"]
    new = old * batch / base
    sentence = f"The learning rate {old:g} was chosen for batches of {base} images; this run has {batch}."
    if not scaling.get("enable"):
        return f"{sentence} It is kept; --auto-scale-lr makes it {new:g}."
    optimizer["lr"] = new
    return f"{sentence} It is scaled to {new:g}."


def scale_schedule(cfg: dict[str, Any], processes: int) -> str:
    """Scale everything that counts iterations, so that a run sees as many images as the config means.

    These are ``max_iters``, ``val_interval`` and the schedulers' lengths. An iteration loads
    one batch, also where several are accumulated: MMEngine counts and schedules iterations, not steps of the
    optimizer. What counts epochs stays.

    Args:
        cfg: The config, changed in place.
        processes: Number of training processes.

    Returns:
        A sentence for the log.

    Raises:
        ValueError: If the config does not say which batch its schedule is for, or a scheduler has no length.
    """
    base = (cfg.get("auto_scale_lr") or {}).get("base_batch_size")
    if not base:
        msg = (
            "`--auto-scale-schedule`: the config does not say which batch its schedule is for. Add "
            "`auto_scale_lr = dict(base_batch_size=16)` with its number of images."
        )
        raise ValueError(msg)
    batch = images_of_an_iteration(cfg, processes)
    factor = base / batch
    loop = cfg["train_cfg"]
    changes = []
    for key in ("max_iters", "val_interval"):
        if loop.get("max_iters") and loop.get(key):
            changes.append(f"{key} {loop[key]} -> {_scaled(loop[key], factor)}")
            loop[key] = _scaled(loop[key], factor)
    schedulers = cfg.get("param_scheduler") or []
    for scheduler in schedulers if isinstance(schedulers, list | tuple) else [schedulers]:
        _scale_scheduler(scheduler, factor)
    return (
        f"The schedule was made for {base} images an iteration; this run loads {batch}. "
        f"{', '.join([*changes, 'lengths of schedulers'])} times {factor:g}."
    )


def _scale_scheduler(scheduler: dict[str, Any], factor: float) -> None:
    """Scale one scheduler in place."""
    if scheduler.get("by_epoch", True):
        return
    kind = scheduler["type"]
    name = kind if isinstance(kind, str) else kind.__name__
    if name.rpartition(".")[2] in _WITHOUT_LENGTH:
        msg = (
            f"`--auto-scale-schedule`: {name} multiplies by gamma = {scheduler.get('gamma')} an iteration: "
            f"it has no length to scale. Set gamma to its {1 / factor:g}-th power yourself, "
            "without the option."
        )
        raise ValueError(msg)
    for key in _LENGTHS:
        value = scheduler.get(key)
        if isinstance(value, list | tuple):
            scheduler[key] = [_scaled(one, factor) for one in value]
        elif isinstance(value, int | float) and value != float("inf"):
            scheduler[key] = _scaled(value, factor)


def _scaled(length: float, factor: float) -> int:
    """Return a number of iterations times a factor; never 0 where it was not."""
    return max(1, round(length * factor)) if length else 0
