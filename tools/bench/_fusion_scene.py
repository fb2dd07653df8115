"""The scene that the fusions are timed on, and how a part is timed: 1024 x 2048 pixels, 19 classes.

112 instances as a mask head predicts them: 28 x 28 logits and boxes.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from bench._timing import Table
from torch import Tensor

from panoptic_fusion import BoxMasks

NUM_THINGS = 8
NUM_CLASSES = 19


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


@contextlib.contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Compute on so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def peak_in_fresh_process(table: Table, part: str, *numbers: int) -> float | None:
    """Return the MB that `fuse` of another part takes in a fresh process; None where nobody can say.

    Args:
        table: Says why there is no row.
        part: The module, with ``fuse`` and ``smallest_and_largest``.
        numbers: What the latter takes: the height, and more where a part has more.
    """
    if not sys.platform.startswith("linux"):
        table.skip(f"{part}, extra memory", "it is read from /proc, which Linux has")
        return None
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import torch; torch.set_num_threads(1)\n"
        "import importlib; part = importlib.import_module(f'bench.{sys.argv[2]}')\n"
        "from bench._timing import peak_memory; import ctypes\n"
        "small, large = part.smallest_and_largest(*map(int, sys.argv[3:])); part.fuse(small)\n"
        "getattr(ctypes.CDLL(None), 'malloc_trim', bool)(0)\n"  # what the scene's making left in the heap
        "print(peak_memory(lambda: part.fuse(large)))\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1]), part, *map(str, numbers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603
