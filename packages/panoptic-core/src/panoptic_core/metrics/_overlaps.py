"""How many pixels each pair of target segment and predicted segment shares.

Neighbouring pixels nearly always belong to the same pair, so only the last pixel of each run of equal pairs
is
looked up; a run then counts with its length. Maps are worked off block by block, in memory that fits a cache.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Int32Map = NDArray[np.int32]
IntArray = NDArray[np.int64]

_BLOCK = 1 << 18  # pixels
_DENSE_BLOCK = 1 << 14  # up to here a count for every possible pair is kept while the blocks pass
_DENSE_TOTAL = 1 << 22  # up to here one array holds a count for every possible pair
_DIRECT = 1 << 16  # ids below are looked up in a plain table, larger ones in a hash table
_MAX_HASH_BITS = 20
_MULTIPLIERS = (2654435769, 2246822519, 3266489917, 668265263, 374761393, 1540483477, 2870177451, 3284157443)


class Overlaps(NamedTuple):
    """The pairs that share pixels, ordered by target and then prediction; all ``(P,)`` int64.

    ``target`` and ``pred`` are places in the sorted id lists: 0 is void, ``1..S`` the listed ids by size,
    ``S + 1`` any id that is not listed.
    """

    target: IntArray
    pred: IntArray
    pixels: IntArray


def overlaps(
    pred_map: Int32Map | Tensor, target_map: Int32Map | Tensor, pred_ids: IntArray, target_ids: IntArray
) -> Overlaps:
    """Count the shared pixels of all pairs of segments.

    Args:
        pred_map: ``(H, W)`` int32 segment ids >= 0; 0 is void.
        target_map: The same for the ground truth, of the same shape.
        pred_ids: ``(S_p,)`` sorted distinct ids > 0.
        target_ids: ``(S_t,)`` sorted distinct ids > 0.

    Returns:
        Every pair with at least one pixel, void and unlisted ids included. If one of the maps lies on a GPU,
        the counting is done there and only the pairs come back.
    """
    if isinstance(pred_map, Tensor) and isinstance(target_map, Tensor):
        gpu = next((m.device for m in (pred_map, target_map) if m.device.type != "cpu"), None)
        if gpu is not None:
            return _overlaps_on_device(pred_map.to(gpu), target_map.to(gpu), pred_ids, target_ids)
    pred, target = (np.ascontiguousarray(_host(m)).reshape(-1) for m in (pred_map, target_map))
    if pred.size == 0:
        return Overlaps(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    return _overlaps_by_runs(pred, target, pred_ids, target_ids)


def _host(values: Int32Map | Tensor) -> Int32Map:
    return values.numpy() if isinstance(values, Tensor) else values


def _overlaps_by_runs(pred: Int32Map, target: Int32Map, pred_ids: IntArray, target_ids: IntArray) -> Overlaps:
    width, height = len(pred_ids) + 2, len(target_ids) + 2  # places of either side
    possible = width * height
    pred_index, target_index = _IdIndex(pred_ids), _IdIndex(target_ids, stride=width)
    total: NDArray[np.float64] | None = np.zeros(possible) if possible <= _DENSE_BLOCK else None
    parts: list[tuple[IntArray, NDArray[np.float64]]] = []
    step = -(-pred.size // max(1, round(pred.size / _BLOCK)))
    flags = np.empty((2, _whole_words(step)), dtype=bool)
    for start in range(0, pred.size, step):
        p, t = pred[start : start + step], target[start : start + step]
        ends = _run_ends(p, t, flags[:, : _whole_words(p.size)])
        lengths = np.empty(ends.size)
        lengths[0] = ends[0] + 1
        np.subtract(ends[1:], ends[:-1], out=lengths[1:])
        pairs = target_index.places(t.take(ends))
        pairs += pred_index.places(p.take(ends))
        if total is not None:
            total += np.bincount(pairs, weights=lengths, minlength=possible)
        else:
            parts.append((pairs, lengths))
    if total is None:
        pairs, lengths = (np.concatenate(column) for column in zip(*parts, strict=True))
        if possible > _DENSE_TOTAL:
            codes, inverse = np.unique(pairs, return_inverse=True)
            pixels = np.bincount(inverse, weights=lengths).astype(np.int64)
            return Overlaps(codes // width, codes % width, pixels)
        total = np.bincount(pairs, weights=lengths, minlength=possible).astype(np.float64)
    codes = np.flatnonzero(total)
    return Overlaps(codes // width, codes % width, total[codes].astype(np.int64))


def _run_ends(pred: Int32Map, target: Int32Map, flags: NDArray[np.bool_]) -> IntArray:
    """Return the places whose pair differs from the next one's, and the last place; rising.

    This is ``np.flatnonzero`` of the two comparisons, but in half its time: NumPy's loop branches at every
    flag,
    and each one that is set is a surprise to the processor. Here whole words of eight flags are dropped
    first;
    the rest is dense enough for NumPy's loop without branches.

    Args:
        pred: ``(n,)``, n >= 1.
        target: ``(n,)``.
        flags: ``(2, n rounded up to whole words)``, memory to work in.
    """
    last, other = flags
    size = pred.size
    np.not_equal(target[1:], target[:-1], out=last[: size - 1])
    np.not_equal(pred[1:], pred[:-1], out=other[: size - 1])
    last[size - 1 :] = other[size - 1 :] = False
    last[size - 1] = True
    words = last.view(np.uint64)
    np.bitwise_or(words, other.view(np.uint64), out=words)
    used = (words != 0).nonzero()[0]
    places = words.take(used).view(bool).nonzero()[0]
    ends = used.take(places >> 3)
    ends <<= 3
    places &= 7
    ends |= places
    return ends


def _whole_words(count: int) -> int:
    return -(-count // 8) * 8


def _overlaps_on_device(
    pred_map: Tensor, target_map: Tensor, pred_ids: IntArray, target_ids: IntArray
) -> Overlaps:
    codes = (target_map.reshape(-1).long() << 32) | (pred_map.reshape(-1).long() & 0xFFFFFFFF)
    runs, lengths = torch.unique_consecutive(codes, return_counts=True)
    pairs, inverse = torch.unique(runs, return_inverse=True)
    pixels = torch.zeros_like(pairs).index_add_(0, inverse, lengths)
    host_pairs, host_pixels = torch.stack([pairs, pixels]).cpu().numpy()
    target = _IdIndex(target_ids).places((host_pairs >> 32).astype(np.int32))
    pred = _IdIndex(pred_ids).places((host_pairs & 0xFFFFFFFF).astype(np.uint32).view(np.int32))
    # Unlisted ids share one place: join their pairs, and bring all into the order of the places.
    width = len(pred_ids) + 2
    places, inverse_host = np.unique(target * width + pred, return_inverse=True)
    joined = np.bincount(inverse_host, weights=host_pixels, minlength=places.size).astype(np.int64)
    return Overlaps(places // width, places % width, joined)


class _IdIndex:
    """Places of ids in a sorted list: 0 for void, ``1..S`` for the listed ids, ``S + 1`` for all others.

    Args:
        ids: ``(S,)`` sorted distinct ids > 0.
        stride: What the places are multiplied by.
    """

    def __init__(self, ids: IntArray, stride: int = 1) -> None:
        self._known = np.concatenate([[0], ids]).astype(np.int32)  # (S + 1,), sorted
        self._stride = stride
        self._table: NDArray[np.int64] | None = None
        self._hash: tuple[np.uint32, np.uint32] | None = None
        count = len(self._known)
        if self._known[-1] < _DIRECT:
            self._table = np.full(int(self._known[-1]) + 2, count * stride, dtype=np.int64)
            self._table[self._known] = np.arange(count) * stride
            return
        keys = self._known.view(np.uint32)
        for bits in range(2 * count.bit_length(), _MAX_HASH_BITS + 1):
            for multiplier in _MULTIPLIERS:
                candidate = np.uint32(multiplier), np.uint32(32 - bits)
                slots = _slots(keys, candidate)
                if np.bincount(slots).max() == 1:
                    self._table = np.zeros(1 << bits, dtype=np.int64)
                    self._table[slots] = np.arange(count)
                    self._hash = candidate
                    return

    def places(self, values: Int32Map) -> IntArray:
        """Return the place of each value times the stride, ``(R,)`` int64."""
        keys = values.view(np.uint32)
        if self._table is not None and self._hash is None:
            return self._table.take(keys, mode="clip")  # the last entry says: not listed
        if self._table is not None and self._hash is not None:
            places = self._table.take(_slots(keys, self._hash), mode="clip")
        else:
            places = np.searchsorted(self._known, values).clip(max=len(self._known) - 1)
        known = self._known.take(places, mode="clip") == values
        if not known.all():
            places[~known] = len(self._known)
        places *= self._stride
        return places


def _slots(keys: NDArray[np.uint32], parameters: tuple[np.uint32, np.uint32]) -> NDArray[np.uint32]:
    multiplier, shift = parameters
    slots = keys * multiplier
    slots >>= shift
    return slots
