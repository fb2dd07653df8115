"""The fusions that saved outputs allow, as one table: a new method is one entry."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from panoptic_core.fusing.parts import ImageParts
from panoptic_fusion import (
    BoxMasks,
    PanopticSegmentation,
    RawOutputs,
    fuse_by_affinity_maps,
    fuse_by_centers,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_panoptic_logits,
    fuse_by_ranking,
)

_FIXED = {"num_things", "num_classes", "ignore_index"}
"""Keywords that the class table decides."""


class SettingError(ValueError):
    """A method or a setting that does not exist or cannot have this value."""


@dataclass(frozen=True)
class Option:
    """A keyword of a fusion that can be set.

    Attributes:
        name: The short name: the keyword without ``_threshold`` or ``_limit``.
        keyword: The function's keyword.
        kinds: The types that it may have; ``None`` among them if it may be none.
        choices: The texts that it may be, if it is a choice.
        default: The function's default.
    """

    name: str
    keyword: str
    kinds: tuple[type, ...]
    choices: tuple[str, ...]
    default: Any

    def read(self, text: str) -> Any:
        """Turn a text of the command line into a value.

        Raises:
            SettingError: If it cannot be one.
        """
        lowered = text.strip().lower()
        if type(None) in self.kinds and lowered == "none":
            return None
        if self.choices and text in self.choices:
            return text
        if bool in self.kinds and lowered in ("true", "false"):
            return lowered == "true"
        for kind in (int, float):
            if kind in self.kinds:
                try:
                    return kind(text)
                except ValueError:
                    continue
        msg = f"Expected `{self.name}` to be {self.describe()}, got {text!r}."
        raise SettingError(msg)

    def describe(self) -> str:
        """Say in words what the option may be."""
        words = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}
        parts = [words[kind] for kind in (float, int, bool, type(None)) if kind in self.kinds]
        return " or ".join([*parts, *self.choices])


@dataclass(frozen=True)
class FusionMethod:
    """A fusion and what it is fed with.

    Attributes:
        name: What ``--method`` calls it.
        function: The fusion; its keywords with plain values are the options.
        inputs: The part of :class:`panoptic_core.fusing.ImageParts` that each of its arguments takes.
        more: Returns further keyword arguments, from the parts and the settings; these are no options.
    """

    name: str
    function: Callable[..., PanopticSegmentation]
    inputs: Mapping[str, str]
    more: Callable[[ImageParts, Mapping[str, Any]], Mapping[str, Any]] | None = None

    @cached_property
    def signature(self) -> inspect.Signature:
        """The function's arguments."""
        return inspect.signature(self.function)

    @cached_property
    def options(self) -> Mapping[str, Option]:
        """Every option by its short name, with types and defaults of the function's signature."""
        hints = typing.get_type_hints(self.function)
        found = {}
        for keyword, parameter in self.signature.parameters.items():
            if parameter.kind is not parameter.KEYWORD_ONLY or keyword in _FIXED:
                continue
            kinds, choices = _kinds(hints[keyword])
            if kinds or choices:  # else it takes tensors: `more` feeds it
                name = keyword.removesuffix("_threshold").removesuffix("_limit")
                found[name] = Option(name, keyword, kinds, choices, parameter.default)
        return types.MappingProxyType(found)

    def read_setting(self, text: str) -> tuple[str, list[Any]]:
        """Read ``name=value`` or ``name=value,value``; the function's own keywords are names, too.

        Returns:
            The short name and the values.

        Raises:
            SettingError: If the method has no such option, or it cannot have this value.
        """
        key, equals, values = text.partition("=")
        if not equals:
            msg = f"Expected a setting like {next(iter(self.options), 'name')}=value, got {text!r}."
            raise SettingError(msg)
        option = self.option(key.strip())
        return option.name, [option.read(value) for value in values.split(",")]

    def option(self, key: str) -> Option:
        """Return an option by its short name or the function's keyword.

        Raises:
            SettingError: If there is none.
        """
        by_keyword = {option.keyword: option for option in self.options.values()}
        option = self.options.get(key) or by_keyword.get(key)
        if option is None:
            msg = f"Expected a setting of method '{self.name}' ({', '.join(self.options)}), got {key!r}."
            raise SettingError(msg)
        return option

    def fuse(self, parts: ImageParts, settings: Mapping[str, Any]) -> PanopticSegmentation:
        """Fuse one image.

        Args:
            parts: What is known of the image.
            settings: Values by short name or keyword; the function's defaults otherwise.

        Raises:
            ValueError: If the function refuses a value.
            PanopticFileError: If a part is missing.
        """
        keywords: dict[str, Any] = {self.option(key).keyword: value for key, value in settings.items()}
        fixed = {
            "num_things": parts.num_things,
            "num_classes": parts.num_classes,
            "ignore_index": parts.void,
        }
        keywords |= {key: value for key, value in fixed.items() if key in self.signature.parameters}
        if self.more is not None:
            keywords |= self.more(parts, keywords)
        for argument, part in self.inputs.items():
            keywords[argument] = parts.need(part, f"method '{self.name}'")
        return self.function(**keywords)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Find out on one pixel whether the function takes the settings, before files are read.

        Raises:
            SettingError: If it does not.
        """
        raw = RawOutputs(
            (1, 1),
            num_things=1,
            num_classes=2,
            sem_logits=torch.zeros(2, 1, 1),
            masks=BoxMasks.from_crops([], torch.zeros(0, 4, dtype=torch.int64)),
            labels=torch.zeros(0, dtype=torch.int64),
            scores=torch.zeros(0),
            ranking=torch.zeros(1, 1, 1),
            center_heatmap=torch.zeros(1, 1, 1),
            offsets=torch.zeros(2, 1, 1),
        )
        try:
            self.fuse(ImageParts(raw, "settings"), settings)
        except (ValueError, TypeError) as error:
            msg = f"Method '{self.name}': {error}"
            raise SettingError(msg) from error


def _kinds(hint: Any) -> tuple[tuple[type, ...], tuple[str, ...]]:
    """Return the plain types and the choices of an annotation; neither if it is about something else."""
    kinds: list[type] = []
    choices: list[str] = []
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    for one in typing.get_args(hint) if union else (hint,):
        if typing.get_origin(one) is typing.Literal:
            choices += [str(value) for value in typing.get_args(one)]
        elif one in (int, float, bool, type(None)):
            kinds.append(one)
        else:
            return (), ()
    return tuple(kinds), tuple(choices)


def _stuff_to_fill(parts: ImageParts, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
    """Mask guidance takes a second map for the thing pixels that no instance wants, if it is asked to."""
    if keywords.get("fill") != "stuff":
        return {}
    return {"stuff_seg": parts.need("stuff_seg", "fill=stuff")}


def _class_scores(parts: ImageParts, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
    """Centers score their instances by the voted class's probability where logits are at hand."""
    logits = parts.get("sem_logits")
    return {} if logits is None or len(logits) != parts.num_classes else {"sem_logits": logits}


def _size(parts: ImageParts, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
    """Maps on a grid of their own do not tell how large the image is."""
    return {"size": parts.raw.size}


def _takes(*names: str, **others: str) -> Mapping[str, str]:
    """Map arguments to the parts of the same name, and `others` to other parts."""
    return types.MappingProxyType({name: name for name in names} | others)


_INSTANCES = ("masks", "labels", "scores")
_TABLE = (
    FusionMethod("confidence", fuse_by_confidence, _takes(*_INSTANCES, "sem_seg")),
    FusionMethod("mask_guidance", fuse_by_mask_guidance, _takes(*_INSTANCES, "sem_seg"), _stuff_to_fill),
    FusionMethod("ranking", fuse_by_ranking, _takes(*_INSTANCES, "ranking", sem_seg="stuff_below")),
    FusionMethod("panoptic_logits", fuse_by_panoptic_logits, _takes(*_INSTANCES, "sem_logits")),
    FusionMethod("centers", fuse_by_centers, _takes("center_heatmap", "offsets", "sem_seg"), _class_scores),
    FusionMethod("affinity", fuse_by_affinity_maps, _takes(*_INSTANCES, maps="affinity"), _size),
)

METHODS: Mapping[str, FusionMethod] = types.MappingProxyType({method.name: method for method in _TABLE})
"""The methods by name."""


def find_method(name: str) -> FusionMethod:
    """Return a method by its name.

    Raises:
        SettingError: If there is none.
    """
    if name in METHODS:
        return METHODS[name]
    msg = f"Expected `method` to be one of {', '.join(METHODS)}, got '{name}'."
    raise SettingError(msg)
