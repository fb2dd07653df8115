"""Windows: the smallest ones around masks, counting inside them, and resampling of whole-pixel masks."""

import numpy as np
import torch
from torch import Tensor


def count_true(mask: Tensor) -> Tensor:
    """Return the number of true pixels as an int64 scalar on the mask's device, without waiting for a GPU."""
    if mask.device.type == "cpu":
        return torch.tensor(int(np.count_nonzero(mask.numpy())))
    return mask.sum()


def tight_windows(masks: Tensor) -> np.ndarray:
    """Return the smallest windows around the true pixels of ``(N, H, W)`` masks, ``(N, 4)`` int64 (host)."""
    windows = np.zeros((masks.shape[0], 4), dtype=np.int64)
    for axis, covered in ((0, masks.any(dim=1)), (1, masks.any(dim=2))):
        marks = covered.cpu().numpy()  # (N, W), then (N, H)
        filled = np.flatnonzero(marks.any(axis=1))
        windows[filled, axis] = marks[filled].argmax(axis=1)
        windows[filled, axis + 2] = marks.shape[1] - marks[filled, ::-1].argmax(axis=1)
    return windows


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
