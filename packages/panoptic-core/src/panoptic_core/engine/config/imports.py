"""Do the classes exist that a config file imports? MMEngine finds out one by one, while it builds."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject

from panoptic_core.engine.config.errors import did_you_mean


def import_problems(cfg: Config) -> list[str]:
    """Return what cannot be imported, with the closest name that the module has; each once."""
    problems = []
    for lazy in _lazy_objects(cfg._cfg_dict):
        try:
            lazy.build()
        except Exception as error:  # whatever the imported module raises
            problems.append(f"{error}.{_closest(lazy)}")
    return list(dict.fromkeys(problems))


def _lazy_objects(value: Any) -> Iterator[LazyObject | LazyAttr]:
    if isinstance(value, LazyObject | LazyAttr):
        yield value
    elif isinstance(value, dict):
        for item in dict.values(value):  # a config's own `values` would import
            yield from _lazy_objects(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _lazy_objects(item)


def _closest(lazy: LazyObject | LazyAttr) -> str:
    if not isinstance(lazy, LazyObject) or not isinstance(lazy._module, str) or lazy._imported is None:
        return ""
    try:
        return did_you_mean(lazy._imported, dir(import_module(lazy._module)))
    except Exception:  # the module itself is what cannot be imported
        return ""
