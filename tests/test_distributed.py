"""The tools in two processes on the CPU: they train, and give the PQ of one process to the last digit."""

import filecmp
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from panoptic_core.engine import RunOptions
from panoptic_core.engine.runs import evaluate
from panoptic_core.files import read_panoptic_png
from panoptic_core.fusing import SavedOutputs, fuse_folders

ROOT = Path(__file__).parents[1]
CONFIG = str(ROOT / "configs/tascnet.py")


def _small(part: str) -> dict[str, object]:
    """Return the overrides that make a data loader tiny; five images do not divide by two processes."""
    return {
        f"{part}_dataloader.dataset.size": 64,
        f"{part}_dataloader.dataset.num_images": 5,
        f"{part}_dataloader.num_workers": 0,
        f"{part}_dataloader.persistent_workers": False,
    }


def _in_two_processes(tool: str, *arguments: str, options: dict[str, object]) -> str:
    """Run a tool under torchrun; return what it printed."""
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d"]
    command = [
        sys.executable,
        "-W",
        "ignore",
        *torchrun,
        "--rdzv-endpoint=localhost:0",
        str(ROOT / "tools" / tool),
    ]
    overrides = [f"{key}={value}" for key, value in options.items()]
    done = subprocess.run(
        [*command, CONFIG, *arguments, "--launcher", "pytorch", "--cfg-options", *overrides],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train TASCNet for a moment in two processes; return its folder, which is the current one too."""
    monkeypatch.setenv("PANOPTIC_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    options = {
        **_small("train"),
        "train_dataloader.batch_size": 2,
        "train_cfg.max_iters": 4,
        "train_cfg.val_interval": 100,
        "default_hooks.logger.interval": 1,
        "auto_scale_lr.base_batch_size": 8,
        "optim_wrapper.optimizer.lr": 2.5e-3,
    }
    shown = _in_two_processes("train.py", "--work-dir", "run", "--auto-scale-lr", options=options)
    assert "batches of 4, on 2 x CPU" in shown
    assert "this run has 4. It is scaled to 0.00125." in shown
    assert "train  4/4 (100%)" in shown
    return tmp_path / "run"


def test_one_process_and_two_agree_to_the_last_digit(trained: Path) -> None:
    small = _small("test")
    one = evaluate(
        RunOptions(CONFIG, str(trained), work_dir="one", cfg_options=small),
        out="one",
        json_path="one/values.json",
        stuff_report=True,
        report="one/report.html",
        extended=(),
    )
    files = ("--work-dir", "two", "--out", "two", "--json", "two/values.json", "--stuff-report", "--extended")
    files += ("--report", "two/report.html")
    _in_two_processes("test.py", str(trained), *files, options=small)
    values = [json.loads(Path(name, "values.json").read_text()) for name in ("one", "two")]
    assert values[0] == values[1]
    assert {"stuff/IoU_untrimmed", "stuff/PQ_trimmed", "semantic/thing_as_stuff"} <= values[0].keys()
    assert {"extended/PC", "extended/PQ_boundary", "extended/FN_missed"} <= values[0].keys()
    assert values[0]["panoptic/PQ"] == one["panoptic/PQ"] >= 0
    compared = filecmp.dircmp("one/panoptic", "two/panoptic")
    assert len(compared.same_files) == 5
    assert not compared.diff_files + compared.left_only + compared.right_only
    assert filecmp.cmp("one/panoptic.json", "two/panoptic.json", shallow=False)
    assert filecmp.cmp("one/report.html", "two/report.html", shallow=False)
    assert Path("one/report.html").read_text(encoding="utf-8").count("<article") == 5


def test_saved_raw_outputs_fuse_to_the_same_maps(trained: Path) -> None:
    small = _small("test")
    fusion = {"score_thr": 0.05, "stuff_area_limit": 0}  # so that four steps of training show something
    options = {**small, **{f"model.panoptic_fusion_head.{key}": value for key, value in fusion.items()}}
    evaluate(RunOptions(CONFIG, str(trained), work_dir="one", cfg_options=options), out="one", raw="one/raw")
    settings = {
        "score": 0.05,
        "box_nms": 0.3,
        "mask_nms": 0.3,
        "overlap": 0.4,
        "guidance": 0.5,
        "clip": False,
        "stuff_area": 0,
    }
    outputs = SavedOutputs.open("one/panoptic.json", raw="one/raw")
    fuse_folders(outputs, Path("fused.json"), method="mask_guidance", settings=settings, with_scores=True)
    for path in sorted(Path("one/panoptic").iterdir()):
        again = read_panoptic_png(Path("fused") / path.name)
        assert ((again > 0) == (read_panoptic_png(path) > 0)).all()
    written, fused = (json.loads(Path(name).read_text()) for name in ("one/panoptic.json", "fused.json"))
    for left, right in zip(written["annotations"], fused["annotations"], strict=True):
        columns = [
            sorted((info["category_id"], info["area"]) for info in one["segments_info"])
            for one in (left, right)
        ]
        assert columns[0] == columns[1]
