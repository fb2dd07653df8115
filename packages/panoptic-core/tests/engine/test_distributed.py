import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel, is_model_wrapper

from panoptic_core.engine import AnyDeviceDistributedDataParallel
from panoptic_core.engine.distributed import join_processes, world_size

SCRIPT = """
import os, sys, torch
from torch import distributed
from panoptic_core.engine.distributed import AnyDeviceDistributedDataParallel, join_processes, leave_processes
from panoptic_core.engine.distributed import end_process
launcher = sys.argv[1]
join_processes(launcher)
torch.manual_seed(distributed.get_rank())  # other weights in each process: DDP sends rank 0's to all
model = AnyDeviceDistributedDataParallel(torch.nn.Linear(2, 1), device_ids=[int(os.environ["LOCAL_RANK"])])
x = torch.full((1, 2), float(distributed.get_rank() + 1))
model(x).sum().backward()
# The gradient is x, and DDP takes the mean of the ranks': (1 + 2) / 2.
assert torch.equal(model.module.weight.grad, torch.full((1, 2), 1.5)), model.module.weight.grad
leave_processes()
sys.exit(end_process(0))
"""


def test_two_processes_on_the_cpu() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": "",
        "WORLD_SIZE": "2",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, "pytorch"],
            env={**os.environ, **here, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


@pytest.fixture
def alone() -> dict[str, str]:
    """Return the variables of a group of one process on the CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": ""}
    return {**place, "WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}


LATE = """
import atexit, os, sys
from panoptic_core.engine.distributed import end_process, join_processes, leave_processes

class AbortsAtTeardown:  # as a thread of gloo does that holds a tensor then
    def __del__(self): os.abort()

late = AbortsAtTeardown()
atexit.register(print, "handlers ran")
if sys.argv[1] == "group":
    join_processes("pytorch")
    leave_processes()
print("done")  # into a pipe: only a flush brings it out
sys.exit(end_process(3))
"""


@pytest.mark.parametrize(("group", "status"), [("group", 3), ("alone", -6)])
def test_a_process_of_a_group_ends_without_teardown(group: str, status: int, alone: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LATE, group],
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert done.stdout.split("\n")[:2] == ["done", "handlers ran"]


LEFT = """
import gc, os, sys, torch
from panoptic_core.engine.distributed import end_process, join_processes, leave_processes

join_processes("pytorch")
torch.distributed.all_reduce(torch.ones(3))
leave_processes()
gc.collect()
tasks = "/proc/self/task"
names = [open(f"{tasks}/{task}/comm").read().strip() for task in os.listdir(tasks)]
assert not torch.distributed.is_initialized()
# Nobody waits for the threads: one could wait for the lock that the one who waits for it holds.
assert "pt_gloo_runloop" in names, names
sys.exit(end_process(0))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="lists threads as Linux does")
def test_the_threads_of_a_group_that_was_left_are_not_waited_for(alone: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEFT],
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("launcher", "names"),
    [
        ("slurm", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")),
        ("mpi", ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK")),
    ],
)
def test_other_launchers_variables_become_torchs(
    launcher: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in zip(names, "581", strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: False)
    monkeypatch.setattr("panoptic_core.engine.distributed._first_host", lambda: "node-1")
    started = []
    monkeypatch.setattr(torch.distributed, "init_process_group", started.append)
    join_processes(launcher)
    assert started == ["gloo"]
    assert [os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")] == ["5", "8", "1"]
    assert os.environ["MASTER_ADDR"] == ("node-1" if launcher == "slurm" else "127.0.0.1")


def test_the_launchers_variables_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    assert world_size("none") == 1
    with pytest.raises(RuntimeError, match=r"SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID is not set.*srun"):
        world_size("slurm")


def test_mmengine_knows_the_wrapper() -> None:
    if torch.distributed.is_initialized():
        pytest.skip("a process group is there already")
    torch.distributed.init_process_group("gloo", init_method="tcp://127.0.0.1:0", rank=0, world_size=1)
    try:
        model = AnyDeviceDistributedDataParallel(torch.nn.Linear(1, 1), device_ids=[0])
        assert is_model_wrapper(model)
        assert model.device_ids is None
        assert not isinstance(model, BaseModel)
    finally:
        torch.distributed.destroy_process_group()
