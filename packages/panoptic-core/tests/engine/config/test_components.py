import pytest
import torch
from mmengine.registry import HOOKS

from panoptic_core.engine.config.components import arguments_of, resolve


class Base:
    def __init__(self, a: int, b: int = 0) -> None: ...


class Child(Base):
    def __init__(self, c: int, **kwargs: int) -> None: ...


class Open:
    def __init__(self, c: int = 0, **kwargs: int) -> None: ...


class Bare: ...


def function(x: int, *, y: int = 0) -> None: ...


def test_arguments_by_hand() -> None:
    assert arguments_of(Base) == ({"a", "b"}, {"a"}, False)
    # What Child needs of Base cannot be read off: it may pass `a` itself.
    assert arguments_of(Child) == ({"a", "b", "c"}, {"c"}, False)
    assert arguments_of(Open) == ({"c"}, set(), True)
    assert arguments_of(Bare) == (set(), set(), False)
    assert arguments_of(function) == ({"x", "y"}, {"x"}, False)
    assert "lr" in arguments_of(torch.optim.SGD).accepted


def test_names_classes_and_scopes() -> None:
    hooks = (HOOKS,)
    assert resolve("EMAHook", hooks, "mmengine").__name__ == "EMAHook"
    assert resolve("panoptic_core.ProgressHook", hooks, "mmengine").__name__ == "ProgressHook"
    assert resolve("mmengine.hooks.EMAHook", hooks, "mmengine").__name__ == "EMAHook"
    assert resolve(Base, hooks, "mmengine") is Base
    with pytest.raises(LookupError, match=r"registered as `EMAHok`\. Did you mean `EMAHook`\?"):
        resolve("EMAHok", hooks, "mmengine")
    with pytest.raises(LookupError, match="a class or a name, got 3"):
        resolve(3, hooks, "mmengine")
