"""The map while it is being filled: one int32 image that holds semantic labels and instances at once.

A pixel holds the code of its instance, or its semantic label while it is free. Codes fall from placement to
placement and lie above all labels, so that an instance is written by a maximum: earlier ones stay. At the end
one histogram gives every area and one table gives every id: few passes over the image, whatever is in it.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import (
    MAX_LABEL,
    ArrayLike,
    as_tensor,
    check_integer,
    check_shape,
)
from panoptic_fusion._windows import count_true, is_host, on_host
from panoptic_fusion.paste import Window
from panoptic_fusion.segmentation import PanopticSegmentation

_PIXELS_AT_ONCE = 1 << 15  # of the passes over the whole image; less than PyTorch gives to a second thread


class Canvas:
    """The codes of an image; `finish` turns them into ids and ends it.

    Attributes:
        codes: ``(H, W)`` int32; below `base`: the semantic label of a free pixel; above: an instance.
        base: One more than the largest label.
        void: The code of free void pixels, below `base`.
    """

    def __init__(
        self, sem_seg: Tensor, *, num_things: int, capacity: int, ignore_index: int, highest_label: int = 0
    ) -> None:
        self.num_things = num_things
        self.capacity = capacity
        self.codes, _, high = read_label_map(sem_seg, num_things, ignore_index)
        self.void = ignore_index if 0 <= ignore_index <= MAX_LABEL else MAX_LABEL
        self.base = max(high, highest_label) + 1

    def taken(self, window: Window, crop: Tensor) -> Tensor:
        """Return how many pixels of a mask ``(h, w)`` bool belong to instances already, an int64 scalar."""
        view, mask = self._read(window, crop)
        return count_true((view >= self.base) & mask)

    def on_things(self, window: Window, crop: Tensor) -> Tensor:
        """Return how many pixels of a mask are free and have the label of a thing, an int64 scalar."""
        view, mask = self._read(window, crop)
        return count_true((view < self.num_things) & mask)

    def place(
        self,
        turn: int,
        window: Window,
        crop: Tensor,
        *,
        keep: Tensor | None = None,
        only_things: bool = False,
    ) -> None:
        """Give the free pixels of a mask to the instance of this turn.

        Args:
            turn: 0, 1, ... in the order of placement, below the capacity.
            window: Where the mask lies.
            crop: ``(h, w)`` bool.
            keep: Bool scalar on the device: false leaves the canvas as it is, without waiting for a GPU.
            only_things: Leave out the pixels whose label is no thing.
        """
        view, mask = self._read(window, crop)
        if only_things:
            mask = mask & (view < self.num_things)
        if isinstance(view, Tensor):
            code = view.new_full((), self.code(turn))
            torch.maximum(view, mask * (code if keep is None else code * keep), out=view)
        elif keep is None or keep:
            np.maximum(view, mask * np.int32(self.code(turn)), out=view)

    def place_map(self, instances: Tensor) -> None:
        """Give pixels to instances all at once, whatever they held before.

        Args:
            instances: ``(H, W)`` int32: 1 + the turn of the pixel's instance, 0 for none.
        """
        flat, numbers = self.codes.view(-1), instances.reshape(-1)
        for begin in range(0, flat.numel(), _PIXELS_AT_ONCE):  # in place: no second map
            piece = slice(begin, begin + _PIXELS_AT_ONCE)
            codes = self.code(-1) - numbers[piece]
            torch.where(numbers[piece] > 0, codes, flat[piece], out=flat[piece])

    def _read(self, window: Window, crop: Tensor) -> tuple[Any, Any]:
        """Return the codes of a window, a view, and the mask, both in the form of `on_host`."""
        x0, y0, x1, y1 = window
        return on_host(self.codes[y0:y1, x0:x1]), on_host(crop)

    def code(self, turn: int) -> int:
        """Return the code of the instance that is placed at this turn."""
        return self.base + self.capacity - 1 - turn

    def relabel_things(self, labels: Tensor) -> None:
        """Give the free thing pixels other labels, ``(H, W)`` int32 below `base`."""
        torch.where(self.codes < self.num_things, labels, self.codes, out=self.codes)

    def finish(
        self, labels: np.ndarray, scores: np.ndarray, *, stuff_area_limit: int
    ) -> PanopticSegmentation:
        """Turn the codes into segments: instances in the order of placement, then stuff by class.

        Args:
            labels: Of the instance of each turn.
            scores: Likewise.
            stuff_area_limit: Stuff classes with fewer free pixels become void.

        Returns:
            Ids from 1; instances that own no pixel have no segment.
        """
        flat = self.codes.view(-1)
        counts = _histogram(flat, self.base + self.capacity)
        turns = np.arange(len(labels))
        codes = self.code(0) - turns
        present = counts[codes] > 0
        stuff = np.arange(self.num_things, self.base)
        stuff = stuff[(counts[stuff] >= max(stuff_area_limit, 1)) & (stuff != self.void)]
        kept_codes = np.concatenate([codes[present], stuff])
        table = np.zeros(self.base + self.capacity, dtype=np.int32)
        table[kept_codes] = ids = np.arange(1, len(kept_codes) + 1, dtype=np.int32)
        is_thing = kept_codes >= self.base
        device = self.codes.device
        lookup = torch.from_numpy(table).to(device)
        for begin in range(0, flat.numel(), _PIXELS_AT_ONCE):  # in place: no second map
            piece = flat[begin : begin + _PIXELS_AT_ONCE]
            piece.copy_(lookup.index_select(0, piece))
        columns = {
            "ids": ids,
            "labels": np.concatenate([labels[present], stuff]).astype(np.int64),
            "is_thing": is_thing,
            "scores": np.concatenate([scores[present], np.ones(len(stuff))]).astype(np.float32),
            "areas": counts[kept_codes].astype(np.int64),
            "iscrowd": np.zeros(len(ids), dtype=bool),
        }
        placed = {name: torch.from_numpy(column).to(device) for name, column in columns.items()}
        return PanopticSegmentation(id_map=self.codes, **placed)


def check_label_map(sem_seg: ArrayLike, name: str = "sem_seg") -> Tensor:
    """Return a label map as a tensor, or raise where it is none."""
    sem_seg = as_tensor(sem_seg, name)
    if sem_seg.ndim == 3 and sem_seg.is_floating_point():
        msg = (
            f"Expected `{name}` to be a label map (H, W), got logits {tuple(sem_seg.shape)}. "
            "Take the best class first: `label_map_from_logits`."
        )
        raise ValueError(msg)
    check_shape(sem_seg, name, (None, None), "(H, W)")
    check_integer(sem_seg, name)
    return sem_seg


def read_label_map(
    sem_seg: Tensor, num_things: int, ignore_index: int, name: str = "sem_seg"
) -> tuple[Tensor, int, int]:
    """Copy a label map to int32.

    Returns:
        ``(H, W)`` int32, void as `ignore_index`, or as `MAX_LABEL` if that is no legal label; its lowest and
        its highest value.

    Raises:
        ValueError: If `ignore_index` is a thing or a label is out of range.
    """
    if 0 <= ignore_index < num_things:
        msg = f"Expected `ignore_index` not to be a thing id in [0, {num_things}), got {ignore_index}."
        raise ValueError(msg)
    labels = sem_seg
    if not 0 <= ignore_index <= MAX_LABEL:
        labels = sem_seg.long().masked_fill(sem_seg == ignore_index, MAX_LABEL)
    codes, low, high = _copy_with_range(labels)
    if low < 0 or high > MAX_LABEL:
        msg = (
            f"Expected `{name}` to hold labels in [0, {MAX_LABEL}] or `ignore_index` = {ignore_index}, "
            f"got values in [{low}, {high}]."
        )
        raise ValueError(msg)
    return codes, low, high


def _histogram(codes: Tensor, bins: int) -> np.ndarray:
    """Count each value of ``(P,)`` codes, ``(bins,)`` int64 on the host."""
    if not is_host(codes):
        return torch.bincount(codes, minlength=bins).cpu().numpy()
    counts = np.zeros(bins, dtype=np.int64)
    for begin in range(0, codes.numel(), _PIXELS_AT_ONCE):
        counts += torch.bincount(codes[begin : begin + _PIXELS_AT_ONCE], minlength=bins).numpy()
    return counts


def _copy_with_range(labels: Tensor) -> tuple[Tensor, int, int]:
    """Return an int32 copy ``(H, W)``, the lowest and the highest value; 0 if there is none."""
    if not labels.numel():
        return labels.to(torch.int32, copy=True), 0, 0
    if not is_host(labels):
        low, high = torch.stack(torch.aminmax(labels)).tolist()
        return labels.to(torch.int32, copy=True).contiguous(), low, high
    codes = np.empty(tuple(labels.shape), dtype=np.int32)
    source = labels.numpy()
    step = max(1, _PIXELS_AT_ONCE // codes.shape[1])
    lows, highs = [], []
    for top in range(0, len(codes), step):  # read once from memory, three times from the cache
        piece = source[top : top + step]
        lows.append(piece.min())
        highs.append(piece.max())
        codes[top : top + step] = piece
    return torch.from_numpy(codes), int(min(lows)), int(max(highs))
