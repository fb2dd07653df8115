"""kill -9 in mid-training: `--resume` goes on from the last whole checkpoint."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from panoptic_core.engine import RunOptions
from panoptic_core.engine.checkpoint import find_resumable, load_checkpoint_file
from panoptic_core.engine.runs import train

ROOT = Path(__file__).parents[1]
SMALL = {
    "train_cfg.max_iters": 6,
    "train_cfg.val_interval": 100,
    "train_dataloader.batch_size": 2,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "train_dataloader.dataset.size": 64,
    "train_dataloader.dataset.num_images": 4,
    "default_hooks.checkpoint.interval": 2,
    "default_hooks.checkpoint.max_keep_ckpts": 1,
    "default_hooks.logger.interval": 1,
}


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start a training of 6000 iterations and kill it after the fifth."""
    monkeypatch.setenv("PANOPTIC_DATA_CACHE", str(tmp_path / "cache"))
    options = {**SMALL, "train_cfg.max_iters": 6000}
    work_dir = tmp_path / "run"
    overrides = [f"{key}={value}" for key, value in options.items()]
    tool = [str(ROOT / "tools/train.py"), str(ROOT / "configs/tascnet.py"), "--work-dir", str(work_dir)]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *tool, "--cfg-options", *overrides],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if "train     5/6000" in line:
            break
    else:
        pytest.fail(shown)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return work_dir


@pytest.mark.skipif(torch.cuda.is_available(), reason="the killed run was on the CPU")
def test_a_killed_training_goes_on(killed: Path) -> None:
    found = find_resumable(killed)
    assert found is not None
    steps = int(found.stem.removeprefix("iter_"))
    assert steps >= 4
    last = steps + 2
    runner = train(
        RunOptions(
            ROOT / "configs/tascnet.py",
            work_dir=str(killed),
            resume="auto",
            cfg_options={**SMALL, "train_cfg.max_iters": last},
        )
    )
    assert runner.iter == last
    assert sorted(path.name for path in killed.glob("*.pth*")) == [f"iter_{last}.pth"]
    assert not list(killed.glob(".*.tmp"))
    log = next(Path(runner.log_dir).glob("*.log")).read_text()
    assert f"Resumed from `{found}` at iteration {steps}" in log
    losses = load_checkpoint_file(killed / f"iter_{last}.pth")["message_hub"]["log_scalars"]["train/loss"]
    assert len(losses.data[0]) == last  # the history goes on where it stopped
