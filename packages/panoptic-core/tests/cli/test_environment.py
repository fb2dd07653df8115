"""The report never fails, whatever is missing."""

import json
import sys

import pytest

from panoptic_core.__about__ import __version__
from panoptic_core.cli import environment


def test_report_names_packages_and_operators(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.main([]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["panoptic-core"].strip() == __version__
    assert lines["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert "operators" in lines


def test_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["panoptic-core"] == __version__


def test_missing_packages_and_broken_operators_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise environment.PackageNotFoundError(name)

    def broken(name: str) -> None:
        msg = "libtorch.so not found"
        raise OSError(msg)

    monkeypatch.setattr(environment, "version", missing)
    monkeypatch.setattr(environment.importlib, "import_module", broken)
    monkeypatch.setitem(sys.modules, "torch", None)
    facts = environment.environment()
    assert facts["mmdet"] == "not installed"
    assert facts["operators"] == "not available: OSError: libtorch.so not found"
    assert facts["GPU"].startswith("torch cannot be imported")


@pytest.mark.parametrize("available", [True, False])
def test_gpus_are_listed(monkeypatch: pytest.MonkeyPatch, available: bool) -> None:
    import torch

    class Gpu:
        name = "Example GPU"
        total_memory = 80 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Gpu)
    expected = "Example GPU (80 GiB), Example GPU (80 GiB)" if available else "none"
    assert environment.environment()["GPU"] == expected
