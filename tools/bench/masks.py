"""Benchmark of heuristic and mask guidance beside full-size masks, MMDetection, and an argmax."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from bench._fusion_scene import NUM_CLASSES, NUM_THINGS, Scene, make_scene, num_threads, paste_in_box
from bench._timing import Table, interleaved
from torch import Tensor

from panoptic_fusion import (
    fuse_by_confidence,
    fuse_by_mask_guidance,
    label_map_from_logits,
    mmdet_to_segmentation,
)
from panoptic_fusion.testing.literal import fuse_by_confidence_literally, paste_literally

LIMIT = 2048  # pixels of the smallest stuff segment


def add_rows(table: Table, repeats: int) -> None:
    """Add all rows."""
    scene = make_scene()
    heuristic_rows(table, scene, repeats)
    mmdet_rows(table, scene)
    argmax_rows(table, scene, repeats)
    slope_rows(table, repeats)
    memory_rows(table)
    gpu_rows(table, scene, repeats)


def fuse_heuristically(scene: Scene) -> Tensor:
    """Ours: the heuristic."""
    parts = scene.masks, scene.labels, scene.scores, scene.sem_seg
    return fuse_by_confidence(*parts, num_things=NUM_THINGS, stuff_area_limit=LIMIT).id_map


def fuse_with_guidance(scene: Scene) -> Tensor:
    """Ours: mask guidance."""
    parts = scene.masks, scene.labels, scene.scores, scene.sem_seg
    return fuse_by_mask_guidance(*parts, num_things=NUM_THINGS).id_map


def combine_literally(scene: Scene, full: Tensor) -> Tensor:
    """The heuristic over full-size masks."""
    parts = full, scene.labels, scene.scores, scene.sem_seg
    return fuse_by_confidence_literally(*parts, num_things=NUM_THINGS, stuff_area_limit=LIMIT).id_map


def paste_everywhere_then_combine(scene: Scene) -> Tensor:
    """The literal peer: every mask sampled at every pixel of the image."""
    assert scene.masks.mask_logits is not None
    return combine_literally(scene, paste_literally(scene.masks.mask_logits, scene.masks.boxes, scene.size))


def paste_in_box_then_combine(scene: Scene) -> Tensor:
    """The literal peer with the cheaper paste."""
    return combine_literally(scene, paste_in_box(scene))


FUSIONS: dict[str, Callable[[Scene], Tensor]] = {
    "heuristic": fuse_heuristically,
    "mask guidance": fuse_with_guidance,
}


def heuristic_rows(table: Table, scene: Scene, repeats: int) -> None:
    """Compare with both literal peers, on one thread and on two."""
    result = fuse_heuristically(scene)
    ours = partial(fuse_heuristically, scene)
    for name, peer, rounds in (
        ("literal, pasted on the whole image", paste_everywhere_then_combine, max(1, repeats // 10)),
        ("literal, pasted near the boxes", paste_in_box_then_combine, max(3, repeats // 2)),
    ):
        note = f"{int((peer(scene) != result).sum())} pixels differ"
        for threads, bar in ((1, 20), (2, 12)):
            with num_threads(threads):
                slow, fast = interleaved([partial(peer, scene), ours], repeats=rounds, warm_up=1)
            table.faster(f"heuristic, {threads} thread(s)", name, slow, fast, bar, note)


class ReadyLabels:
    """Stands in for logits, so that MMDetection's head starts from a label map as we do."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels

    def argmax(self, dim: int) -> Tensor:
        """Return the map."""
        return self.labels


def mmdet_rows(table: Table, scene: Scene) -> None:
    """Compare with MMDetection's head on 100 full masks; ours cuts them down within the time."""
    try:
        from panoptic_core.ops import install

        install()
        from mmdet.models.seg_heads import HeuristicFusionHead
        from mmengine.config import ConfigDict
        from mmengine.structures import InstanceData
    except ImportError as error:
        table.skip("heuristic, 100 full masks beside MMDetection's head", f"mmdet is not here ({error})")
        return
    full = scene.masks.to_full(scene.size)[:100]
    columns = {"labels": scene.labels[:100], "scores": scene.scores[:100]}
    instances = InstanceData(masks=full, bboxes=scene.masks.boxes[:100], **columns)
    test_cfg = ConfigDict(mask_overlap=0.5, stuff_area_limit=LIMIT)
    head = HeuristicFusionHead(NUM_THINGS, NUM_CLASSES - NUM_THINGS, test_cfg=test_cfg)
    channels = torch.where(scene.sem_seg < NUM_THINGS, NUM_CLASSES, scene.sem_seg) - NUM_THINGS

    def peer() -> Tensor:
        return head._predict_single(instances, ReadyLabels(channels)).sem_seg[0]

    def ours() -> Tensor:
        parts = {"sem_seg": scene.sem_seg, "num_things": NUM_THINGS, "stuff_area_limit": LIMIT}
        return fuse_by_confidence(full, **columns, **parts).id_map

    theirs = mmdet_to_segmentation(peer(), num_things=NUM_THINGS, num_classes=NUM_CLASSES)
    pairs = torch.stack([theirs.id_map.view(-1), ours().view(-1)]).unique(dim=1).shape[1]
    note = "same segments" if pairs == len(theirs) + 1 else f"{pairs} id pairs for {len(theirs)} segments"
    for threads in (1, 2):
        with num_threads(threads):
            slow, fast = interleaved([peer, ours], repeats=3, warm_up=1)
        work = f"heuristic, 100 full masks, {threads} thread(s)"
        table.faster(work, "MMDetection's head", slow, fast, 50, note)


def argmax_rows(table: Table, scene: Scene, repeats: int) -> None:
    """Compare with the yardstick: one argmax over the semantic logits."""
    logits = torch.randn(NUM_CLASSES, *scene.size, generator=torch.Generator().manual_seed(0))
    for threads in (1, 2):
        with num_threads(threads):
            calls = [partial(logits.argmax, dim=0), partial(label_map_from_logits, logits)]
            slow, fast = interleaved(calls, repeats=repeats, warm_up=1)
        work = f"label_map_from_logits, {threads} thread(s)"
        table.faster(work, "argmax of 19x1024x2048 logits", slow, fast, None)
    for name, fuse in FUSIONS.items():
        for threads in (1, 2):
            with num_threads(threads):
                calls = [partial(logits.argmax, dim=0), partial(fuse, scene)]
                slow, fast = interleaved(calls, repeats=repeats, warm_up=1)
            table.faster(f"{name}, {threads} thread(s)", "argmax of 19x1024x2048 logits", slow, fast, 1)


def slope_rows(table: Table, repeats: int) -> None:
    """Print how the cost grows with the image and with the instances."""
    scenes = [make_scene(512), make_scene(1024), make_scene(2048), make_scene(1024, 224)]
    for name, fuse in FUSIONS.items():
        with num_threads(1):
            small, large, huge, many = interleaved([partial(fuse, one) for one in scenes], repeats=repeats)
        table.at_most(f"{name}, side 1024", "ours, side 512", small, large, 4.4)
        table.at_most(f"{name}, side 2048", "ours, side 1024", large, huge, 4.4)
        table.at_most(f"{name}, 224 instances", "ours, 112 instances", large, many, 2.2)


def memory_rows(table: Table) -> None:
    """Print the extra memory of one call in a fresh process beside what full-size masks would take."""
    if not sys.platform.startswith("linux"):
        table.skip("extra memory", "it is read from /proc, which Linux has")
        return
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch; torch.set_num_threads(1)\n"
        "from bench import masks; from bench._timing import peak_memory\n"
        "fuse = masks.FUSIONS[sys.argv[2]]; fuse(masks.make_scene(256))\n"
        "scene = masks.make_scene(int(sys.argv[3])); print(peak_memory(lambda: fuse(scene)))\n"
    )
    tools = str(Path(__file__).parents[1])
    for name in FUSIONS:
        for height in (1024, 4096):
            command = [sys.executable, "-c", code, tools, name, str(height)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            pixels = 2 * height**2 / 2**20
            limit = 12 * pixels  # the result, its making and a few windows: three int32 maps
            work = f"{name}, {height}x{2 * height}, extra memory"
            table.memory(work, "112 full-size masks", 112 * pixels, float(done.stdout), limit)


def gpu_rows(table: Table, scene: Scene, repeats: int) -> None:
    """Run the same on a GPU, if there is one."""
    if not torch.cuda.is_available():
        table.skip("on a GPU", "no CUDA device here")
        return
    there = scene.to("cuda")
    for name, fuse in FUSIONS.items():
        same = "same map as on the CPU" if torch.equal(fuse(there).cpu(), fuse(scene)) else "ANOTHER MAP"
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        fuse(there)
        extra = (torch.cuda.max_memory_allocated() - before) / 2**20
        calls = [partial(paste_everywhere_then_combine, there), partial(fuse, there)]
        slow, fast = interleaved(calls, repeats=repeats)
        note = f"{same}, +{extra:.0f} MB"
        table.faster(f"{name}, GPU", "literal heuristic on the GPU", slow, fast, 1, note)
