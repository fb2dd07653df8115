"""Rows of the fusion benchmark for Panoptic-DeepLab's centers: targets, grouping, fusion.

The scene is made here: 1024 x 2048 pixels, 49 things of 0.65 M pixels together, stuff in bands behind them;
predictions are the targets with noise.
"""

import argparse
import math
import time
from dataclasses import dataclass
from functools import partial

import torch
from bench._fusion_scene import NUM_CLASSES, NUM_THINGS, num_threads, peak_in_fresh_process
from bench._timing import Table, interleaved
from torch import Tensor

from panoptic_fusion import (
    PanopticSegmentation,
    encode_centers,
    find_centers,
    fuse_by_centers,
    group_pixels,
    majority_vote,
)
from panoptic_fusion.testing.literal_centers import (
    encode_centers_literally,
    fuse_by_centers_literally,
    group_pixels_as_published,
    group_pixels_literally,
)

LARGEST_MEMORY = 150  # MB beyond the inputs, at 1024 x 2048


@dataclass
class CenterScene:
    """A ground truth and what a network might say about it."""

    truth: PanopticSegmentation
    heatmap: Tensor
    offsets: Tensor
    sem_seg: Tensor

    def to(self, device: str) -> "CenterScene":
        """Return the scene on another device."""
        parts = self.truth, self.heatmap, self.offsets, self.sem_seg
        return CenterScene(*(part.to(device) for part in parts))


def run(args: argparse.Namespace) -> None:
    """Print the rows of the centers alone; they are part of the fusions' table as well."""
    table = Table("Fusion by centers and its targets")
    add_rows(table, args.repeats or 15)
    table.close()


def add_rows(table: Table, repeats: int) -> None:
    """Print all rows of the centers."""
    scene = make_center_scene()
    with num_threads(1):
        literal_rows(table, scene, repeats)
        argmax_rows(table, scene, repeats)
        slope_rows(table, repeats)
    memory_rows(table)
    gpu_rows(table, scene, repeats)


def make_center_scene(
    height: int = 1024,
    count: int = 49,
    seed: int = 0,
    *,
    width: int | None = None,
    num_things: int = NUM_THINGS,
    num_classes: int = NUM_CLASSES,
) -> CenterScene:
    """Draw ellipses in the cells of a grid, each somewhere in its cell, before bands of stuff."""
    generator = torch.Generator().manual_seed(seed)
    width = width or 2 * height
    columns = math.ceil(math.sqrt(width / height * count))
    rows = math.ceil(count / columns)
    tall, wide = height / rows, width / columns
    labels = torch.randint(0, num_things, (count,), generator=generator).tolist()
    stuff = range(num_things, num_classes)
    id_map = (torch.arange(height)[:, None] * len(stuff) // height + num_things).expand(height, width).clone()
    for k in range(count):
        half_y, half_x, shift_y, shift_x = torch.rand(4, generator=generator).tolist()
        half_y, half_x = (0.22 + 0.2 * half_y) * tall, (0.22 + 0.2 * half_x) * wide
        top, left = int(k // columns * tall), int(k % columns * wide)
        cell = id_map[top : top + int(tall), left : left + int(wide)]
        y = torch.arange(cell.shape[0])[:, None] - half_y - shift_y * (tall - 2 * half_y)
        x = torch.arange(cell.shape[1]) - half_x - shift_x * (wide - 2 * half_x)
        cell[(y / half_y) ** 2 + (x / half_x) ** 2 < 1] = num_classes + k
    truth = PanopticSegmentation.from_id_map(
        id_map,
        [*stuff, *range(num_classes, num_classes + count)],
        [*stuff, *labels],
        [False] * len(stuff) + [True] * count,
    )
    targets = encode_centers(truth)
    noise = torch.randn(2, height, width, generator=generator) * 0.006 * height
    heatmap = 0.9 * targets.heatmap + 0.05 * torch.rand(1, height, width, generator=generator)
    return CenterScene(truth, heatmap, targets.offsets + noise, truth.label_map())


def fuse(scene: CenterScene) -> Tensor:
    """Ours, from label maps alone."""
    parts = scene.heatmap, scene.offsets, scene.sem_seg
    return fuse_by_centers(*parts, num_things=NUM_THINGS).id_map


def fuse_literally(scene: CenterScene, as_published: bool = True) -> Tensor:
    """The same by the vectors of all pairs and a mask for each instance; centers by max pooling."""
    parts = scene.heatmap[0], scene.offsets, scene.sem_seg
    return fuse_by_centers_literally(*parts, num_things=NUM_THINGS, as_published=as_published).id_map


def group_and_vote(scene: CenterScene) -> Tensor:
    """Ours: centers, grouping, majority vote."""
    centers = find_centers(scene.heatmap)
    instance_map = group_pixels(centers.positions, scene.offsets, scene.sem_seg < NUM_THINGS)
    return majority_vote(instance_map, scene.sem_seg, num_things=NUM_THINGS).labels


def literal_rows(table: Table, scene: CenterScene, repeats: int) -> None:
    """Compare with the loops."""
    things = scene.sem_seg < NUM_THINGS
    centers = find_centers(scene.heatmap).positions
    ours = partial(group_pixels, centers, scene.offsets, things)
    peer = partial(group_pixels_as_published, centers, scene.offsets, things)
    rounds = max(1, repeats // 8)
    pixels, differ = (
        int(things.sum()) / 1e6,
        int((ours() != group_pixels_literally(centers, scene.offsets, things)).sum()),
    )
    note = f"{len(centers)} centers, {pixels:.2f} M pixels, {differ} differ"
    slow, fast = interleaved([peer, ours], repeats=rounds, warm_up=1)
    table.faster("grouping, 1 thread", "literal, all pairs", slow, fast, None, note)
    note = f"{int((fuse(scene) != fuse_literally(scene, as_published=False)).sum())} pixels differ"
    calls = [partial(fuse_literally, scene), partial(group_and_vote, scene), partial(fuse, scene)]
    slow, fast, whole = interleaved(calls, repeats=rounds, warm_up=1)
    table.faster("centers, grouping, vote, 1 thread", "literal centers fusion", slow, fast, 50)
    table.faster("fuse_by_centers, 1 thread", "literal centers fusion", slow, whole, 50, note)
    targets = encode_centers(scene.truth)
    expected = encode_centers_literally(scene.truth)
    off = max(
        float((targets.heatmap[0] - expected[0]).abs().max()),
        float((targets.offsets - expected[1]).abs().max()),
    )
    calls = [partial(encode_centers_literally, scene.truth), partial(encode_centers, scene.truth)]
    slow, fast = interleaved(calls, repeats=max(3, repeats // 3), warm_up=1)
    table.faster(
        "encode_centers, 1 thread", "literal, a mask each", slow, fast, 8, f"off by {off:.0e} at most"
    )


def argmax_rows(table: Table, scene: CenterScene, repeats: int) -> None:
    """Compare with the yardstick: one argmax over the semantic logits."""
    height, width = scene.sem_seg.shape
    logits = torch.randn(NUM_CLASSES, height, width, generator=torch.Generator().manual_seed(0))
    parts = scene.heatmap, scene.offsets, scene.sem_seg
    calls = [
        partial(logits.argmax, dim=0),
        partial(fuse, scene),
        partial(fuse_by_centers, *parts, sem_logits=logits, num_things=NUM_THINGS),
    ]
    slow, labels, whole = interleaved(calls, repeats=repeats, warm_up=1)
    table.faster("fuse_by_centers, 1 thread", "argmax of 19x1024x2048 logits", slow, labels, 1)
    table.faster("fuse_by_centers, scores from logits", "argmax of 19x1024x2048 logits", slow, whole, 0.5)


def slope_rows(table: Table, repeats: int) -> None:
    """Print how the cost grows with the image and with the instances."""
    scenes = [
        make_center_scene(512),
        make_center_scene(),
        make_center_scene(2048),
        make_center_scene(1024, 98),
        make_center_scene(1024, 196),
    ]
    for name, call in (("fuse_by_centers", fuse), ("encode_centers", lambda one: encode_centers(one.truth))):
        times = interleaved([partial(call, one) for one in scenes], repeats=repeats, clock=time.thread_time)
        small, large, huge, many, most = times
        # The targets' five maps of 2048 x 4096 pixels are fresh pages each time: no bar.
        bar = 4.4 if name == "fuse_by_centers" else None
        table.at_most(f"{name}, side 1024", "ours, side 512", small, large, bar)
        table.at_most(f"{name}, side 2048", "ours, side 1024", large, huge, bar)
        table.at_most(f"{name}, 98 instances", "ours, 49 instances", large, many, 2.2)
        table.at_most(f"{name}, 196 instances", "ours, 98 instances", many, most, 2.2)


def memory_rows(table: Table) -> None:
    """Print the extra memory of one call beside the distances of all pairs, by size and by centers."""
    for height, count in ((1024, 49), (4096, 49), (1024, 10), (1024, 50), (1024, 200)):
        extra = peak_in_fresh_process(table, "centers", height, count)
        if extra is not None:
            pixels = 2 * height**2 / 2**20
            work = f"fusion, {count} centers, {height}x{2 * height}, memory"
            peer = f"{count} x H x W distances"
            table.memory(work, peer, 4 * count * pixels, extra, LARGEST_MEMORY * pixels / 2)


def smallest_and_largest(height: int, count: int) -> tuple[CenterScene, CenterScene]:
    """Return a small scene to warm up with, and the one whose memory is asked for."""
    return make_center_scene(256), make_center_scene(height, count)


def gpu_rows(table: Table, scene: CenterScene, repeats: int) -> None:
    """Run the same on a GPU, if there is one."""
    if not torch.cuda.is_available():
        table.skip("fuse_by_centers on a GPU", "no CUDA device here")
        return
    there = scene.to("cuda")
    note = "same map as on the CPU" if torch.equal(fuse(there).cpu(), fuse(scene)) else "ANOTHER MAP"
    slow, fast = interleaved([partial(fuse_literally, there), partial(fuse, there)], repeats=repeats)
    table.faster("fuse_by_centers, GPU", "literal on the GPU", slow, fast, 1, note)
