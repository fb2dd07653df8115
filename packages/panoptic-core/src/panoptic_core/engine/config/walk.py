"""Which parts of a config are components, of which kind, and what their builders add to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmengine import registry as mmengine_registries
from mmengine.registry import Registry

# Their builders read them in their own way: types that are no components, arguments that come and go.
_NOT_WALKED = frozenset(
    {"nms", "roi_layer", "dcn", "sac", "plugins", "override", "metainfo", "backend_args", "bbox_params"}
)
_WALKED_CONFIGS = frozenset({"train_cfg", "test_cfg", "init_cfg"})  # other `*_cfg` of layers are not
_WITH_FOREIGN_PARTS = frozenset({"Albu"})  # its transforms are another library's
_TASK_UTILS = frozenset({"assigner", "bbox_coder", "anchor_generator", "prior_generator", "iou_calculator"})
_BOX_SAMPLERS = {
    "sampler": frozenset({"context"}),
    "pos_sampler": frozenset({"context", "num", "pos_fraction"}),
    "neg_sampler": frozenset({"context", "num", "pos_fraction"}),
}
# What MMDetection's heads hand on to a part, or take away from it.
_HANDED_ON = {"pixel_decoder": frozenset({"in_channels", "feat_channels", "out_channels"})}
_TAKEN_AWAY = {"loss_cls": frozenset({"bg_cls_weight"})}


@dataclass(frozen=True)
class Part:
    """One dictionary of a config that describes a component.

    Attributes:
        path: Where it is, such as ``model.backbone``.
        value: The dictionary.
        registries: Where its ``type`` is looked up.
        added: Arguments that its builder adds, so that they may be missing.
        extra: Keys that its builder takes away, so that the component need not know them.
        default_type: The type if the dictionary names none; without one it is no component.
    """

    path: str
    value: Mapping[str, Any]
    registries: tuple[Registry, ...]
    added: frozenset[str] = frozenset()
    extra: frozenset[str] = field(default=frozenset())
    default_type: Any = None

    @property
    def kind(self) -> Any:
        """The ``type``, or None if this is a plain dictionary."""
        return self.value.get("type", self.default_type)


def walk(part: Part) -> Iterator[Part]:
    """Yield a part and all components inside it."""
    if part.kind is not None:
        yield part
        if getattr(part.kind, "__name__", part.kind) in _WITH_FOREIGN_PARTS:
            return
    for key, value in part.value.items():
        if key in _NOT_WALKED or (key.endswith("_cfg") and key not in _WALKED_CONFIGS):
            continue
        yield from walk_value(_child(part, key), value)


def walk_value(template: Part, value: Any) -> Iterator[Part]:
    """Yield the components in a value, which may be a dictionary, a list of them, or anything else."""
    if isinstance(value, Mapping):
        yield from walk(replace(template, value=value))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from walk_value(replace(template, path=f"{template.path}.{index}"), item)


def registries(*names: str) -> tuple[Registry, ...]:
    """Return MMEngine's root registries by name."""
    return tuple(getattr(mmengine_registries, name) for name in names)


def _child(part: Part, key: str) -> Part:
    """Return what a key inside a part leads to: kind of component, and what its builder adds."""
    path = f"{part.path}.{key}"
    if key in ("pipeline", "transforms"):
        return Part(path, {}, registries("TRANSFORMS"))
    if key in ("dataset", "datasets"):
        return Part(path, {}, registries("DATASETS"))
    if key == "init_cfg":
        return Part(path, {}, registries("WEIGHT_INITIALIZERS"), extra=frozenset({"override", "layer"}))
    if key in _TASK_UTILS:
        return Part(path, {}, registries("TASK_UTILS"))
    if key in _BOX_SAMPLERS and ".train_cfg" in path:
        return Part(path, {}, registries("TASK_UTILS"), added=_BOX_SAMPLERS[key])
    if key == "optimizer":
        return Part(path, {}, registries("OPTIMIZERS"), added=frozenset({"params"}))
    if key == "vis_backends":
        return Part(path, {}, registries("VISBACKENDS"), added=frozenset({"save_dir"}))
    added = part.added | _HANDED_ON.get(key, frozenset())
    return Part(path, {}, part.registries, added, _TAKEN_AWAY.get(key, frozenset()))
