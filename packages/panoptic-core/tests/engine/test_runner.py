import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine import PanopticRunner
from panoptic_core.engine.checkpoint import CheckpointError, load_checkpoint_file

Run = Callable[..., PanopticRunner]


@pytest.fixture
def run(toy_config: dict[str, Any]) -> Run:
    """Train the toy model by our runner, with the lines of a real run."""
    count = iter(range(100))

    def start(**changes: Any) -> PanopticRunner:
        config = {
            **toy_config,
            "experiment_name": f"{toy_config['experiment_name']}_{next(count)}",
            "log_level": "INFO",
            "log_processor": {"type": "panoptic_core.ReadableLogProcessor", "by_epoch": False},
            "custom_hooks": [{"type": "panoptic_core.ProgressHook"}],
            "default_hooks": {
                "checkpoint": {
                    "type": "panoptic_core.AtomicCheckpointHook",
                    "by_epoch": False,
                    "interval": 2,
                },
                "logger": {"type": "LoggerHook", "interval": 2},
            },
            **changes,
        }
        runner: PanopticRunner = PanopticRunner.from_cfg(Config(config))
        runner.train()
        return runner

    return start


def _console(runner: PanopticRunner, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was printed; the log file has more."""
    shown = capsys.readouterr()
    return shown.out + shown.err


def test_resuming_takes_the_newest_whole_file(run: Run) -> None:
    first = run()
    Path(first.work_dir, "iter_6.pth").write_bytes(b"PK")
    again = run(resume=True, train_cfg={"by_epoch": False, "max_iters": 8})
    assert again._load_from == f"{first.work_dir}/iter_4.pth"
    assert again.iter == 8


def test_nothing_to_resume_is_a_start(run: Run) -> None:
    runner = run(resume=True)
    assert runner.iter == 6


def test_interrupted_and_whole_training_agree(run: Run, tmp_path: Path) -> None:
    whole = run(work_dir=str(tmp_path / "whole"), train_cfg={"by_epoch": False, "max_iters": 8})
    run(work_dir=str(tmp_path / "parts"), train_cfg={"by_epoch": False, "max_iters": 4})
    parts = run(work_dir=str(tmp_path / "parts"), resume=True, train_cfg={"by_epoch": False, "max_iters": 8})
    torch.testing.assert_close(parts.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)


def test_weights_of_another_model(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    first = run()
    path = f"{first.work_dir}/iter_6.pth"
    checkpoint = load_checkpoint_file(path)
    # For pre-training the layer of another shape is left out and listed ...
    wide = {"model": {"type": "EngineToyModel", "width": 3}, "load_from": path}
    runner = run(**wide, resume=False, train_cfg={"by_epoch": False, "max_iters": 1})
    assert runner.model.layer.weight.shape == (3, 1)
    log = next(Path(runner.log_dir).glob("*.log")).read_text()
    assert "layer.weight: 1x1 -> 3x1" in log
    # ... but not for going on with a run.
    with pytest.raises(
        CheckpointError, match=r"do not fit this model.*\n.*\n.*\n.*layer\.weight: 1x1 -> 3x1"
    ):
        run(**wide, resume=True)
    torch.save({"other.weight": checkpoint["state_dict"]["layer.weight"]}, path)
    with pytest.raises(CheckpointError, match=r"Only in the checkpoint, not used: 1"):
        run(load_from=path)


def test_lines_for_people(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    runner = run()
    log = next(Path(runner.log_dir).glob("*.log")).read_text()
    assert (
        "Training ToyModel (0.00 M learnable weights) on 8 images: 6 iterations with batches of 2, on" in log
    )
    assert "train  2/6 (33%) | left 0:00:0" in log
    assert "| lr 1.0e-02 | loss " in log
    assert f"Last checkpoint: {runner.work_dir}/iter_6.pth" in log
    assert "Hooks will be executed" in log  # in the file, not on the console:
    filters = [
        handler.filter(logging.makeLogRecord({"msg": "Hooks will be executed ..."}))
        for handler in runner.logger.handlers
        if type(handler) is logging.StreamHandler
    ]
    assert filters == [False]


def test_lines_of_passes_and_of_validations(run: Run) -> None:
    runner = run(
        train_cfg={"by_epoch": True, "max_epochs": 2},
        train_dataloader={
            "dataset": {"type": "EngineToyDataset"},
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "batch_size": 4,
        },
        val_dataloader={
            "dataset": {"type": "EngineToyDataset"},
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "batch_size": 2,
        },
        val_cfg={},
        val_evaluator={"type": "EngineToyMetric"},
        log_processor={"type": "panoptic_core.ReadableLogProcessor", "by_epoch": True},
        default_hooks={
            "checkpoint": {
                "type": "panoptic_core.AtomicCheckpointHook",
                "interval": 1,
                "save_best": "toy/PQ",
            },
            "logger": {"type": "LoggerHook", "interval": 2},
        },
    )
    log = next(Path(runner.log_dir).glob("*.log")).read_text()
    assert "Training ToyModel (0.00 M learnable weights) on 8 images: 2 passes with batches of 4, on" in log
    assert "train  epoch 2/2, 2/2 (100%) |" in log
    assert "Validating on 8 images." in log
    assert "val  4/4 (100%) |" in log
    assert "val done: PQ 2.00 (" in log
    assert f"Best checkpoint: {runner.work_dir}/best_toy_PQ_epoch_2.pth" in log
    assert Path(runner.work_dir, "metrics.json").read_text() == '{\n  "toy/PQ": 2.0\n}\n'
