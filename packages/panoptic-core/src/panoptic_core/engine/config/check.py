"""Report every mistake of a config before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from panoptic_core.engine.config.class_counts import class_count_problems
from panoptic_core.engine.config.components import arguments_of, resolve
from panoptic_core.engine.config.data import data_problems
from panoptic_core.engine.config.errors import ConfigError, did_you_mean
from panoptic_core.engine.config.sections import (
    DATALOADERS,
    LOADER_KEYS,
    NEEDED,
    RANDOMNESS_KEYS,
    parts_of,
)
from panoptic_core.engine.config.walk import Part

_ALWAYS = frozenset({"type", "_scope_"})


def check_config(cfg: Config, task: str = "train", problems: tuple[str, ...] = ()) -> None:
    """Check all that training or testing will build.

    Looks at: entries that the runner needs; types that nobody has registered; arguments that a component does
    not take or that are missing; data files that are not there; numbers of classes that differ between the
    model and the data set.

    Args:
        cfg: The config, after all overrides.
        task: ``"train"`` or ``"test"``.
        problems: Mistakes found before, to be reported together.

    Raises:
        ConfigError: If there is any mistake; it lists all of them.
    """
    found = [*problems, *_entry_problems(cfg, task), *_component_problems(cfg, task)]
    found += data_problems(cfg, task)
    if not found:  # needs data sets that can be made
        found += class_count_problems(cfg, task, cfg.get("default_scope") or "mmengine")
    if found:
        raise ConfigError(str(cfg.filename or "the config"), found)


def _entry_problems(cfg: Mapping[str, Any], task: str) -> Iterator[str]:
    for name in NEEDED[task]:
        if cfg.get(name) is None:
            hint = did_you_mean(name, set(cfg) - set(NEEDED[task]))
            yield f"`{name}` is missing; {task}ing needs it.{hint}"
    for name in DATALOADERS:
        for key in set(cfg.get(name) or {}) - LOADER_KEYS:
            yield f"`{name}` takes no `{key}`.{did_you_mean(key, LOADER_KEYS)}"
    for key in set(cfg.get("randomness") or {}) - RANDOMNESS_KEYS:
        yield f"`randomness` takes no `{key}`.{did_you_mean(key, RANDOMNESS_KEYS)}"
    if cfg.get("compile"):
        yield "`compile` is not offered: torch.compile fails in MMEngine's training step. Leave it away."
    scaling = cfg.get("auto_scale_lr") or {}
    if scaling.get("enable") and not scaling.get("base_batch_size"):
        yield "`auto_scale_lr` needs `base_batch_size`, the batch size that the learning rate was chosen for."


def _component_problems(cfg: Mapping[str, Any], task: str) -> Iterator[str]:
    scope = cfg.get("default_scope") or "mmengine"
    for part in parts_of(cfg, task):
        try:
            component = resolve(part.kind, part.registries, scope)
        except LookupError as error:
            yield f"`{part.path}`: {error}"
            continue
        yield from _argument_problems(part, component)
        yield from _weight_problems(part)


def _argument_problems(part: Part, component: Any) -> Iterator[str]:
    arguments = arguments_of(component)
    given = set(part.value) - _ALWAYS - part.extra
    name = getattr(component, "__name__", str(component))
    if not arguments.is_open:
        for key in sorted(given - arguments.accepted):
            yield f"`{part.path}`: {name} takes no `{key}`.{did_you_mean(key, arguments.accepted - given)}"
    missing = sorted(arguments.required - given - part.added)
    if missing:
        yield f"`{part.path}`: {name} needs {', '.join(f'`{key}`' for key in missing)}."


def _weight_problems(part: Part) -> Iterator[str]:
    """Check that the file of pre-trained weights is there."""
    checkpoint = part.value.get("checkpoint") if part.path.endswith("init_cfg") else None
    if (
        isinstance(checkpoint, str)
        and "://" not in checkpoint
        and not Path(checkpoint).expanduser().is_file()
    ):
        yield f"`{part.path}.checkpoint`: there is no file `{checkpoint}`. Give a path or an address."
