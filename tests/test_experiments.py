"""The comparisons without any training: each network is trained once, and results are found again."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "experiments.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("experiments", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["experiments"] = module  # dataclasses look their module up
    sys.path.insert(0, str(TOOL.parent))
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(TOOL.parent))
        del sys.modules["experiments"]


@pytest.fixture
def calls(tool: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; each leaves metrics that tell it apart."""
    seen: list[list[str]] = []
    numbers = itertools.count(1)  # commands run side by side: the length of a list may be read too late

    def pretend(command: list[str], **rest: Any) -> None:
        assert rest["timeout"] == 7
        arguments = command[1:]
        seen.append(arguments)
        number = float(next(numbers))
        folder = Path(arguments[arguments.index("--work-dir") + 1])
        folder.mkdir(parents=True)
        keys = {key for experiment in tool.EXPERIMENTS.values() for key in experiment.metrics.values()}
        (folder / "metrics.json").write_text(json.dumps(dict.fromkeys(keys, number)))

    monkeypatch.setattr(subprocess, "run", pretend)
    return seen


def _results(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def test_both_orders_of_a_seed_come_from_one_training(
    tool: Any, calls: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.compare(["ranking"], [0, 1], tool.Runs(tmp_path, time_limit=7))
    assert [call[0] for call in calls] == ["tools/train.py", "tools/test.py", "tools/test.py"] * 2
    train, score, ranking = calls[:3]
    assert not any("order=" in option for option in train)
    for call, order in ((score, "score"), (ranking, "ranking")):
        assert call[2] == train[train.index("--work-dir") + 1]  # the folder with its checkpoint
        assert f"model.panoptic_fusion_head.order={order}" in call
        assert not any(option.startswith("train_") for option in call)
    results = _results(tmp_path / "ranking")
    assert list(results) == [
        f"{word}_seed{i}" for word in ("detection_score", "spatial_ranking") for i in (0, 1)
    ]
    first = results["detection_score_seed0"]
    assert first["metrics"]["panoptic/PQ"] == 2  # of the evaluation
    assert first["commands"] == [f"python {' '.join(call)}" for call in (train, score)]
    assert first["seed"] == 0
    assert first["seconds"] >= 0
    assert "| detection score | 2 | " in capsys.readouterr().out

    tool.compare(["ranking"], [0, 1], tool.Runs(tmp_path, time_limit=7))
    assert len(calls) == 6


@pytest.mark.parametrize("names", [["upsnet", "unknown"], ["unknown", "upsnet"]])
@pytest.mark.parametrize("at_once", [True, False])
def test_unknown_on_is_the_upsnet_of_the_other_comparison(
    tool: Any, calls: list[list[str]], tmp_path: Path, names: list[str], at_once: bool
) -> None:
    for some in [names] if at_once else [[name] for name in names]:
        tool.compare(some, [0], tool.Runs(tmp_path, time_limit=7), jobs=2)
    assert len(calls) == 4  # UPSNet-C, UPSNet-CP, UPSNet = unknown on, unknown off
    same, other = (
        _results(tmp_path / "upsnet")["UPSNet_seed0"],
        _results(tmp_path / "unknown")["unknown_on_seed0"],
    )
    assert same == other
    assert same["metrics"] != _results(tmp_path / "unknown")["unknown_off_seed0"]["metrics"]


def test_a_training_is_the_config_the_options_and_the_seed(tool: Any) -> None:
    names = [
        tool.Training(*parts).folder
        for parts in (
            ("configs/upsnet.py", ("x=1",), 0),
            ("configs/oanet.py", ("x=1",), 0),
            ("configs/upsnet.py", ("x=2",), 0),
            ("configs/upsnet.py", ("x=1",), 1),
        )
    ]
    assert len(set(names)) == 4
    rare, common = (tool.training_of(name, "detection score", 0) for name in ("ranking_rare", "ranking"))
    assert rare != common


def test_a_changed_config_is_another_training(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "configs" / "_base_" / "models" / "small.py"
    base.parent.mkdir(parents=True)
    leaf = tmp_path / "configs" / "coco" / "leaf.py"
    leaf.parent.mkdir()
    monkeypatch.setattr(sys.modules["_trainings"], "ROOT", tmp_path)
    folders = set()
    for width, steps in ((8, 1), (16, 1), (16, 2)):
        base.write_text(f"width = {width}\n")
        leaf.write_text(f"with read_base():\n    from .._base_.models.small import *\n\nsteps = {steps}\n")
        folders.add(tool.Training("configs/coco/leaf.py", (), 0).folder)
    assert len(folders) == 3


def test_cut_boxes_and_heuristics_need_no_training_of_their_own(
    tool: Any, calls: list[list[str]], tmp_path: Path
) -> None:
    tool.compare(["upsnet", "affinity", "truncation"], [0], tool.Runs(tmp_path, time_limit=7))
    trained = [call for call in calls if call[0] == "tools/train.py"]
    configs = ["upsnet_c", "upsnet_cp", "upsnet"]
    configs += [f"dense_affinity{name}" for name in ("_a", "_b", "_c2", "_no_affinity", "")]
    assert [call[1] for call in trained] == [f"configs/{name}.py" for name in configs]
    folders = {call[1]: call[call.index("--work-dir") + 1] for call in trained}
    tested = [call for call in calls if call[0] == "tools/test.py"]
    cut = [call for call in tested if "--truncate-boxes" in call]
    assert len(cut) == len(tool.EXPERIMENTS["truncation"].variants)
    # C1 and D1 have configs of their own for the weights of C2 and D2.
    pairs = {(call[1], call[2]) for call in tested if "_c1" in call[1] or "_d1" in call[1]}
    affinity = "configs/dense_affinity"
    assert pairs == {
        (f"{affinity}_c1.py", folders[f"{affinity}_c2.py"]),
        (f"{affinity}_d1.py", folders[f"{affinity}.py"]),
    }
    whole, part = (
        _results(tmp_path / name)["D2_seed0"]["metrics"]["panoptic/PQ"] for name in ("affinity", "truncation")
    )
    assert whole != part


def test_every_config_is_there(tool: Any) -> None:
    for experiment in tool.EXPERIMENTS.values():
        tests = [test.config for test in experiment.tests.values() if test.config is not None]
        for config in (experiment.config, *experiment.configs.values(), *tests):
            assert (TOOL.parents[1] / config).is_file(), config
        assert set(experiment.configs) | set(experiment.tests) <= set(experiment.variants)


def test_a_result_of_other_options_is_not_taken(tool: Any, calls: list[list[str]], tmp_path: Path) -> None:
    runs = tool.Runs(tmp_path, time_limit=7)
    tool.compare(["tasc"], [0], runs)
    assert len(calls) == 3
    for path in (tmp_path / "tasc").glob("*.json"):
        result = json.loads(path.read_text())
        # As older results are written, from another folder
        command = result.pop("commands")[0].replace(str(tmp_path), "elsewhere")
        if "0.1" in path.name:
            command = command.replace("max_iters=1000", "max_iters=999")
        path.write_text(json.dumps({**result, "command": command}))
    for path in (tmp_path / "trainings").glob("*.json"):
        path.unlink()
    tool.compare(["tasc"], [0], runs)
    assert [call for call in calls[3:] if "model.tasc_weight=0.1" in call] == calls[3:]
    assert len(calls) == 4


def test_a_value_that_a_run_does_not_have_is_left_out(tool: Any) -> None:
    keys = tool.EXPERIMENTS["ranking"].metrics.values()
    runs = [{"metrics": dict.fromkeys(keys, value)} for value in (None, 40.0, 60.0)]
    lines = tool.table("ranking", {"some": runs, "none": runs[:1]}).splitlines()
    assert lines[2] == "| some | 3 |" + " 50.0 (40.0 to 60.0) |" * len(keys)
    assert lines[3] == "| none | 1 |" + " - |" * len(keys)


def test_out_of_time(tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(command: list[str], **rest: Any) -> None:
        raise subprocess.TimeoutExpired(command, rest["timeout"])

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(SystemExit, match=r"took more than 300 seconds.*--time-limit"):
        tool.compare(["tasc"], [0], tool.Runs(tmp_path, time_limit=300))
    assert not list(tmp_path.rglob("*.json"))
