"""``tools/benchmark.py affinity``: what is compared is the same, and the slopes are exponents."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        yield import_module("bench.affinity")
    finally:
        sys.path.remove(str(ROOT / "tools"))


def test_slope_is_the_exponent_of_the_cells(bench: ModuleType) -> None:
    sizes = [(2, 3), (4, 6), (8, 12)]  # 6, 24, 96 cells
    assert bench.slope(sizes, [5.0, 20.0, 80.0]) == pytest.approx(1)
    assert bench.slope(sizes, [5.0, 80.0, 1280.0]) == pytest.approx(2)


def test_both_forms_have_the_same_gradients(bench: ModuleType) -> None:
    steps = [bench.make_step(form, "forward and backward", (4, 5))() for form in bench.FORMS]
    assert [tuple(each.shape) for each in steps[0]] == [(153, 4, 5), (128, 4, 5), (128, 4, 5), ()]
    for factored, explicit in zip(*steps, strict=True):
        torch.testing.assert_close(factored, explicit)


def test_rows(bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "SIZES", ((2, 3), (4, 6), (8, 12)))
    monkeypatch.setattr(bench, "EXPLICIT_SIZES", ((1, 1), (2, 3)))
    monkeypatch.setattr(bench, "SMALL", (2, 3))
    monkeypatch.setattr(bench, "PAPERS", (4, 6))
    monkeypatch.setattr(
        bench,
        "_extra_memory",
        lambda form, mode, size: float(size[0] * size[1]) ** (2 if form == "explicit" else 1),
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    bench.run(Namespace(repeats=1))
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("time of ") for line in lines) == 2
    (grows,) = [line for line in lines if line.startswith("memory of forward and backward")]
    assert grows.split()[-6:] == ["explicit", "HW^2.00", "HW^1.00", "<=", "1.1", "yes"]
    assert "on a GPU: skipped, no CUDA device here" in lines
