"""``--cfg-options KEY=VALUE``: keys that lead nowhere are mistakes, not new entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from panoptic_core.engine.config.components import arguments_of, resolve
from panoptic_core.engine.config.errors import did_you_mean
from panoptic_core.engine.config.sections import LOADER_KEYS, RANDOMNESS_KEYS, RUNNER_KEYS, parts_of

_KNOWN: dict[str, frozenset[str] | None] = {
    "train_dataloader": LOADER_KEYS,
    "val_dataloader": LOADER_KEYS,
    "test_dataloader": LOADER_KEYS,
    "randomness": RANDOMNESS_KEYS,
    "auto_scale_lr": frozenset({"enable", "base_batch_size"}),
    "tta": None,  # the model's own entries
    "env_cfg": frozenset({"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"}),
}


def apply_overrides(cfg: Config, options: Mapping[str, Any], task: str) -> list[str]:
    """Set entries of a config by their dotted paths.

    A path must lead to an entry that exists, or to an argument that the component there takes; types are set
    first, so that arguments are those of the new component.

    Args:
        cfg: The config, changed in place.
        options: Such as ``{"train_dataloader.batch_size": 2}``; numbers index lists.
        task: ``"train"`` or ``"test"``.

    Returns:
        What is wrong with the keys; the right ones are applied all the same.
    """
    accepted = _accepted_arguments(cfg, task)
    problems = []
    for key, value in sorted(options.items(), key=lambda item: not _is_type(item[0])):
        problem = _problem(cfg, key, accepted)
        if problem:
            problems.append(f"`--cfg-options {key}=...`: {problem}")
        else:
            cfg.merge_from_dict({key: value})
            if _is_type(key):
                accepted = _accepted_arguments(cfg, task)
    return problems


def _is_type(key: str) -> bool:
    return key.rpartition(".")[2] == "type"


def _problem(cfg: Config, key: str, accepted: Mapping[str, frozenset[str] | None]) -> str:
    parts = key.split(".")
    if parts[0] not in RUNNER_KEYS:
        if parts[0] in cfg:
            return (
                f"`{parts[0]}` is a variable of the config file; changing it now changes nothing. Set the "
                "entries made from it (for data, --data-root)."
            )
        return f"there is no entry `{parts[0]}`.{did_you_mean(parts[0], RUNNER_KEYS)}"
    node: Any = cfg._cfg_dict
    for depth, part in enumerate(parts):
        path = ".".join(parts[:depth])
        if isinstance(node, list | tuple):
            if not part.lstrip("-").isdigit() or not -len(node) <= int(part) < len(node):
                return f"`{path}` is a list of {len(node)}; `{part}` is no index of it."
            node = node[int(part)]
        elif isinstance(node, Mapping):
            if part not in node:
                names = _KNOWN.get(path, RUNNER_KEYS if depth == 0 else accepted.get(path, frozenset()))
                if names is None or part in names:
                    return ""  # new here, but the component takes it
                return f"`{path}` has no `{part}`.{did_you_mean(part, set(node) | names)}"
            node = node[part]
        elif node is None:
            return ""
        else:
            return f"`{path}` is {node!r}, which has no `{part}`."
    return ""


def _accepted_arguments(cfg: Config, task: str) -> dict[str, frozenset[str] | None]:
    """Return which keys each component may be given; None where it takes any."""
    scope = cfg.get("default_scope") or "mmengine"
    accepted: dict[str, frozenset[str] | None] = {}
    for part in parts_of(cfg, task):
        try:
            arguments = arguments_of(resolve(part.kind, part.registries, scope))
        except LookupError:
            accepted[part.path] = None  # reported when the config is checked
            continue
        accepted[part.path] = None if arguments.is_open else arguments.accepted | part.extra | {"type"}
    return accepted
