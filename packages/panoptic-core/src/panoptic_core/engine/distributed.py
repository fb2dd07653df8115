"""Several processes on any device: gloo where there is no GPU, and a wrapper that needs none.

MMEngine sets a CUDA device before it starts its process group, and passes ``device_ids`` to DDP; both fail on
the CPU. A group that exists already is left alone by it, so ours is made first.
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
from typing import Any

import torch
from mmengine.model import MMDistributedDataParallel
from torch import distributed, nn

from panoptic_core.registry import MODEL_WRAPPERS

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")
_DEFAULT_PORT = "29500"  # torch.distributed's own
_left_groups: list[Any] = []
_gloo_threads: list[int] = []  # processes that started some: this one, or the one that it was forked from
# What each launcher calls rank, number of processes, rank on this machine.
_VARIABLES = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
_STARTED_BY = {
    "pytorch": "torchrun --nproc_per_node=N tools/train.py CONFIG --launcher pytorch",
    "slurm": "srun --ntasks=N python tools/train.py CONFIG --launcher slurm",
    "mpi": "mpirun -np N python tools/train.py CONFIG --launcher mpi",
}


@MODEL_WRAPPERS.register_module()
class AnyDeviceDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's DDP wrapper that also works for a model on the CPU, where ``device_ids`` must be None."""

    def __init__(self, module: nn.Module, device_ids: list[int] | None = None, **kwargs: Any) -> None:
        on_cpu = all(parameter.device.type == "cpu" for parameter in module.parameters())
        super().__init__(module, device_ids=None if on_cpu else device_ids, **kwargs)


def world_size(launcher: str) -> int:
    """Return the number of processes that the launcher has started.

    Raises:
        RuntimeError: If the launcher's environment variables are not there.
    """
    if launcher == "none":
        return 1
    missing = [name for name in _VARIABLES[launcher] if name not in os.environ]
    if missing:
        msg = (
            f"`--launcher {launcher}` expects to be started by it, but {', '.join(missing)} is not set. "
            f"Start with `{_STARTED_BY[launcher]}`, or leave `--launcher` away for one process."
        )
        raise RuntimeError(msg)
    return int(os.environ[_VARIABLES[launcher][1]])


def join_processes(launcher: str) -> None:
    """Start the gloo process group if this is one of several processes and there is no GPU.

    With a GPU nothing is done: MMEngine starts NCCL itself.
    """
    if world_size(launcher) == 1 and launcher == "none":
        return
    if torch.cuda.is_available() or distributed.is_initialized():
        return
    for theirs, ours in zip(_VARIABLES[launcher], _VARIABLES["pytorch"], strict=True):
        os.environ[ours] = os.environ[theirs]
    os.environ.setdefault("MASTER_PORT", _DEFAULT_PORT)
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = _first_host() if launcher == "slurm" else "127.0.0.1"
    distributed.init_process_group("gloo")
    if distributed.is_initialized():
        _gloo_threads.append(os.getpid())


def leave_processes() -> None:
    """Close the process group, so that a program ends without a warning.

    A gloo group stays in memory. Its destructor waits for its threads and holds Python's lock meanwhile,
    where DDP's reducer has the last reference; a thread that needs the lock to let go of a tensor then waits
    for ever.
    """
    if distributed.is_available() and distributed.is_initialized():
        if distributed.get_backend() == "gloo":
            _left_groups.append(distributed.group.WORLD)
        distributed.destroy_process_group()


def end_process(status: int) -> int:
    """End this program if it was one of a gloo group; anywhere else only return the status.

    For the last line of a script alone: nothing after it runs.

    gloo's threads outlive the group. One that lets go of its last tensor while Python already tears itself
    down ends the process by SIGABRT ("terminate called without an active exception";
    https://github.com/pytorch/pytorch/pull/179291), and a run that has succeeded counts as failed. So
    everything that Python does at the end is done here, but not its teardown.

    Args:
        status: The exit status.

    Returns:
        The status, for ``sys.exit``.
    """
    if os.getpid() not in _gloo_threads:
        return status
    atexit._run_exitfuncs()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _first_host() -> str:
    nodes = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST") or ""
    command = ["scontrol", "show", "hostnames", nodes]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]  # noqa: S603
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        msg = f"Cannot find the first of the nodes '{nodes}' by scontrol ({error}). Set MASTER_ADDR."
        raise RuntimeError(msg) from error
