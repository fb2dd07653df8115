"""Benchmark of the dense affinity in training: the two thin products beside the explicit affinity.

Time and memory of forward, and of forward and backward, as powers of the number of cells HW: a slope of 1 is
linear. The sizes have one aspect ratio; 200 x 325 is a quarter of 800 x 1300, the paper's example.
"""

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from bench._fusion_scene import num_threads
from bench._timing import Table, interleaved, peak_memory
from torch import Tensor

from panoptic_core.complexity import affinity_cost
from panoptic_fusion import apply_affinity
from panoptic_fusion.testing.literal_affinity import apply_affinity_literally

CHANNELS, OUTPUTS = 128, 153  # of the paper's example
SIZES = ((100, 163), (200, 325), (400, 650))
EXPLICIT_SIZES = (
    (25, 41),
    (50, 82),
)  # at (200, 325) one affinity takes 15.7 GB, and backward has four of them
SMALL, PAPERS = EXPLICIT_SIZES[-1], SIZES[1]
MODES = ("forward", "forward and backward")
MOST = 1.1  # of a slope
FORMS: dict[str, Callable[..., Tensor]] = {"factored": apply_affinity, "explicit": apply_affinity_literally}


def run(args: argparse.Namespace) -> None:
    """Print all rows; one thread."""
    repeats = args.repeats or 7
    with num_threads(1):
        table = Table(f"dense affinity, C = {CHANNELS}, K = {OUTPUTS}, float32")
        for mode in MODES:
            time_rows(table, mode, repeats, "cpu")
        memory_rows(table)
    if torch.cuda.is_available():
        for mode in MODES:
            time_rows(table, mode, repeats, "cuda")
        gpu_memory_rows(table)
    else:
        table.skip("on a GPU", "no CUDA device here")
    table.close()


def make_step(form: str, mode: str, size: tuple[int, int], device: str = "cpu") -> Callable[[], object]:
    """Return one call; its inputs exist already, its gradients do not.

    Args:
        form: Of `FORMS`.
        mode: Of `MODES`.
        size: Of the maps.
        device: Where they lie.
    """
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.rand(channels, *size, generator=generator).to(device).requires_grad_(mode != "forward")
        for channels in (OUTPUTS, CHANNELS, CHANNELS)
    ]
    gamma = torch.tensor(0.5, device=device, requires_grad=mode != "forward")
    apply = FORMS[form]
    if mode == "forward":
        return lambda: apply(*parts, gamma)
    weights = torch.rand(OUTPUTS, *size, generator=generator).to(device)
    return lambda: torch.autograd.grad(apply(*parts, gamma), [*parts, gamma], weights)


def slope(sizes: Sequence[tuple[int, int]], values: Sequence[float]) -> float:
    """Return the exponent of HW by which the values grow, a least-squares line through their logarithms.

    Example:
        >>> slope([(1, 1), (1, 2), (2, 2)], [3.0, 6.0, 12.0])
        1.0
    """
    x = [math.log(height * width) for height, width in sizes]
    y = [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    rise = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return rise / sum((a - mean_x) ** 2 for a in x)


def time_rows(table: Table, mode: str, repeats: int, device: str) -> None:
    """Both forms at the largest size that the explicit one has, and how either grows."""
    calls = [make_step("explicit", mode, size, device) for size in EXPLICIT_SIZES]
    calls += [make_step("factored", mode, size, device) for size in (SMALL, *SIZES)]
    clock = time.thread_time if device == "cpu" else time.perf_counter
    spent = interleaved(calls, repeats=repeats, warm_up=1, clock=clock)
    explicit, (small, *factored) = spent[: len(EXPLICIT_SIZES)], spent[len(EXPLICIT_SIZES) :]
    where = "" if device == "cpu" else ", GPU"
    note = torch.cuda.get_device_name() if device == "cuda" else ""
    table.faster(f"{mode}, {_named(SMALL)}{where}", "explicit", explicit[-1], small, None, note)
    slopes = slope(EXPLICIT_SIZES, explicit), slope(SIZES, factored)
    table.slope(f"time of {mode}{where}", "explicit", *slopes, MOST)


def memory_rows(table: Table) -> None:
    """Extra memory of one call in a fresh process, and how it grows."""
    if not sys.platform.startswith("linux"):
        table.skip("extra memory", "it is read from /proc, which Linux has")
        return
    for mode in MODES:
        _memory_rows(table, mode, "", _extra_memory)


def gpu_memory_rows(table: Table) -> None:
    """The same by the allocator's own count."""
    for mode in MODES:
        _memory_rows(table, mode, ", GPU", _extra_gpu_memory)


def _memory_rows(
    table: Table, mode: str, where: str, extra: Callable[[str, str, tuple[int, int]], float]
) -> None:
    explicit = [extra("explicit", mode, size) for size in EXPLICIT_SIZES]
    small, *factored = (extra("factored", mode, size) for size in (SMALL, *SIZES))
    table.memory(f"{mode}, {_named(SMALL)}{where}", "explicit", explicit[-1], small, None)
    dense = affinity_cost(PAPERS, channels=CHANNELS, outputs=OUTPUTS, stride=1).explicit_bytes / 2**20
    ours = factored[SIZES.index(PAPERS)]
    table.memory(f"{mode}, {_named(PAPERS)}{where}", "one affinity, counted", dense, ours, None)
    slopes = slope(EXPLICIT_SIZES, explicit), slope(SIZES, factored)
    table.slope(f"memory of {mode}{where}", "explicit", *slopes, MOST)


def _extra_memory(form: str, mode: str, size: tuple[int, int]) -> float:
    """Return the MB of one call in a process of its own."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch; torch.set_num_threads(1)\n"
        "from bench import affinity as f; f.print_extra_memory(*sys.argv[2:])\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1]), form, mode, *map(str, size)]
    # What is freed goes back to the kernel at once, so that the call cannot hide in it.
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)  # noqa: S603
    return float(done.stdout)


def print_extra_memory(form: str, mode: str, height: str, width: str) -> None:
    """Measure one call in this process, after a small one that loads what is loaded once."""
    make_step(form, mode, (4, 5))()
    print(peak_memory(make_step(form, mode, (int(height), int(width)))))


def _extra_gpu_memory(form: str, mode: str, size: tuple[int, int]) -> float:
    make_step(form, mode, (4, 5), "cuda")()
    call = make_step(form, mode, size, "cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _named(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
