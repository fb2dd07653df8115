"""From a ``type`` in a config to the class, and to the arguments that the class takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mmengine.registry import DefaultScope, Registry, root

from panoptic_core.engine.config.errors import did_you_mean

_ROOTS = [value for value in vars(root).values() if isinstance(value, Registry)]
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Arguments(NamedTuple):
    """What a component takes.

    Attributes:
        accepted: Names of its arguments, those of its base classes included if it has ``**kwargs``.
        required: Those of its own that have no default.
        is_open: Whether it may take any other name too.
    """

    accepted: frozenset[str]
    required: frozenset[str]
    is_open: bool


def resolve(kind: object, registries: tuple[Registry, ...], scope: str) -> Callable[..., Any]:
    """Return the component that a ``type`` names.

    Args:
        kind: A class, or a registered name such as ``"mmdet.ResNet"``.
        registries: MMEngine's root registries to look in first; then all others.
        scope: The config's default scope.

    Raises:
        LookupError: If there is none; the message has the closest registered name.
    """
    if callable(kind):
        return kind
    if not isinstance(kind, str):
        msg = f"expected `type` to be a class or a name, got {kind!r}."
        raise LookupError(msg)
    others = [registry for registry in _ROOTS if registry not in registries]
    with DefaultScope.overwrite_default_scope(scope):
        for registry in [*registries, *others]:
            with registry.switch_scope_and_registry(None) as scoped:
                found = scoped.get(kind)
            # Of what is found by an import path alone, only classes are components: no `os.system`.
            if found is not None and (inspect.isclass(found) or _is_registered(found, registry)):
                return found
    known = {name for registry in registries or _ROOTS for name in _names(registry)}
    msg = f"no component is registered as `{kind}`.{did_you_mean(kind.rpartition('.')[2], known)}"
    raise LookupError(msg)


def arguments_of(component: Callable[..., Any]) -> Arguments:
    """Return the arguments of a class or function, read off the signatures."""
    if not inspect.isclass(component):
        accepted, required, has_more = _parameters(component)
        return Arguments(frozenset(accepted), frozenset(required), has_more)
    inits = [vars(base)["__init__"] for base in component.__mro__[:-1] if "__init__" in vars(base)]
    if not inits:
        return Arguments(frozenset(), frozenset(), is_open=False)
    accepted, required, has_more = _parameters(inits[0])
    if not has_more:
        return Arguments(frozenset(accepted), frozenset(required), is_open=False)
    # Where **kwargs go cannot be read off a signature: with several bases not always to the next one.
    others = [_parameters(init) for init in inits[1:]]
    reached = accepted.union(*(names for names, _, _ in others))
    return Arguments(frozenset(reached), frozenset(required), is_open=all(more for _, _, more in others))


def _parameters(function: Callable[..., Any]) -> tuple[set[str], set[str], bool]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C, without a signature
        return set(), set(), True
    if inspect.isfunction(function) and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    named = [parameter for parameter in parameters if parameter.kind in _NAMED]
    required = {parameter.name for parameter in named if parameter.default is parameter.empty}
    has_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return {parameter.name for parameter in named}, required, has_more


def _is_registered(component: object, registry: Registry) -> bool:
    return any(component in member.module_dict.values() for member in _family(registry))


def _names(registry: Registry) -> Iterator[str]:
    for member in _family(registry):
        yield from member.module_dict


def _family(registry: Registry) -> Iterator[Registry]:
    yield registry
    for children in registry.children.values():
        yield from _family(children)
