"""Benchmark of the fusions from logits, UPSNet's and the dense affinity's, beside dense forms."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from bench import _fusion_scene as fusion
from bench._timing import Table, interleaved
from torch import Tensor

from panoptic_fusion import (
    apply_affinity,
    argmax_panoptic_logits,
    dynamic_potential,
    fuse_by_affinity,
    fuse_by_panoptic_logits,
)
from panoptic_fusion.testing.literal_affinity import apply_affinity_literally
from panoptic_fusion.testing.literal_panoptic_logits import fuse_by_panoptic_logits_literally

LIMITS = {"panoptic logits": 100, "affinity": 150}  # MB at 1024 x 2048; the affinity keeps 111 small maps


@dataclass
class LogitScene:
    """The inputs of a fusion from logits: 19 maps; at a quarter of the resolution with features."""

    scene: fusion.Scene
    sem_logits: Tensor
    small_logits: Tensor
    phi0: Tensor
    phi1: Tensor

    def to(self, device: str) -> "LogitScene":
        """Return the scene on another device."""
        parts = self.sem_logits, self.small_logits, self.phi0, self.phi1
        return LogitScene(self.scene.to(device), *(part.to(device) for part in parts))


def make_scene(height: int = 1024, num_instances: int = 100, seed: int = 0) -> LogitScene:
    """Make the street of the other rows with logits that follow its label map, and 128 random features."""
    scene = fusion.make_scene(height, num_instances, seed)
    generator = torch.Generator().manual_seed(seed)
    small = torch.randn(fusion.NUM_CLASSES, height // 4, height // 2, generator=generator)
    small += 6 * (torch.arange(fusion.NUM_CLASSES)[:, None, None] == scene.sem_seg[2::4, 2::4])
    sem_logits = F.interpolate(small[None], scale_factor=4, mode="bilinear")[0]
    phi = torch.randn(2, 128, *small.shape[1:], generator=generator).relu_() / 16
    return LogitScene(scene, sem_logits, small, phi[0], phi[1])


def fuse_logits(one: LogitScene) -> Tensor:
    """Ours: UPSNet's inference."""
    parts = one.scene.masks, one.scene.labels, one.scene.scores, one.sem_logits
    return fuse_by_panoptic_logits(*parts, num_things=fusion.NUM_THINGS).id_map


def fuse_affinity(one: LogitScene) -> Tensor:
    """Ours: the dense affinity's inference."""
    scene = one.scene
    parts = scene.masks, scene.labels, scene.scores, one.small_logits, one.phi0, one.phi1
    return fuse_by_affinity(*parts, num_things=fusion.NUM_THINGS, size=scene.size).id_map


FUSIONS: dict[str, Callable[[LogitScene], Tensor]] = {
    "panoptic logits": fuse_logits,
    "affinity": fuse_affinity,
}


def add_rows(table: Table, repeats: int) -> None:
    """Print all rows; one thread unless a row says otherwise."""
    one = make_scene()
    head_rows(table, one, max(1, repeats // 5))
    literal_rows(table)
    affinity_rows(table, one, max(1, repeats // 5))
    yardstick_rows(table, one, max(1, repeats // 3))
    gpu_rows(table, one, repeats)
    del one
    slope_rows(table, max(3, repeats // 3))
    memory_rows(table)


def dense_argmax(one: LogitScene) -> Tensor:
    """Argmax of the dense logits, written into one tensor box by box."""
    scene, things = one.scene, one.sem_logits[: fusion.NUM_THINGS]
    stuff = one.sem_logits[fusion.NUM_THINGS :]
    count, num_stuff = len(scene.masks), len(stuff)
    logits = stuff.new_zeros(num_stuff + count + 1, *scene.size)
    logits[:num_stuff] = stuff
    best = torch.full_like(logits[0], -torch.inf)
    for i, label in enumerate(scene.labels.tolist()):
        x0, y0, x1, y1 = scene.masks.window(i, scene.size)
        plane = torch.zeros_like(best)  # X_mask
        plane[y0:y1, x0:x1] = things[label, y0:y1, x0:x1]
        torch.maximum(best, plane, out=best)
        inside = plane[y0:y1, x0:x1] + scene.masks.crop_logits(i, scene.size)
        logits[num_stuff + i, y0:y1, x0:x1] = inside
    logits[-1] = things.amax(dim=0) - best
    return logits.argmax(dim=0)


def head_rows(table: Table, one: LogitScene, repeats: int) -> None:
    """UPSNet's head alone: the argmax of dense logits against the running maximum."""

    def ours() -> Tensor:
        parts = one.sem_logits, one.scene.masks, one.scene.labels
        return argmax_panoptic_logits(*parts, num_things=fusion.NUM_THINGS)

    note = f"{int((dense_argmax(one) != ours()).sum())} pixels differ"
    for threads in (1, 2):
        with fusion.num_threads(threads):
            slow, fast = interleaved([partial(dense_argmax, one), ours], repeats=repeats, warm_up=0)
        work = f"panoptic head, 100 inst., {threads} thread(s)"
        table.faster(work, "argmax of dense logits, 0.93 GB", slow, fast, 3, note)


def literal_rows(table: Table) -> None:
    """The whole inference against the literal loop on a quarter of the pixels."""
    one = make_scene(512)
    masks = one.scene.masks
    full = masks.to_full(one.scene.size)
    parts = one.scene.labels, one.scene.scores, one.sem_logits

    def peer() -> Tensor:
        planes = masks.mask_logits, masks.boxes, full
        return fuse_by_panoptic_logits_literally(*planes, *parts, num_things=fusion.NUM_THINGS).id_map

    with fusion.num_threads(1):
        note = f"{int((peer() != fuse_logits(one)).sum())} pixels differ"
        slow, fast = interleaved([peer, partial(fuse_logits, one)], repeats=1, warm_up=0)
    table.faster("panoptic logits, side 512", "literal, full-size planes", slow, fast, None, note)


def affinity_rows(table: Table, one: LogitScene, repeats: int) -> None:
    """The two thin products, and the argmax without upsampling, against the explicit forms."""
    generator = torch.Generator().manual_seed(0)
    parts = [
        [torch.rand(channels, *size, generator=generator) for channels in (153, 128, 128)]
        for size in ((50, 80), (100, 160), (200, 325))
    ]
    calls = [
        partial(apply_affinity_literally, *parts[0]),
        *(partial(apply_affinity, *each) for each in parts),
    ]
    with fusion.num_threads(1):
        explicit, small, middle, large = interleaved(calls, repeats=3 * repeats, warm_up=1)
    table.faster("apply_affinity, 50x80, C=128, K=153", "explicit HW x HW, 64 MB", explicit, small, None)
    # Linear in the pixels, within a tenth: 4 and 4.06 times as many.
    table.at_most("apply_affinity, 100x160", "ours, 50x80", small, middle, 1.1 * 100 * 160 / (50 * 80))
    table.at_most("apply_affinity, 200x325", "ours, 100x160", middle, large, 1.1 * 200 * 325 / (100 * 160))

    def peer() -> Tensor:
        scene = one.scene
        order = scene.scores.argsort(descending=True, stable=True)
        boxes, probs = scene.masks.boxes[order] / 4, scene.masks.mask_logits[order].sigmoid()
        columns = boxes, scene.labels[order], scene.scores[order], probs
        potential = dynamic_potential(one.small_logits.softmax(dim=0), *columns, num_things=fusion.NUM_THINGS)
        revised = apply_affinity(potential, one.phi0, one.phi1)
        full = F.interpolate(revised[None], size=scene.size, mode="bilinear")[0]
        return full.argmax(dim=0).int() + 1

    with fusion.num_threads(1):
        result = fuse_affinity(one)
        pairs = torch.stack([peer().view(-1), result.view(-1)]).unique(dim=1, return_counts=True)[1]
        note = f"{int(result.numel() - pairs.topk(int(result.max())).values.sum())} pixels differ"
        slow, fast = interleaved([peer, partial(fuse_affinity, one)], repeats=repeats, warm_up=0)
    table.faster("affinity, 1 thread(s)", "thin products, all upsampled, 0.9 GB", slow, fast, None, note)


def yardstick_rows(table: Table, one: LogitScene, repeats: int) -> None:
    """At most twice the time of one argmax over the semantic logits."""
    for name, fuse in FUSIONS.items():
        for threads in (1, 2):
            with fusion.num_threads(threads):
                calls = [partial(one.sem_logits.argmax, dim=0), partial(fuse, one)]
                slow, fast = interleaved(calls, repeats=repeats, warm_up=1)
            table.faster(f"{name}, {threads} thread(s)", "argmax of 19x1024x2048 logits", slow, fast, 0.5)


def slope_rows(table: Table, repeats: int) -> None:
    """Print how the cost grows with the image and with the instances."""
    scenes = [make_scene(512), make_scene(1024), make_scene(2048), make_scene(1024, 200)]
    for name, fuse in FUSIONS.items():
        with fusion.num_threads(1):
            small, large, huge, many = interleaved(
                [partial(fuse, one) for one in scenes], repeats=repeats, warm_up=1
            )
        table.at_most(f"{name}, side 1024", "ours, side 512", small, large, 4.4)
        table.at_most(f"{name}, side 2048", "ours, side 1024", large, huge, 4.4)
        table.at_most(f"{name}, 200 instances", "ours, 100 instances", large, many, 2.2)


def memory_rows(table: Table) -> None:
    """Print the extra memory of one call in a fresh process."""
    if not sys.platform.startswith("linux"):
        table.skip("extra memory", "it is read from /proc, which Linux has")
        return
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch; torch.set_num_threads(1)\n"
        "from bench import logits as f; from bench._timing import peak_memory\n"
        "fuse = f.FUSIONS[sys.argv[2]]; fuse(f.make_scene(256))\n"
        "one = f.make_scene(); print(peak_memory(lambda: fuse(one)))\n"
    )
    tools = str(Path(__file__).parents[1])
    for name, limit in LIMITS.items():
        command = [sys.executable, "-c", code, tools, name]
        # What is freed goes back to the kernel at once, so that the call cannot hide in it.
        env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)  # noqa: S603
        work = f"{name}, 1024x2048, extra memory"
        dense = (100 + fusion.NUM_CLASSES - fusion.NUM_THINGS) * 8
        table.memory(work, "111 full-size channels", dense, float(done.stdout), limit)


def gpu_rows(table: Table, one: LogitScene, repeats: int) -> None:
    """Run the same on a GPU, if there is one."""
    if not torch.cuda.is_available():
        table.skip("from logits, on a GPU", "no CUDA device here")
        return
    there = one.to("cuda")
    for name, fuse in FUSIONS.items():
        note = f"{int((fuse(there).cpu() != fuse(one)).sum())} pixels differ from the CPU's"
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        fuse(there)
        extra = (torch.cuda.max_memory_allocated() - before) / 2**20
        calls = [partial(dense_argmax, there), partial(fuse, there)]
        slow, fast = interleaved(calls, repeats=repeats)
        table.faster(
            f"{name}, GPU", "UPSNet's dense logits on the GPU", slow, fast, None, f"{note}, +{extra:.0f} MB"
        )
