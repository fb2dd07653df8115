"""``tools/compare.py`` without any training, and the time of a network on its test images."""

import importlib.util
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from panoptic_core.engine.config.loading import load_config
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
TOOLS = str(ROOT / "tools")


@pytest.fixture(scope="module")
def tool() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("compare", ROOT / "tools" / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["compare"] = module  # dataclasses look their module up
    sys.path.insert(0, TOOLS)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(TOOLS)
        del sys.modules["compare"]


TIMES = {"hardware": "a core", "threads": 1, "torch": "2", "network": 30.0, "fusion": 4.25, "all": 40.0}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; each leaves its JSON."""
    seen: list[list[str]] = []

    def pretend(command: list[str], **_: Any) -> None:
        arguments = command[1:]
        seen.append(arguments)
        if arguments[0] == "tools/train.py":
            file = Path(arguments[arguments.index("--work-dir") + 1]) / "metrics.json"
        else:
            file = Path(arguments[arguments.index("--json") + 1])
        file.parent.mkdir(parents=True, exist_ok=True)
        pq = 70.0 + len(seen)
        values: dict[str, dict[str, Any]] = {
            "metrics.json": {"panoptic/PQ": pq, "panoptic/PQ_th": 60.0, "instance/mask_AP": None},
            "complexity.json": {"parameters": 2_500_000, "multiply_adds": 3_190_000_000},
            "times.json": TIMES,
        }
        file.write_text(json.dumps(values[file.name]))

    monkeypatch.setattr(subprocess, "run", pretend)
    return seen


def _run(tool: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["tools/compare.py", *arguments])
    tool.main()


def test_every_method_is_trained_tested_counted_and_timed(
    tool: Any,
    calls: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _run(tool, monkeypatch, "--out", str(tmp_path), "--jobs", "1")
    count = len(tool.METHODS)
    scripts = [call[0] for call in calls]
    assert scripts == (
        ["tools/train.py"] * count
        + ["tools/test.py", "tools/complexity.py"] * count
        + ["tools/benchmark.py"] * count  # alone, when all else is done
    )
    for train, test, timing in zip(calls[:count], calls[count::2], calls[-count:], strict=False):
        folder = train[train.index("--work-dir") + 1]
        assert (test[1], test[2]) == (train[1], folder)
        assert (timing[2], timing[3]) == (train[1], folder)
    (residual,) = [call for call in calls if "model.predict_residual=False" in call]
    assert residual[:3] == ["tools/benchmark.py", "trained", "configs/tascnet.py"]
    shown = capsys.readouterr().out
    found = json.loads((tmp_path / "compare.json").read_text())
    assert [row["config"] for row in found["rows"]] == [method.config for method in tool.METHODS.values()]
    assert found["rows"][0]["commands"][0] == f"python {' '.join(calls[0])}"
    lines = (tmp_path / "compare.md").read_text().splitlines()
    assert lines[0].startswith("| method | PQ | PQ_th | PQ_st | mIoU | box AP | mask AP | parameters (M) | ")
    assert (
        lines[2]
        == f"| Panoptic FPN | {71.0 + count:.1f} | 60.0 | - | - | - | - | 2.50 | 3.19 | 30.0 | 4.2 | 40.0 |"
    )
    assert lines[-1].startswith("Times: a core, 1 thread(s), torch 2, float32, batch 1; ")
    assert lines[2] in shown

    _run(tool, monkeypatch, "--out", str(tmp_path))
    assert len(calls) == 4 * count  # all of it is found again
    next(tmp_path.glob("upsnet_seed0/times.result.json")).unlink()
    _run(tool, monkeypatch, "--out", str(tmp_path))
    assert [call[2] for call in calls[4 * count :]] == ["configs/upsnet.py"]
    _run(tool, monkeypatch, "--out", str(tmp_path), "--repeats", "3")
    assert all(call[0] == "tools/benchmark.py" for call in calls[4 * count + 1 :])
    assert len(calls) == 5 * count + 1


def test_seeds_are_averaged(
    tool: Any, calls: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(tool, monkeypatch, "oanet", "--out", str(tmp_path), "--seeds", "3", "4", "--jobs", "1")
    assert [call[-1] for call in calls[:2]] == ["randomness.seed=3", "randomness.seed=4"]
    line = (tmp_path / "compare.md").read_text().splitlines()[2]
    assert line.startswith("| OANet | 74.0 (73.0 to 75.0) | 60.0 (60.0 to 60.0) | - |")


def test_weights_that_are_there(
    tool: Any,
    calls: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = tmp_path / "mine"
    weights.mkdir()
    arguments = ["upsnet", "--out", str(tmp_path), "--seeds", "0", "1", "--checkpoint", f"upsnet={weights}"]
    for turn in (1, 2):  # they may have changed
        _run(tool, monkeypatch, *arguments)
        assert len(calls) == 3 * turn
    assert {call[0] for call in calls} == {"tools/test.py", "tools/complexity.py", "tools/benchmark.py"}
    assert calls[0][2] == str(weights)
    for wrong in ("oanet=mine", f"upsnet={tmp_path / 'none'}", "upsnet"):
        with pytest.raises(SystemExit):
            _run(tool, monkeypatch, "upsnet", "--checkpoint", wrong)
        assert "METHOD=PATH with one of upsnet and a checkpoint's" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        _run(tool, monkeypatch, "--cfg-options", "model.tasc_weight=0")
    assert "would not know of another `model`" in capsys.readouterr().err


def test_a_command_that_fails(tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(SystemExit, match=r"training upsnet-.*-seed0 has ended with status 2; .* above"):
        _run(tool, monkeypatch, "upsnet", "--out", str(tmp_path))
    assert not list(tmp_path.rglob("*.json"))


def test_what_is_counted_is_what_the_configs_say(tool: Any) -> None:
    size = import_module("bench.speed").default_size
    for method in tool.METHODS.values():
        cfg = load_config(ROOT / method.config)
        assert size(cfg) == tuple(int(side) for side in tool.SIZE)
        if "test_cfg" in cfg.model and method.counting:
            limits = (cfg.model.test_cfg.rpn.max_per_img, cfg.model.test_cfg.rcnn.max_per_img)
            assert method.counting == ("--proposals", str(limits[0]), "--masks", str(limits[1]))


def test_times_on_the_test_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ROOT / "configs" / "panoptic_fpn.py"
    cfg = load_config(config)
    cfg.model.backbone.update(base_channels=8)
    cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    meta = {
        "dataset_meta": {
            "classes": ("a", "b"),
            "palette": [(0, 0, 0), (1, 1, 1)],
            "num_things": 1,
            "category_ids": (1, 2),
        }
    }
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": meta}, tmp_path / "weights.pth")
    out = tmp_path / "sub" / "times.json"
    options = ["model.backbone.base_channels=8", "model.neck.in_channels=[8,16,32,64]"]
    options += ["test_dataloader.dataset.num_images=3", "test_dataloader.dataset.size=[64,96]"]
    options += [f"test_dataloader.dataset.cache_dir={tmp_path / 'scenes'}"]
    arguments = [str(config), str(tmp_path / "weights.pth"), "--device", "cpu", "--warm-up", "1"]
    arguments += ["--repeats", "2", "--json", str(out), "--cfg-options", *options]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "trained", *arguments])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "tools" / "benchmark.py"))["main"]()
    assert stopped.value.code == 0
    found = json.loads(out.read_text())
    assert (found["images"], found["repeats"]) == (3, 2)
    assert all(found[name] > 0 for name in ("network", "fusion", "rest"))
    assert found["fastest"] <= found["all"] <= found["slowest"]
    assert "ms, medians: network " in capsys.readouterr().out


def test_each_image_counts_as_often_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [TOOLS, *sys.path])
    trained = import_module("bench.trained")
    asked: list[int] = []

    class Model:
        def predict_raw(self, index: int) -> int:
            return index

        def fuse(self, index: int) -> torch.Tensor:
            return torch.zeros(1)

        def test_step(self, batch: Any) -> list[Any]:
            asked.append(int(batch["index"][0]))
            return [type("Sample", (), {"pred_panoptic": self.fuse(self.predict_raw(asked[-1]))})]

    images = [{"index": index} for index in range(3)]
    speed = trained.time_images(Model(), images, "cpu", repeats=2, warm_up=2)
    assert asked == [0, 0, 0, 0, 1, 1, 2, 2]
    assert set(speed.parts) == {"network", "fusion", "rest"}
