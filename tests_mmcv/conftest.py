"""Both sides of the comparison, and a summary of how far they are apart."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_core.ops import _ext as stand_in
from panoptic_core.ops.finder import compiled_extension

_MODULES = ("nms", "roi_align", "deform_conv", "modulated_deform_conv")
_ERRORS: dict[str, list[float]] = {}
_DIFFERENT: dict[str, list[bool]] = {}


@pytest.fixture(scope="session", autouse=True)
def compiled() -> ModuleType:
    """The compiled `mmcv._ext`."""
    if compiled_extension() is None:
        pytest.skip("no compiled mmcv here: `nox -s tests_mmcv` makes one")
    return importlib.import_module("mmcv._ext")


@pytest.fixture
def both(compiled: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Run a function with mmcv's Python on the compiled operators, then on ours."""

    def use(extension: ModuleType) -> None:
        for name in _MODULES:
            monkeypatch.setattr(importlib.import_module(f"mmcv.ops.{name}"), "ext_module", extension)

    def run(function: Callable[[], Any]) -> tuple[Any, Any]:
        use(compiled)
        theirs = function()
        use(stand_in)
        return theirs, function()

    return run


@pytest.fixture
def close() -> Callable[[str, Tensor, Tensor, float], None]:
    """Assert that two tensors agree to a fraction of the largest value, and remember the error."""

    def check(name: str, theirs: Tensor, mine: Tensor, limit: float) -> None:
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype
        scale = float(theirs.abs().max()) if theirs.numel() else 0.0
        error = float((mine.double() - theirs.double()).abs().sum()) if scale == 0 else 0.0
        if scale > 0:
            error = float((mine.double() - theirs.double()).abs().max()) / scale
        _ERRORS.setdefault(f"{name}, {str(theirs.dtype).removeprefix('torch.')}", []).append(error)
        assert error <= limit, f"{name}: off by {error:.2e} of the largest value, allowed {limit:.0e}"

    return check


@pytest.fixture
def same() -> Callable[[str, Tensor, Tensor], None]:
    """Assert that two index tensors are identical, and count."""

    def check(name: str, theirs: Tensor, mine: Tensor) -> None:
        _DIFFERENT.setdefault(name, []).append(not torch.equal(theirs, mine))
        assert torch.equal(theirs, mine), f"{name}: compiled {theirs.tolist()}, ours {mine.tolist()}"

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how far the two sides are apart."""
    for name, different in sorted(_DIFFERENT.items()):
        terminalreporter.write_line(f"{name:<44} {sum(different)} of {len(different)} cases differ")
    for name, errors in sorted(_ERRORS.items()):
        terminalreporter.write_line(f"{name:<44} {max(errors):.1e} at most in {len(errors)} cases")
