"""Rows of the fusion benchmark for spatial ranking: the scene of the heuristic, with a ranking map."""

import time
from functools import partial

import torch
from bench._fusion_scene import (
    NUM_CLASSES,
    NUM_THINGS,
    Scene,
    make_scene,
    num_threads,
    paste_in_box,
    peak_in_fresh_process,
)
from bench._timing import Table, interleaved
from torch import Tensor

from panoptic_fusion import fuse_by_ranking
from panoptic_fusion.testing.literal_ranking import fuse_by_ranking_literally

RankedScene = tuple[Scene, Tensor]


def add_rows(table: Table, repeats: int) -> None:
    """Print all rows of spatial ranking."""
    scene = make_ranked_scene()
    note = f"{int((fuse_literally(scene) != fuse(scene)).sum())} pixels differ"
    with num_threads(1):
        slow, fast = interleaved([partial(fuse_literally, scene), partial(fuse, scene)], repeats=3, warm_up=1)
        table.faster("ranking, 1 thread", "literal, pasted near the boxes", slow, fast, 10, note)
        logits = torch.randn(NUM_CLASSES, *scene[0].size, generator=torch.Generator().manual_seed(0))
        calls = [partial(logits.argmax, dim=0), partial(fuse, scene)]
        slow, fast = interleaved(calls, repeats=repeats, warm_up=1)
        table.faster("ranking, 1 thread", "argmax of 19x1024x2048 logits", slow, fast, 1)
        del logits
        scenes = [make_ranked_scene(512), scene, make_ranked_scene(2048), make_ranked_scene(1024, 224)]
        calls = [partial(fuse, one) for one in scenes]
        small, large, huge, many = interleaved(calls, repeats=repeats, clock=time.thread_time)
    table.at_most("ranking, side 1024", "ours, side 512", small, large, 4.4)
    table.at_most("ranking, side 2048", "ours, side 1024", large, huge, 4.4)
    table.at_most("ranking, 224 instances", "ours, 112 instances", large, many, 2.2)
    for height in (1024, 4096):
        extra = peak_in_fresh_process(table, "ranking", height)
        if extra is not None:
            work = f"ranking, {height}x{2 * height}, extra memory"
            pixels = 2 * height**2 / 2**20
            table.memory(work, "112 full-size masks", 112 * pixels, extra, 30 * pixels)


def make_ranked_scene(height: int = 1024, num_instances: int = 112) -> RankedScene:
    """Return the scene and ranking logits that lean towards the class of the label map, with noise."""
    scene = make_scene(height, num_instances)
    ranking = torch.randn(NUM_THINGS, *scene.size, generator=torch.Generator().manual_seed(1))
    for label in range(NUM_THINGS):
        ranking[label] += 2.0 * (scene.sem_seg == label)
    # OANet's map of stuff says something below the instances, too.
    scene.sem_seg = torch.where(scene.sem_seg < NUM_THINGS, NUM_THINGS + 5, scene.sem_seg)
    return scene, ranking


def fuse(ranked: RankedScene) -> Tensor:
    """Ours."""
    scene, ranking = ranked
    parts = scene.masks, scene.labels, scene.scores, ranking, scene.sem_seg
    return fuse_by_ranking(*parts, num_things=NUM_THINGS).id_map


def fuse_literally(ranked: RankedScene) -> Tensor:
    """The same over full-size masks and the whole softmax."""
    scene, ranking = ranked
    parts = paste_in_box(scene), scene.labels, scene.scores, ranking, scene.sem_seg
    return fuse_by_ranking_literally(*parts, num_things=NUM_THINGS).id_map


def smallest_and_largest(height: int) -> tuple[RankedScene, RankedScene]:
    """Return a small scene to warm up with, and the one whose memory is asked for."""
    return make_ranked_scene(256), make_ranked_scene(height)
