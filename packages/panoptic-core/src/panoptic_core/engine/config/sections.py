"""The top-level entries of a config that MMEngine's runner reads."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
)
from torch.utils.data import DataLoader

from panoptic_core.engine.config.walk import Part, registries, walk_value

NEEDED = {
    "train": ("model", "train_dataloader", "train_cfg", "optim_wrapper"),
    "test": ("model", "test_dataloader", "test_evaluator"),
}
DATALOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
EVALUATORS = ("val_evaluator", "test_evaluator")
LOOPS = ("train_cfg", "val_cfg", "test_cfg")
# What `Runner` takes, and what it looks up in the config besides.
RUNNER_KEYS = frozenset(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"} | {
    "sync_bn",
    "find_unused_parameters",
    "activation_checkpointing",
    "efficient_conv_bn_eval",
    "model_wrapper_cfg",
    "compile",
    "tta",  # ours: `--tta` hands it on to the model
}
LOADER_KEYS = frozenset(inspect.signature(DataLoader.__init__).parameters) - {"self"} | {
    "num_batch_per_epoch",
    "disable_subprocess_warning",
}
RANDOMNESS_KEYS = frozenset(inspect.signature(Runner.set_randomness).parameters) - {"self"}


def parts_of(cfg: Mapping[str, Any], task: str) -> Iterator[Part]:
    """Yield every component of a config that training (``task='train'``) or testing will build."""
    # Detectors hand their own train_cfg and test_cfg on to their heads.
    model = Part("model", {}, registries("MODELS"), added=frozenset({"train_cfg", "test_cfg"}))
    yield from _in(cfg, "model", model)
    yield from _in(cfg, "data_preprocessor", replace(model, path="data_preprocessor"))
    for name in _used(DATALOADERS, task):
        yield from _loader_parts(name, cfg.get(name) or {})
    for name in _used(EVALUATORS, task):
        yield from _in(cfg, name, Part(name, {}, registries("METRICS", "EVALUATOR")))
    for name in _used(LOOPS, task):
        yield from _in(cfg, name, _loop(name, cfg.get(name) or {}))
    hook = Part("", {}, registries("HOOKS"), extra=frozenset({"priority"}))
    for name, value in (cfg.get("default_hooks") or {}).items():
        yield from walk_value(replace(hook, path=f"default_hooks.{name}"), value)
    yield from _in(cfg, "custom_hooks", replace(hook, path="custom_hooks"))
    if task == "train":
        yield from _training_parts(cfg)
    visualizer = Part("visualizer", {}, registries("VISUALIZERS"), added=frozenset({"name", "save_dir"}))
    yield from _in(cfg, "visualizer", visualizer)
    processor = Part("log_processor", {}, registries("LOG_PROCESSORS"), default_type=LogProcessor)
    yield from _in(cfg, "log_processor", processor)


def datasets_of(cfg: Mapping[str, Any], task: str) -> Iterator[Part]:
    """Yield the data sets, wrapped ones and their wrappers included."""
    for part in parts_of(cfg, task):
        if part.path.startswith(DATALOADERS) and part.registries == registries("DATASETS"):
            yield part


def _training_parts(cfg: Mapping[str, Any]) -> Iterator[Part]:
    optim = cfg.get("optim_wrapper") or {}
    if "constructor" not in optim:  # a constructor may read the config in its own way
        template = Part(
            "optim_wrapper",
            {},
            registries("OPTIM_WRAPPERS"),
            added=frozenset({"optimizer"}),
            extra=frozenset({"paramwise_cfg", "constructor"}),
            default_type=OptimWrapper,
        )
        yield from _in(cfg, "optim_wrapper", template)
    yield from _in(
        cfg,
        "param_scheduler",
        Part(
            "param_scheduler",
            {},
            registries("PARAM_SCHEDULERS"),
            added=frozenset({"optimizer"}),
            extra=frozenset({"convert_to_iter_based"}),
        ),
    )


def _loader_parts(name: str, loader: Mapping[str, Any]) -> Iterator[Part]:
    samplers = registries("DATA_SAMPLERS")
    templates = {
        "dataset": Part(f"{name}.dataset", {}, registries("DATASETS")),
        "sampler": Part(f"{name}.sampler", {}, samplers, added=frozenset({"dataset", "seed"})),
        "batch_sampler": Part(
            f"{name}.batch_sampler", {}, samplers, added=frozenset({"sampler", "batch_size"})
        ),
        "collate_fn": Part(
            f"{name}.collate_fn", {}, registries("FUNCTIONS"), added=frozenset({"data_batch"})
        ),
    }
    for key, template in templates.items():
        yield from _in(loader, key, template)


def _loop(name: str, value: Mapping[str, Any]) -> Part:
    default: Any = {"val_cfg": ValLoop, "test_cfg": TestLoop}.get(name)
    if name == "train_cfg":
        default = EpochBasedTrainLoop if value.get("by_epoch") else IterBasedTrainLoop
    return Part(
        name,
        {},
        registries("LOOPS"),
        added=frozenset({"runner", "dataloader", "evaluator"}),
        extra=frozenset({"by_epoch"}),
        default_type=default,
    )


def _in(holder: Mapping[str, Any], key: str, template: Part) -> Iterator[Part]:
    if holder.get(key) is not None:
        yield from walk_value(template, holder[key])


def _used(names: tuple[str, ...], task: str) -> tuple[str, ...]:
    return tuple(name for name in names if name.startswith(("train", "val") if task == "train" else "test"))
