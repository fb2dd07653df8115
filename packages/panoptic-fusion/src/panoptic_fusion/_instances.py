"""Instances on their way into a fusion: checked once, sorted by score, their masks read inside windows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_count,
    check_device,
    check_finite,
    check_fraction,
    check_integer,
    check_label_range,
    check_shape,
)
from panoptic_fusion._windows import count_true, on_host
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.paste import Window

_CACHE_BYTES_PER_PIXEL = 4  # as much as the id map itself


@dataclass(frozen=True)
class Instances:
    """Instances whose score reaches the threshold, the best first; equal scores keep their input order.

    Attributes:
        reader: Reads the masks of all ``N`` input instances.
        order: Indices of the candidates among the inputs.
        labels: ``(N,)`` int64 on the host.
        scores: ``(N,)`` float32 on the host.
    """

    reader: "MaskReader"
    order: list[int]
    labels: np.ndarray
    scores: np.ndarray


class MaskReader:
    """Reads masks at one image size and keeps some of what it read, never more bytes than an id map has."""

    def __init__(self, masks: BoxMasks, size: tuple[int, int]) -> None:
        self.masks = masks
        self.size = size
        self.windows: list[Window] = masks.windows(size)
        self._kept: dict[int, Tensor] = {}
        self._budget = _CACHE_BYTES_PER_PIXEL * size[0] * size[1] if masks.mask_logits is not None else 0

    def crops(self, picked: list[int]) -> Iterator[Tensor]:
        """Yield each picked mask inside its window, ``(h, w)`` bool."""
        return self.masks.crops(self.size, picked)

    def keep(self, i: int, crop: Tensor) -> None:
        """Remember a crop for `crop_again`, as long as there is room."""
        if crop.numel() <= self._budget and i not in self._kept:
            self._budget -= crop.numel()
            self._kept[i] = crop

    def crop_again(self, i: int) -> Tensor:
        """Return mask `i` inside its window, from memory if it was kept."""
        crop = self._kept.get(i)
        if crop is None:
            crop = self.masks.crop(i, self.size)
            self.keep(i, crop)
        return crop

    def intersections(self, i: int, others: Sequence[int]) -> list[Tensor]:
        """Return the pixels that mask `i` shares with each other one, int64 scalars."""
        mine = self.crop_again(i)
        return [self._intersection(i, mine, j) for j in others]

    def _intersection(self, i: int, mine: Tensor, j: int) -> Tensor:
        ax0, ay0, ax1, ay1 = self.windows[i]
        bx0, by0, bx1, by1 = self.windows[j]
        x0, y0, x1, y1 = max(ax0, bx0), max(ay0, by0), min(ax1, bx1), min(ay1, by1)
        if x0 >= x1 or y0 >= y1:
            return torch.zeros((), dtype=torch.int64, device=self.masks.device)
        first = mine[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0]
        second = self.crop_again(j)[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0]
        return count_true(on_host(first) & on_host(second))


def read_instances(
    masks: BoxMasks | ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    size: tuple[int, int],
    device: torch.device,
    num_things: int,
    score_threshold: float,
    beside: str = "sem_seg",
    needs_masks: bool = True,
) -> Instances:
    """Check the instances of one image and sort them.

    `beside` names the argument whose device rules; without `needs_masks` boxes alone will do.

    Raises:
        ValueError: On counts, shapes, devices, labels or values that do not fit.
        TypeError: On dtypes that do not fit.
    """
    check_count(num_things, "num_things")
    check_fraction(score_threshold, "score_threshold", low=-math.inf, high=math.inf)
    masks = as_box_masks(masks, size, needs_masks=needs_masks)
    count = len(masks)
    labels, scores = as_tensor(labels, "labels"), as_tensor(scores, "scores")
    for name, column in (("labels", labels), ("scores", scores)):
        check_shape(column, name, (count,), f"(N,) = ({count},), one value for each mask")
        check_device(column, name, device, beside)
    check_device(masks.boxes, "masks", device, beside)
    if labels.numel():
        check_integer(labels, "labels")
    # One copy to the host for all of it; float64 holds labels exactly.
    table = torch.stack([scores.detach().double(), labels.double(), masks.finite().double()]).cpu().numpy()
    host_scores, host_labels = table[0].astype(np.float32), table[1].astype(np.int64)
    check_finite(host_scores, "scores")
    if count:
        check_label_range(int(host_labels.min()), int(host_labels.max()), num_things)
    if not table[2].all():
        broken = np.flatnonzero(table[2] == 0)
        msg = (
            f"Expected the mask logits to be finite, got NaN or infinity in {broken.size} of {count} masks, "
            f"the first is mask {broken[0]}."
        )
        raise ValueError(msg)
    order = np.argsort(-host_scores, kind="stable")
    order = order[host_scores[order] >= np.float32(score_threshold)]
    return Instances(MaskReader(masks, size), order.tolist(), host_labels, host_scores)


def as_box_masks(masks: BoxMasks | ArrayLike, size: tuple[int, int], *, needs_masks: bool = True) -> BoxMasks:
    """Return masks in boxes; full masks ``(N, H, W)`` bool are cut down first.

    Raises:
        ValueError: If boxes alone are given where masks are needed, or a shape does not fit.
    """
    if isinstance(masks, BoxMasks):
        if needs_masks:
            masks.check_masks()
        return masks
    masks = as_tensor(masks, "masks")
    check_shape(masks, "masks", (None, *size), f"(N, H, W) = (N, {size[0]}, {size[1]})")
    return BoxMasks.from_full(masks)
