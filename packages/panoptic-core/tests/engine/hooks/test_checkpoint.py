import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner

from panoptic_core.engine.checkpoint import find_resumable, is_whole, load_checkpoint_file

HOOK = {"type": "panoptic_core.AtomicCheckpointHook", "by_epoch": False, "interval": 2}
WITH_VALIDATION = {
    "val_dataloader": {
        "dataset": {"type": "EngineToyDataset"},
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "batch_size": 4,
    },
    "val_cfg": {},
    "val_evaluator": {"type": "EngineToyMetric"},
}


def _files(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.suffix in {".pth", ".tmp"})


def test_old_checkpoints_go_after_the_new_one_is_there(
    train: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    present = []
    remove = LocalBackend.remove

    def spy(self: LocalBackend, path: str) -> None:
        present.append(_files(Path(path).parent))
        remove(self, path)

    monkeypatch.setattr(LocalBackend, "remove", spy)
    runner = train(default_hooks={"checkpoint": {**HOOK, "max_keep_ckpts": 1}})
    assert present == [["iter_2.pth", "iter_4.pth"], ["iter_4.pth", "iter_6.pth"]]
    assert _files(runner.work_dir) == ["iter_6.pth"]
    assert Path(runner.work_dir, "last_checkpoint").read_text() == f"{runner.work_dir}/iter_6.pth"


def test_resuming_catches_up_on_a_delete_that_a_kill_prevented(
    train: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LocalBackend, "remove", lambda *_: None)  # killed before each delete
        runner = train(default_hooks={"checkpoint": {**HOOK, "max_keep_ckpts": 1}})
    assert _files(runner.work_dir) == ["iter_2.pth", "iter_4.pth", "iter_6.pth"]
    again = train(
        default_hooks={"checkpoint": {**HOOK, "max_keep_ckpts": 1}},
        train_cfg={"by_epoch": False, "max_iters": 8},
        resume=True,
        load_from=f"{runner.work_dir}/iter_6.pth",
    )
    assert _files(again.work_dir) == ["iter_2.pth", "iter_8.pth"]


def test_the_best_checkpoint_is_replaced_in_the_same_order(
    train: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    present = []
    remove = LocalBackend.remove

    def spy(self: LocalBackend, path: str) -> None:
        present.append(_files(Path(path).parent))
        remove(self, path)

    monkeypatch.setattr(LocalBackend, "remove", spy)
    runner = train(
        default_hooks={"checkpoint": {**HOOK, "interval": 100, "save_best": "toy/PQ"}},
        train_cfg={"by_epoch": False, "max_iters": 4, "val_interval": 2},
        **WITH_VALIDATION,
    )
    assert present == [["best_toy_PQ_iter_2.pth", "best_toy_PQ_iter_4.pth", "iter_4.pth"]]
    assert _files(runner.work_dir) == ["best_toy_PQ_iter_4.pth", "iter_4.pth"]


def test_same_content_as_mmengines_hook(train: Callable[..., Runner]) -> None:
    ours = load_checkpoint_file(Path(train(default_hooks={"checkpoint": HOOK}).work_dir, "iter_6.pth"))
    theirs = load_checkpoint_file(Path(train().work_dir, "iter_6.pth"))
    assert ours.keys() == theirs.keys()
    assert ours["state_dict"]["layer.weight"] == theirs["state_dict"]["layer.weight"]
    assert ours["meta"].keys() == theirs["meta"].keys()


KILLED_IN_SAVE = """
import sys, time
import mmengine.fileio
from mmengine.config import Config
from mmengine.runner import Runner
import importlib.util
spec = importlib.util.spec_from_file_location("toys", sys.argv[1])
toys = importlib.util.module_from_spec(spec); spec.loader.exec_module(toys)

put = mmengine.fileio.LocalBackend.put
def slow_put(self, content, path):
    if "iter_4" not in str(path):
        return put(self, content, path)
    with open(path, "wb") as file:
        file.write(content[: len(content) // 2]); file.flush()
        print("half", flush=True)
        time.sleep(600)
mmengine.fileio.LocalBackend.put = slow_put
cfg = Config(dict(
    model=dict(type="EngineToyModel"), work_dir=sys.argv[2],
    train_dataloader=dict(dataset=dict(type="EngineToyDataset"), batch_size=2,
        sampler=dict(type="InfiniteSampler", shuffle=False)),
    train_cfg=dict(by_epoch=False, max_iters=6), optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
    default_hooks=dict(checkpoint=dict(type=sys.argv[3], by_epoch=False, interval=2, max_keep_ckpts=1)),
    log_level="WARNING", randomness=dict(seed=1)))
Runner.from_cfg(cfg).train()
"""


def _kill_in_save(work_dir: Path, hook: str) -> None:
    toys = Path(__file__).parents[1] / "conftest.py"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", KILLED_IN_SAVE, str(toys), str(work_dir), hook],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    started = time.monotonic()
    while (line := process.stdout.readline()) != "half\n":
        assert line, "the run ended before it was killed"
        assert time.monotonic() - started < 60
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_mmengines_hook_loses_everything_when_killed_in_a_save(tmp_path: Path) -> None:
    # What the atomic hook is for: iter_2.pth is gone before iter_4.pth is whole.
    _kill_in_save(tmp_path, "CheckpointHook")
    assert _files(tmp_path) == ["iter_4.pth"]
    assert not is_whole(tmp_path / "iter_4.pth")
    assert find_resumable(tmp_path) is None


def test_a_kill_in_a_save_leaves_the_last_whole_checkpoint(
    tmp_path: Path, train: Callable[..., Runner], caplog: Any
) -> None:
    work_dir = tmp_path / "killed"
    work_dir.mkdir()
    _kill_in_save(work_dir, "panoptic_core.AtomicCheckpointHook")
    temporary, whole = _files(work_dir)
    assert whole == "iter_2.pth"
    assert temporary.startswith(".iter_4.pth")
    found = find_resumable(work_dir)
    assert found == work_dir / "iter_2.pth"
    runner = train(
        work_dir=str(work_dir),
        default_hooks={"checkpoint": {**HOOK, "max_keep_ckpts": 1}},
        resume=True,
        load_from=str(found),
    )
    assert runner.iter == 6
    assert _files(work_dir) == ["iter_6.pth"]
