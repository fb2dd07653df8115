"""From the winning channel of each pixel to segments: the last step of methods that end with an argmax."""

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._windows import is_host
from panoptic_fusion.segmentation import PanopticSegmentation

_PIXELS_AT_ONCE = (1 << 15) - 1  # less than PyTorch gives to a second thread
VOID = -1
"""The class of a channel whose pixels become void."""


class RunningBest:
    """The best channel of each pixel while the channels come in rising order; equal values: the lowest.

    Attributes:
        values: ``(h, W)``, minus infinity at the beginning; NaN stays to the end.
        winners: ``(h, W)`` int32.
    """

    def __init__(self, like: Tensor) -> None:
        self.values = torch.full_like(like, -torch.inf)
        self.winners = torch.zeros_like(like, dtype=torch.int32)

    def add(self, channels: Tensor, first: int = 0) -> None:
        """Let channels ``(n, h, W)`` compete; `first` is the number of the first one."""
        for number, channel in enumerate(channels.unbind(), start=first):
            if number:
                self.winners.masked_fill_(channel > self.values, number)
            torch.maximum(self.values, channel, out=self.values)


def best_channel(channels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the highest value and its first channel, ``(h, W)`` int32; minus infinity if there is none."""
    best = RunningBest(channels.new_empty(channels.shape[1:]))
    best.add(channels)
    return best.values, best.winners


def count_channels(winners: Tensor, count: int) -> np.ndarray:
    """Return how many pixels each channel won, ``(count,)`` int64 on the host; `winners` is contiguous."""
    flat = winners.view(-1)
    if not is_host(flat):
        return torch.bincount(flat, minlength=count).cpu().numpy()
    counts = np.zeros(count, dtype=np.int64)
    for begin in range(0, flat.numel(), _PIXELS_AT_ONCE):
        counts += torch.bincount(flat[begin : begin + _PIXELS_AT_ONCE], minlength=count).numpy()
    return counts


def segments_from_channels(
    winners: Tensor, labels: np.ndarray, scores: np.ndarray, *, num_things: int, stuff_area_limit: int
) -> PanopticSegmentation:
    """Turn channels into segments; the map is written to and becomes the result's.

    Args:
        winners: ``(H, W)`` int32 contiguous, channels in ``[0, K)``.
        labels: ``(K,)`` class of each channel; things are one segment a channel, channels of one stuff class
            are one segment together, `VOID` is void.
        scores: ``(K,)``; read for things only.
        num_things: Number of thing classes.
        stuff_area_limit: Stuff classes with fewer pixels become void.

    Returns:
        Ids from 1: things in the order of their channels, then stuff by class.
    """
    counts = count_channels(winners, len(labels))
    things = np.flatnonzero((labels >= 0) & (labels < num_things) & (counts > 0))
    stuff_areas = np.zeros(max(labels.max(initial=0) + 1, num_things), dtype=np.int64)
    is_stuff = labels >= num_things
    np.add.at(stuff_areas, labels[is_stuff], counts[is_stuff])
    stuff = np.flatnonzero(stuff_areas >= max(stuff_area_limit, 1))
    ids = np.arange(1, len(things) + len(stuff) + 1, dtype=np.int32)
    id_of_stuff = np.zeros(len(stuff_areas), dtype=np.int32)
    id_of_stuff[stuff] = ids[len(things) :]
    table = np.where(is_stuff, id_of_stuff[np.where(is_stuff, labels, 0)], 0).astype(np.int32)
    table[things] = ids[: len(things)]
    device = winners.device
    lookup = torch.from_numpy(table).to(device)
    flat = winners.view(-1)
    for begin in range(0, flat.numel(), _PIXELS_AT_ONCE if is_host(flat) else max(flat.numel(), 1)):
        piece = flat[begin : begin + _PIXELS_AT_ONCE] if is_host(flat) else flat
        piece.copy_(lookup.index_select(0, piece))
    columns = {
        "ids": ids,
        "labels": np.concatenate([labels[things], stuff]).astype(np.int64),
        "is_thing": np.arange(len(ids)) < len(things),
        "scores": np.concatenate([scores[things], np.ones(len(stuff))]).astype(np.float32),
        "areas": np.concatenate([counts[things], stuff_areas[stuff]]).astype(np.int64),
        "iscrowd": np.zeros(len(ids), dtype=bool),
    }
    return PanopticSegmentation(
        id_map=winners, **{name: torch.from_numpy(column).to(device) for name, column in columns.items()}
    )
