"""Do the model's numbers of classes fit the data set's category table?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.registry import DATASETS, DefaultScope

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.config.sections import datasets_of

_THINGS = ("num_things", "num_things_classes")
_STUFF = ("num_stuff", "num_stuff_classes")
_THING_HEADS = ("bbox_head", "mask_head")  # their `num_classes` are things


def class_count_problems(cfg: Mapping[str, Any], task: str, scope: str) -> list[str]:
    """Return where the model and the data set disagree on how many classes there are.

    Data sets are made in their lazy form: class names, no images.
    """
    problems: list[str] = []
    places: dict[CategoryTable, list[str]] = {}
    for part in datasets_of(cfg, task):
        if "dataset" in part.value or "datasets" in part.value:
            continue  # a wrapper
        try:
            table = _table_of(part.value, scope)
        except Exception as error:
            problems.append(f"`{part.path}`: the data set cannot tell its classes: {error}")
            continue
        if table is not None:
            places.setdefault(table, []).append(f"`{part.path}`")
    for table, paths in places.items():
        for where, have, want, what in _mismatches("model", cfg.get("model") or {}, table):
            problems.append(
                f"`{where}` is {have}, but {' and '.join(paths)} ({table.name}): {want} {what}. "
                f"Set it to {want}, or take the config that was made for this data set."
            )
    return problems


def _table_of(dataset: Mapping[str, Any], scope: str) -> CategoryTable | None:
    lazy = {**dataset, "pipeline": [], "lazy_init": True}
    with DefaultScope.overwrite_default_scope(scope):
        metainfo = DATASETS.build(lazy).metainfo
    return CategoryTable.from_metainfo(metainfo) if "num_things" in metainfo else None


def _mismatches(path: str, value: Any, table: CategoryTable) -> Iterator[tuple[str, int, int, str]]:
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _mismatches(f"{path}.{index}", item, table)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        heads = path.split(".")[-2:]  # `bbox_head`, or `bbox_head.0` of a cascade
        if key in _THINGS or (key == "num_classes" and not set(heads).isdisjoint(_THING_HEADS)):
            want, what = table.num_things, "thing classes"
        elif key in _STUFF:
            want, what = table.num_stuff, "stuff classes"
        else:
            yield from _mismatches(f"{path}.{key}", item, table)
            continue
        if isinstance(item, int) and item != want:
            yield f"{path}.{key}", item, want, what
