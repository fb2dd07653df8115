"""The steps on real images without data or training: which run, and what the bar does."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the tool, the PQ of every training given; return exit status and trained configs."""
    module = runpy.run_path(str(ROOT / "tools" / "realdata.py"))
    main = module["main"]
    monkeypatch.setitem(main.__globals__, "make_small_copy", lambda *_, **__: None)
    monkeypatch.setenv("PANOPTIC_DATA_ROOT", str(tmp_path))

    def run(*steps: str, pq: float = 90.0) -> tuple[int, list[str]]:
        trained: list[str] = []

        def pretend(command: list[str], **rest: Any) -> None:
            assert command[1] == "tools/train.py"
            assert (ROOT / command[2]).is_file()
            trained.append(command[2])
            folder = Path(command[command.index("--work-dir") + 1])
            folder.mkdir(parents=True)
            values = {"panoptic/PQ": pq, "panoptic/PQ_th": None, "panoptic/PQ_st": pq}
            (folder / "metrics.json").write_text(json.dumps(values))

        monkeypatch.setattr(subprocess, "run", pretend)
        monkeypatch.setattr(sys, "argv", ["realdata.py", "--out", str(tmp_path / "out"), *steps])
        return main(), trained

    return run


def test_steps_by_name_and_all(run: Any) -> None:
    methods = ("tascnet", "upsnet", "oanet", "panoptic_deeplab", "dense_affinity")
    overfit = [f"configs/cityscapes/{method}_small_overfit.py" for method in methods]
    assert run("overfit_upsnet") == (0, [overfit[1]])
    assert run("overfit_oanet", "overfit_tascnet") == (0, [overfit[2], overfit[0]])
    papers = ["configs/cityscapes/tascnet_r50.py", "configs/coco/tascnet_r50.py"]
    assert run() == (0, overfit + papers)


def test_the_bar_is_for_what_was_learnt_by_heart(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    status, trained = run("overfit_upsnet", "cityscapes", "overfit_oanet", pq=80.0)
    assert status == 1
    assert len(trained) == 3  # the others run all the same
    out = capsys.readouterr().out
    assert "error: overfit_upsnet: expected PQ > 80" in out
    assert "error: overfit_oanet" in out
    assert "error: cityscapes" not in out


def test_a_step_that_is_none(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("overfit")
    assert "There is no step `overfit`. Choose of overfit_tascnet, overfit_upsnet" in capsys.readouterr().err
