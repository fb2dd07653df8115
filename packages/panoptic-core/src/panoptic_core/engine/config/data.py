"""Where the data are: set it for all data sets, and check that it is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panoptic_core.engine.config.sections import DATALOADERS, EVALUATORS, datasets_of


def set_data_root(cfg: dict[str, Any], root: str) -> list[str]:
    """Set the root of every data set, and of evaluators' files that lie under the old one.

    Args:
        cfg: The config, changed in place.
        root: The new ``data_root``.

    Returns:
        What is wrong, if anything.
    """
    replaced: set[str] = set()
    for name in DATALOADERS:
        if cfg.get(name) is not None:
            _replace_roots(cfg[name].get("dataset"), root, replaced)
    if not replaced:
        return ["`--data-root` has nothing to set: no data set of this config has a `data_root`."]
    for old in {old for old in replaced if old}:
        for name in (*DATALOADERS, *EVALUATORS):
            if cfg.get(name) is not None:
                cfg[name] = _move(cfg[name], old.rstrip("/"), root)
    if "data_root" in cfg:
        cfg["data_root"] = root
    return []


def data_problems(cfg: Mapping[str, Any], task: str) -> list[str]:
    """Return which folders and files of the data sets are missing, with the cure; each one once."""
    found = dict.fromkeys(
        problem for part in datasets_of(cfg, task) for problem in _missing(part.path, part.value)
    )
    return list(found)


def _missing(path: str, dataset: Mapping[str, Any]) -> Iterator[str]:
    root = dataset.get("data_root")
    if not isinstance(root, str) or "://" in root or dataset.get("type") is None:
        return
    if root and not Path(root).expanduser().is_dir():
        yield f"The data are not there: `{path}.data_root` is `{root}`. Give the folder by --data-root."
        return
    required = {"ann_file"} | ({"instances_file"} if dataset.get("require_instances") else set())
    files = {key: dataset.get(key) for key in required}
    prefixes = {f"data_prefix.{key}": value for key, value in (dataset.get("data_prefix") or {}).items()}
    for key, value in {**files, **prefixes}.items():
        if isinstance(value, str) and value and "://" not in value:
            place = Path(root).expanduser() / value
            exists = place.is_dir() if key.startswith("data_prefix") else place.is_file()
            if not exists:
                yield f"The data are not complete: `{path}.{key}` is `{place}`, which does not exist."


def _replace_roots(value: Any, root: str, replaced: set[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("data_root"), str):
            replaced.add(value["data_root"])
            value["data_root"] = root
        for item in value.values():
            _replace_roots(item, root, replaced)
    elif isinstance(value, list | tuple):
        for item in value:
            _replace_roots(item, root, replaced)


def _move(value: Any, old: str, new: str) -> Any:
    """Return a value with every string under the folder ``old`` moved to the folder ``new``."""
    if isinstance(value, str):
        return new + value[len(old) :] if value.startswith(old + "/") else value
    if isinstance(value, dict):
        # dict.items: what a config imports must stay lazy, or it could not be written to a file again.
        for key, item in list(dict.items(value)):
            value[key] = _move(item, old, new)
        return value
    if isinstance(value, list | tuple):
        return type(value)(_move(item, old, new) for item in value)
    return value
