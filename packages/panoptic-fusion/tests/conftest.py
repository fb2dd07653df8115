"""Random inputs for the tests."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from panoptic_fusion import BoxMasks

NUM_THINGS = 3
NUM_CLASSES = 7


class Scene(NamedTuple):
    masks: BoxMasks
    labels: Tensor
    scores: Tensor
    sem_seg: Tensor
    stuff_seg: Tensor


def make_scene(seed: int, count: int = 12, height: int = 40, width: int = 56) -> Scene:
    """Draw overlapping blobs, some across the border, with equal scores among them, and patches of stuff."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([width + 10, height + 10]) - 15
    extent = torch.rand(count, 2, generator=generator) * 26 - 2
    boxes = torch.cat([corner, corner + extent], dim=1)
    ticks = torch.linspace(-1, 1, 9)
    blob = 5 - 5 * (ticks[:, None] ** 2 + ticks**2)
    masks = BoxMasks.from_logits(blob + torch.randn(count, 9, 9, generator=generator), boxes)
    labels = torch.randint(0, NUM_THINGS, (count,), generator=generator)
    scores = torch.randint(3, 10, (count,), generator=generator) / 10
    coarse = torch.randint(0, NUM_CLASSES, (5, 7), generator=generator)
    sem_seg = coarse.repeat_interleave(8, 0).repeat_interleave(8, 1)[:height, :width].clone()
    noise = torch.rand(height, width, generator=generator)
    covered = masks.to_full((height, width)).any(dim=0)
    sem_seg[covered & (noise < 0.7)] = 1
    sem_seg[noise > 0.95] = 255
    stuff_seg = sem_seg % (NUM_CLASSES - NUM_THINGS) + NUM_THINGS
    stuff_seg[noise > 0.98] = 255
    return Scene(masks, labels, scores, sem_seg, stuff_seg)


@pytest.fixture
def scene() -> Callable[..., Scene]:
    return make_scene
