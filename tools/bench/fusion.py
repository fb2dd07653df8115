"""Benchmark of the fusions: ratios against loops over full-size masks, MMDetection's head, and an argmax.

Every ratio is a ratio of medians of one run, peer and ours taking turns; milliseconds are for the curious.
The scene is made here: 1024 x 2048 pixels, 19 classes, 112 instances as a mask head predicts them (28 x 28
logits and boxes).
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion import BoxMasks, fuse_by_confidence, fuse_by_mask_guidance, mmdet_to_segmentation
from panoptic_fusion.testing.literal import fuse_by_confidence_literally, paste_literally

NUM_THINGS = 8
NUM_CLASSES = 19
LIMIT = 2048  # pixels of the smallest stuff segment


@dataclass
class Scene:
    """The inputs of a fusion."""

    masks: BoxMasks
    labels: Tensor
    scores: Tensor
    sem_seg: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)``."""
        height, width = self.sem_seg.shape
        return height, width

    def to(self, device: str) -> "Scene":
        """Return the scene on another device."""
        return Scene(*(part.to(device) for part in (self.masks, self.labels, self.scores, self.sem_seg)))


def make_scene(height: int = 1024, num_instances: int = 112, seed: int = 0) -> Scene:
    """Make a street: stuff in bands with rough borders; blobs from 20 to 360 px (at 1024 rows)."""
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.rand, generator=generator)
    width, unit = 2 * height, height / 1024
    tall = 20 * 18 ** draw(num_instances) * unit
    wide = tall * (0.35 + 1.6 * draw(num_instances))
    x, y = draw(num_instances) * width, (0.35 + 0.5 * draw(num_instances)) * height
    boxes = torch.stack([x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2], dim=1)
    ticks = torch.linspace(-1, 1, 28)
    blob = 8 * (1 - (ticks[:, None] ** 2 + ticks**2).sqrt())
    noise = 0.7 * torch.randn(num_instances, 28, 28, generator=generator)
    masks = BoxMasks.from_logits(blob + noise, boxes)
    labels = torch.randint(0, NUM_THINGS, (num_instances,), generator=generator)
    scores = 0.5 + 0.5 * draw(num_instances)
    coarse = F.interpolate(draw(1, 1, 16, 32), size=(height, width), mode="bicubic")[0, 0]
    bands = torch.arange(height)[:, None] / height * 9 + 3 * coarse
    sem_seg = bands.long().clamp(0, 10) + NUM_THINGS
    for i, (crop, (x0, y0, x1, y1)) in enumerate(
        zip(masks.crops((height, width)), masks.windows((height, width)), strict=True)
    ):
        sem_seg[y0:y1, x0:x1][crop] = labels[i]
    return Scene(masks, labels, scores, sem_seg)


def fuse_heuristically(scene: Scene) -> Tensor:
    """Ours: the heuristic."""
    parts = scene.masks, scene.labels, scene.scores, scene.sem_seg
    return fuse_by_confidence(*parts, num_things=NUM_THINGS, stuff_area_limit=LIMIT).id_map


def fuse_with_guidance(scene: Scene) -> Tensor:
    """Ours: mask guidance."""
    parts = scene.masks, scene.labels, scene.scores, scene.sem_seg
    return fuse_by_mask_guidance(*parts, num_things=NUM_THINGS).id_map


def paste_in_box(scene: Scene) -> Tensor:
    """Paste as common code does on a CPU: sample near the box, one mask at a time, into full-size masks."""
    height, width = scene.size
    assert scene.masks.mask_logits is not None
    probs = scene.masks.mask_logits.sigmoid()
    full = torch.zeros(len(probs), height, width, dtype=torch.bool)
    for i, (x0, y0, x1, y1) in enumerate(scene.masks.boxes):
        left, top = max(int(x0.floor()) - 1, 0), max(int(y0.floor()) - 1, 0)
        right, bottom = min(int(x1.ceil()) + 1, width), min(int(y1.ceil()) + 1, height)
        if left >= right or top >= bottom:
            continue
        grid_x = (torch.arange(left, right) + 0.5 - x0) / (x1 - x0) * 2 - 1
        grid_y = (torch.arange(top, bottom) + 0.5 - y0) / (y1 - y0) * 2 - 1
        area = len(grid_y), len(grid_x)
        grid = torch.stack([grid_x.expand(area), grid_y[:, None].expand(area)], dim=-1)
        values = F.grid_sample(probs[i][None, None], grid[None], align_corners=False)[0, 0]
        full[i, top:bottom, left:right] = values >= 0.5
    return full


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


def medians(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median milliseconds of each call; they take turns, after one warm-up."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 1):
        for call, spent in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                spent.append(1000 * (time.perf_counter() - start))
    return [statistics.median(spent) for spent in times]


@contextlib.contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Compute on so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def show(work: str, peer: float, ours: float, bar: float, note: str = "") -> None:
    """Print one row: the ratio must be at least the bar."""
    ratio = peer / ours
    met = "yes" if ratio >= bar else "NO"
    print(f"{work:<70}{peer:>10.1f}{ours:>9.1f}{ratio:>8.1f}x  >={bar:>5.1f}x  {met:<4}{note}")


def heuristic_rows(scene: Scene, repeats: int) -> None:
    """Compare with both literal peers, on one thread and on two."""
    result = fuse_heuristically(scene)
    peers = {
        "every mask pasted on the whole image": (paste_everywhere_then_combine, max(1, repeats // 10)),
        "masks pasted near their boxes": (paste_in_box_then_combine, max(3, repeats // 3)),
    }
    for name, (peer, rounds) in peers.items():
        differing = int((peer(scene) != result).sum())
        for threads, bar in ((1, 20), (2, 12)):
            with num_threads(threads):
                slow, _ = medians([partial(peer, scene), partial(fuse_heuristically, scene)], rounds)
                (fast,) = medians([partial(fuse_heuristically, scene)], repeats)
            show(f"heuristic, {threads} thread(s), {name}", slow, fast, bar, f"{differing} pixels differ")


class ReadyLabels:
    """Stands in for logits, so that MMDetection's head starts from a label map as we do."""

    def __init__(self, labels: Tensor) -> None:
        self.labels = labels

    def argmax(self, dim: int) -> Tensor:
        """Return the map."""
        return self.labels


def mmdet_row(scene: Scene) -> None:
    """Compare with MMDetection's head on 100 full masks; ours cuts them down within the time."""
    try:
        from panoptic_core.ops import install

        install()
        from mmdet.models.seg_heads import HeuristicFusionHead
        from mmengine.config import ConfigDict
        from mmengine.structures import InstanceData
    except ImportError as error:
        print(f"heuristic, 100 full masks, MMDetection's head: skipped, mmdet is not here ({error})")
        return
    full = scene.masks.to_full(scene.size)[:100]
    instances = InstanceData(
        masks=full, labels=scene.labels[:100], scores=scene.scores[:100], bboxes=scene.masks.boxes[:100]
    )
    test_cfg = ConfigDict(mask_overlap=0.5, stuff_area_limit=LIMIT)
    head = HeuristicFusionHead(NUM_THINGS, NUM_CLASSES - NUM_THINGS, test_cfg=test_cfg)
    channels = torch.where(scene.sem_seg < NUM_THINGS, NUM_CLASSES, scene.sem_seg) - NUM_THINGS

    def peer() -> Tensor:
        return head._predict_single(instances, ReadyLabels(channels)).sem_seg[0]

    def ours() -> Tensor:
        parts = full, scene.labels[:100], scene.scores[:100], scene.sem_seg
        return fuse_by_confidence(*parts, num_things=NUM_THINGS, stuff_area_limit=LIMIT).id_map

    theirs = mmdet_to_segmentation(peer(), num_things=NUM_THINGS, num_classes=NUM_CLASSES)
    pairs = torch.stack([theirs.id_map.view(-1), ours().view(-1)]).unique(dim=1).shape[1]
    same = "same segments" if pairs == len(theirs) + 1 else f"{pairs} pairs of ids for {len(theirs)} segments"
    for threads in (1, 2):
        with num_threads(threads):
            slow, fast = medians([peer, ours], 3)
        show(f"heuristic, {threads} thread(s), 100 full masks, MMDetection's head", slow, fast, 50, same)


def argmax_rows(scene: Scene, repeats: int) -> None:
    """Compare with the yardstick: one argmax over the semantic logits."""
    logits = torch.randn(NUM_CLASSES, *scene.size, generator=torch.Generator().manual_seed(0))
    for name, fuse in (("heuristic", fuse_heuristically), ("mask guidance", fuse_with_guidance)):
        for threads in (1, 2):
            with num_threads(threads):
                yardstick, ours = medians([partial(logits.argmax, dim=0), partial(fuse, scene)], repeats)
            show(
                f"{name}, {threads} thread(s), argmax of {NUM_CLASSES} x 1024 x 2048 logits",
                yardstick,
                ours,
                1,
            )


def slope_rows(repeats: int) -> None:
    """Print how the cost grows with the image and with the instances."""
    small, large, many = make_scene(512), make_scene(1024), make_scene(1024, 224)
    huge = make_scene(2048)
    for name, fuse in (("heuristic", fuse_heuristically), ("mask guidance", fuse_with_guidance)):
        calls: list[Callable[[], object]] = [partial(fuse, scene) for scene in (small, large, huge, many)]
        with num_threads(1):
            at_small, at_large, at_huge, at_many = medians(calls, repeats)
        for work, base, grown, bar in (
            ("side 512 -> 1024", at_small, at_large, 4.4),
            ("side 1024 -> 2048", at_large, at_huge, 4.4),
            ("instances 112 -> 224", at_large, at_many, 2.2),
        ):
            slope = grown / base
            met = "yes" if slope <= bar else "NO"
            print(f"{name + ', ' + work:<70}{base:>10.1f}{grown:>9.1f}{slope:>8.2f}x  <={bar:>5.1f}x  {met}")


def extra_memory(name: str, height: int) -> float:
    """Return the peak MB of one call beyond its inputs, measured in a fresh process on one thread."""
    code = (
        "import sys, pathlib, torch; sys.path.insert(0, sys.argv[1]); import fusion\n"
        "torch.set_num_threads(1)\n"
        "read = pathlib.Path('/proc/self/status').read_text\n"
        "field = lambda name: int(read().split(name + ':')[1].split()[0])\n"
        "fusion_of = getattr(fusion, sys.argv[2]); fusion_of(fusion.make_scene(256))\n"
        "scene = fusion.make_scene(int(sys.argv[3]))\n"
        "pathlib.Path('/proc/self/clear_refs').write_text('5')\n"
        "before = field('VmRSS'); fusion_of(scene); print((field('VmHWM') - before) / 1024)\n"
    )
    here = __file__.rsplit("/", 1)[0]
    command = [sys.executable, "-c", code, here, name, str(height)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def memory_rows() -> None:
    """Print the extra memory beside what full-size masks would take."""
    if not sys.platform.startswith("linux"):
        print("extra memory: skipped, read from /proc on Linux only")
        return
    for name, fuse in (("heuristic", "fuse_heuristically"), ("mask guidance", "fuse_with_guidance")):
        for height in (1024, 4096):
            full = 112 * height * 2 * height / 2**20
            ours = extra_memory(fuse, height)
            row = f"{name}, {height} x {2 * height}, extra memory (MB), full-size masks"
            print(f"{row:<70}{full:>10.0f}{ours:>9.0f}{full / ours:>8.1f}x")


def gpu_rows(scene: Scene, repeats: int) -> None:
    """Run the same on a GPU, if there is one."""
    if not torch.cuda.is_available():
        print("on a GPU: skipped, no CUDA device here")
        return
    on_gpu = scene.to("cuda")
    for name, fuse in (("heuristic", fuse_heuristically), ("mask guidance", fuse_with_guidance)):
        same = bool((fuse(on_gpu).cpu() == fuse(scene)).all())
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        fuse(on_gpu)
        extra = (torch.cuda.max_memory_allocated() - before) / 2**20
        slow, fast = medians([partial(paste_everywhere_then_combine, on_gpu), partial(fuse, on_gpu)], repeats)
        show(
            f"{name}, GPU, literal heuristic on the GPU",
            slow,
            fast,
            1,
            f"same as CPU: {same}, +{extra:.0f} MB",
        )


def run(args: argparse.Namespace) -> None:
    """Print all rows.

    Args:
        args: `repeats` is used if it is there (default 15).
    """
    repeats = getattr(args, "repeats", None) or 15
    print(f"torch {torch.__version__}, ms are medians; slopes and memory on one thread")
    print(f"{'work, peer':<70}{'peer':>10}{'ours':>9}{'ratio':>9}  {'bar':>7}  met")
    scene = make_scene()
    heuristic_rows(scene, repeats)
    mmdet_row(scene)
    argmax_rows(scene, repeats)
    slope_rows(repeats)
    memory_rows()
    gpu_rows(scene, repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="timed rounds of our side")
    run(parser.parse_args())
