"""From a config file and what a person typed to the config of one run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.runner import LogProcessor

from panoptic_core.engine.checkpoint import as_checkpoint
from panoptic_core.engine.config.batch_size import scale_learning_rate, scale_schedule
from panoptic_core.engine.config.check import check_config
from panoptic_core.engine.config.components import resolve
from panoptic_core.engine.config.data import set_data_root
from panoptic_core.engine.config.errors import ConfigError
from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.config.overrides import apply_overrides
from panoptic_core.engine.config.walk import registries
from panoptic_core.engine.distributed import world_size
from panoptic_core.engine.mixed_precision import mixed_precision

AUTO = "auto"


@dataclass
class RunOptions:
    """What a person says about a run beside the config file.

    Attributes:
        config: The config file.
        checkpoint: Weights to test; here and below a folder stands for its newest whole checkpoint.
        work_dir: Where results go; by default the config's, else ``work_dirs/NAME_OF_THE_CONFIG``.
        data_root: The data root of every data set.
        resume: ``"auto"`` for the newest whole checkpoint in the work folder, or a checkpoint.
        load_from: Weights to start from, loaded by name.
        amp: Train in mixed precision.
        launcher: ``"none"``, ``"pytorch"``, ``"slurm"`` or ``"mpi"``.
        cfg_options: Entries to override, by dotted paths.
        auto_scale_lr: Scale the learning rate to the batch size.
        auto_scale_schedule: Scale all numbers of iterations, so that as many images are seen.
        seed: Random seed; by default the config's.
        check: Look for mistakes before anything is built.
        tta: Test with the config's block ``tta``: it becomes the model's argument of that name.
        ensemble: Test together with these networks: config and checkpoint of each.
        oracle: Test with these parts of the ground truth, see :mod:`panoptic_core.oracles`.
    """

    config: str | Path
    checkpoint: str | None = None
    work_dir: str | None = None
    data_root: str | None = None
    resume: str | None = None
    load_from: str | None = None
    amp: bool = False
    launcher: str = "none"
    cfg_options: dict[str, Any] = field(default_factory=dict)
    auto_scale_lr: bool = False
    auto_scale_schedule: bool = False
    seed: int | None = None
    check: bool = True
    tta: bool = False
    ensemble: tuple[tuple[str, str], ...] = ()
    oracle: tuple[str, ...] = ()


def prepare_config(options: RunOptions, task: str = "train") -> tuple[Config, list[str]]:
    """Load a config, apply the options, check everything.

    Args:
        options: The config file and what was said beside it.
        task: ``"train"`` or ``"test"``.

    Returns:
        The config for MMEngine's runner, and sentences for the log.

    Raises:
        ConfigError: With all mistakes at once.
    """
    cfg = load_config(options.config)
    places = ("checkpoint", "resume", "load_from")
    given = {name: getattr(options, name) for name in places if getattr(options, name) not in (None, AUTO)}
    found: dict[str, Any] = {name: as_checkpoint(place) for name, place in given.items()}
    options = replace(options, **found)
    if task == "test":
        _only_test(cfg)
    problems = apply_overrides(cfg, options.cfg_options, task)
    if options.data_root is not None:
        problems += set_data_root(cfg, options.data_root)
    problems += _set_weights(cfg, options, task)
    if options.tta:
        problems += use_augmentation(cfg)
    cfg.work_dir = options.work_dir or cfg.get("work_dir") or f"work_dirs/{Path(options.config).stem}"
    cfg.launcher = options.launcher
    if options.seed is not None:
        cfg.randomness = {**(cfg.get("randomness") or {}), "seed": options.seed}
    if options.auto_scale_lr:
        cfg.auto_scale_lr = {**(cfg.get("auto_scale_lr") or {}), "enable": True}
    if options.amp and cfg.get("optim_wrapper"):
        cfg.optim_wrapper = mixed_precision(cfg.optim_wrapper)
    if options.check:
        check_config(cfg, task, tuple(problems))
    elif problems:
        raise ConfigError(str(options.config), problems)
    _set_house_defaults(cfg)
    return cfg, _scale_to_batch(cfg, options) if task == "train" else []


def _scale_to_batch(cfg: Config, options: RunOptions) -> list[str]:
    """Scale to the batch of this run what the options say, and say what was done."""
    processes = world_size(options.launcher)
    notes = [scale_learning_rate(cfg, processes)]
    if options.auto_scale_schedule:
        try:
            notes.append(scale_schedule(cfg, processes))
        except ValueError as error:
            raise ConfigError(str(options.config), [str(error)]) from error
    return [note for note in notes if note]


def _only_test(cfg: Config) -> None:
    """Keep what testing needs; a config without test entries is tested on its validation set."""
    for part in ("dataloader", "evaluator", "cfg"):
        if cfg.get(f"test_{part}") is None and cfg.get(f"val_{part}") is not None:
            cfg[f"test_{part}"] = cfg[f"val_{part}"]
        cfg[f"val_{part}"] = None
    for key in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        cfg[key] = None


def _set_weights(cfg: Config, options: RunOptions, task: str) -> list[str]:
    if task == "test":
        cfg.resume, cfg.load_from = False, options.checkpoint
        return _missing_weights("The checkpoint", options.checkpoint)
    if options.resume and options.load_from:
        return ["`--resume` and `--load-from` exclude each other: go on with a run, or start a new one."]
    if options.resume:
        cfg.resume = True
        cfg.load_from = None if options.resume == AUTO else options.resume
        return _missing_weights("--resume", cfg.load_from)
    if options.load_from:
        cfg.resume, cfg.load_from = False, options.load_from
    return _missing_weights("load_from", cfg.get("load_from"))


def use_augmentation(cfg: Config) -> list[str]:
    """Hand the block of test-time augmentation on to the model, which knows what its entries mean.

    Returns:
        What is wrong: there is no such block.
    """
    if cfg.get("tta") is None:
        block = "tta = dict(scales=[0.75, 1.0, 1.25, 1.5], flip=True)"
        cure = f"OANet's and dense affinity's papers have none; for another method add `{block}`."
        return [f"`--tta`: the config has no test-time augmentation. {cure}"]
    if isinstance(cfg.get("model"), dict):  # else reported as missing
        cfg.model["tta"] = cfg.tta
    return []


def _missing_weights(what: str, path: str | None) -> list[str]:
    if path is None or "://" in path or Path(path).expanduser().is_file():
        return []
    return [f"{what}: there is no file `{path}`."]


def _set_house_defaults(cfg: Config) -> None:
    """Put in what every run of ours has: atomic saves, readable lines, a wrapper for any device."""
    scope = cfg.get("default_scope") or "mmengine"
    loop = cfg.get("train_cfg") or {}
    by_epoch = bool(loop.get("by_epoch", False)) or "Epoch" in str(loop.get("type", ""))
    hooks = dict(cfg.get("default_hooks") or {})
    interval = loop.get("val_interval", 1 if by_epoch else 1000)
    checkpoint = hooks.get("checkpoint", {"type": CheckpointHook, "interval": interval, "by_epoch": by_epoch})
    if checkpoint and resolve(checkpoint["type"], registries("HOOKS"), scope) is CheckpointHook:
        checkpoint = {**checkpoint, "type": "panoptic_core.AtomicCheckpointHook"}
    hooks["checkpoint"] = checkpoint
    cfg.default_hooks = hooks
    processor = dict(cfg.get("log_processor") or {"window_size": 20, "by_epoch": by_epoch})
    if processor.get("type") in (None, "LogProcessor", LogProcessor):
        cfg.log_processor = {**processor, "type": "panoptic_core.ReadableLogProcessor"}
    custom = list(cfg.get("custom_hooks") or [])
    if not any("ProgressHook" in str(hook.get("type")) for hook in custom):
        cfg.custom_hooks = [*custom, {"type": "panoptic_core.ProgressHook"}]
    if cfg.get("model_wrapper_cfg") is None and cfg.launcher != "none":
        cfg.model_wrapper_cfg = {
            "type": "panoptic_core.AnyDeviceDistributedDataParallel",
            "broadcast_buffers": False,
            "find_unused_parameters": bool(cfg.get("find_unused_parameters", False)),
        }
