"""Windows: the smallest ones around masks, counting inside them, and resampling of whole-pixel masks."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike

_VALUES_AT_ONCE = 1 << 15


def is_host(tensor: Tensor) -> bool:
    """Whether the tensor lies in host memory."""
    return tensor.device.type == "cpu"


def on_host(values: Tensor) -> Tensor | np.ndarray:
    """Return host memory as an array, other memory as it is; NumPy and PyTorch then read alike.

    The windows are many and mostly small: NumPy starts faster on each, and never waits for a second thread.
    """
    return values.numpy() if is_host(values) else values


def count_true(mask: Tensor | np.ndarray) -> Tensor:
    """Return the number of true pixels as an int64 scalar on the mask's device, without waiting for a GPU."""
    if isinstance(mask, Tensor) and not is_host(mask):
        return mask.sum()
    return torch.tensor(int(np.count_nonzero(mask)))


def float_pieces(values: Tensor) -> Iterator[Tensor]:
    """Yield ``(N, ...)`` values as float32 without their history: at once, on the host some rows at a time.

    PyTorch works on so little with one thread; waiting for a second one costs more than it saves.
    """
    values = values.detach()
    rows = len(values)
    if is_host(values) and rows:
        rows = max(1, _VALUES_AT_ONCE // max(values[0].numel(), 1))
    for begin in range(0, max(len(values), 1), max(rows, 1)):
        yield values[begin : begin + rows].float()


def all_finite(values: Tensor) -> Tensor:
    """Return which rows of ``(N, ...)`` hold neither NaN nor infinity, ``(N,)`` bool."""
    if is_host(values):
        return torch.from_numpy(np.isfinite(values.numpy()).all(axis=tuple(range(1, values.ndim))))
    return values.isfinite().flatten(1).all(dim=1)


def row_bands(values: Tensor) -> Iterator[slice]:
    """Cut the rows of an ``(H, W)`` map into pieces that stay in the cache; other memory is one piece."""
    height, width = values.shape
    rows = max(1, _VALUES_AT_ONCE // max(width, 1)) if is_host(values) else max(height, 1)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def copy_crop(crop: Tensor) -> Tensor:
    """Return a copy with memory of its own."""
    return torch.from_numpy(crop.numpy().copy()) if is_host(crop) else crop.clone()


def tight_windows(masks: Tensor) -> np.ndarray:
    """Return the smallest windows around the true pixels of ``(N, H, W)`` masks, ``(N, 4)`` int64 (host)."""
    windows = np.zeros((masks.shape[0], 4), dtype=np.int64)
    if is_host(masks):
        host = masks.numpy()
        windows[:, 1], windows[:, 3] = _first_and_last(_any_true(host, axis=2))
        for mask, window in zip(host, windows, strict=True):  # only the rows that hold anything
            columns = _any_true(mask[window[1] : window[3]], axis=0)
            (window[0],), (window[2],) = _first_and_last(columns[None])
        return windows
    for side, covered in ((0, masks.any(dim=1)), (1, masks.any(dim=2))):  # (N, W), (N, H)
        windows[:, side], windows[:, side + 2] = _first_and_last(covered.cpu().numpy())
    return windows


def _any_true(masks: np.ndarray, axis: int) -> np.ndarray:
    """Return ``masks.any(axis)``, bool, eight pixels at a time; the last axis runs along the rows."""
    width = masks.shape[-1]
    whole = width - width % 8
    along_rows = axis == masks.ndim - 1
    rest = masks[..., whole:].any(axis=axis)
    if not whole or masks.strides[-1] != 1:
        return np.asarray(masks.any(axis=axis))
    words = np.bitwise_or.reduce(masks[..., :whole].view(np.uint64), axis=axis)
    if along_rows:
        return np.asarray((words != 0) | rest)
    return np.concatenate([words.view(bool), rest], axis=-1)


def _first_and_last(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first true place of each row of ``(N, L)`` and one past the last; zeros if there is none."""
    if marks.shape[1] == 0:
        return (np.zeros(len(marks), dtype=np.int64),) * 2
    found = marks.any(axis=1)
    return marks.argmax(axis=1) * found, (marks.shape[1] - marks[:, ::-1].argmax(axis=1)) * found


def _nearest(old_low: int, old_high: int, low: int, high: int, factor: float) -> np.ndarray:
    """Return the source index, relative to the old window, of each new pixel."""
    source = np.floor((np.arange(low, high) + 0.5) / factor).astype(np.int64)
    return np.clip(source, old_low, max(old_high - 1, old_low)) - old_low


def rescale_crop(crop: Tensor, old: np.ndarray, new: np.ndarray, scale: np.ndarray) -> Tensor:
    """Resample a whole-pixel mask from its old window into the new one, nearest pixel centre.

    Args:
        crop: ``(h, w)``.
        old: Its window, xyxy.
        new: The window after scaling.
        scale: ``(4,)``, the factors of x, y, x, y.

    Returns:
        ``(h', w')`` of the new window.
    """
    columns, rows = (
        torch.from_numpy(_nearest(old[axis], old[axis + 2], new[axis], new[axis + 2], scale[axis])).to(
            crop.device
        )
        for axis in (0, 1)
    )
    return crop[rows][:, columns]


def clip_windows(windows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return windows cut down to an image of ``(H, W)``, ``(N, 4)``; what lies outside becomes empty."""
    limits = np.array(size[::-1])
    low = np.clip(windows[:, :2], 0, limits)
    return np.concatenate([low, np.clip(windows[:, 2:], low, limits)], axis=1)


def picked_rows(count: int, index: int | slice | Sequence[int] | ArrayLike) -> np.ndarray:
    """Return the rows that an index picks out of ``count``, ``(K,)`` int64; an int picks one."""
    every = np.arange(count)
    if isinstance(index, int | np.integer):
        return every[[int(index)]]
    if isinstance(index, slice):
        return every[index]
    host = index.cpu().numpy() if isinstance(index, Tensor) else np.asarray(index)
    return every[host if host.size or host.dtype == bool else host.astype(np.int64)]
