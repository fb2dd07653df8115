"""Pasting: box-relative mask values resampled at the pixel centres of a window, by two thin products.

The rule is the one of Mask R-CNN's common implementations: the centre of pixel ``x`` lies at ``(x + 0.5 -
x0) / (x1 - x0)`` of the box; there the mask is read bilinearly, cell centres at ``(k + 0.5) / M``, zero
beyond the mask. It is `torch.nn.functional.grid_sample` (``align_corners=False``, zeros) on the same
positions, up to rounding; since the two axes are independent it is ``Y @ mask @ X.T`` with one row of at
most two weights for each pixel row and column, and only the window is ever computed.
"""

import numpy as np
import torch
from torch import Tensor

Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in whole pixels, half-open, inside the image."""

_PIXELS_AT_ONCE = 1 << 20  # of one window: the float values of a piece, before they become bits


def paste_windows(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the pixels whose centres lie in each box.

    No other pixel can reach a probability of 0.5 by the pasting rule. A box without width or height has none.

    Args:
        boxes: ``(N, 4)`` float xyxy on the host, finite.
        size: ``(H, W)`` of the image.

    Returns:
        ``(N, 4)`` int64 windows ``x0, y0, x1, y1``, half-open, clipped to the image; empty ones have
        ``x1 == x0`` or ``y1 == y0``.

    Example:
        >>> paste_windows(np.array([[1.0, 1.0, 3.0, 2.5], [-9.0, 0.0, 0.6, 1.0]]), (8, 8)).tolist()
        [[1, 1, 3, 3], [0, 0, 1, 1]]
    """
    limits = np.array([size[1], size[0]])
    boxes = np.asarray(boxes, dtype=np.float64)
    # A centre on the upper edge counts: a saturated mask has exactly 0.5 there.
    low = np.clip(np.ceil(boxes[:, :2] - 0.5), 0, limits)
    high = np.clip(np.floor(boxes[:, 2:] - 0.5) + 1, low, limits)
    degenerate = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    high[degenerate] = low[degenerate]
    return np.concatenate([low, high], axis=1).astype(np.int64)


def axis_weights(low: int, high: int, box_low: Tensor, box_high: Tensor, cells: int) -> Tensor:
    """Return the bilinear weights of one axis.

    Args:
        low: First pixel.
        high: One past the last pixel.
        box_low: Where the box begins, a float32 scalar tensor.
        box_high: Where it ends, ``> box_low``.
        cells: Number of mask cells ``M`` on this axis.

    Returns:
        ``(high - low, M)`` float32; each row has at most two weights, which sum to 1 between the outermost
        cell centres and to less beyond.
    """
    centres = torch.arange(low, high, dtype=torch.float32, device=box_low.device).add_(0.5)
    # In the order in which pasting by `grid_sample` rounds, so that the bits at the threshold agree.
    positions = centres.sub_(box_low).div_(box_high - box_low).mul_(2).sub_(1)  # [-1, 1] in the box
    positions = positions.add_(1).mul_(cells).sub_(1).div_(2)  # in cells, cell k's centre at k
    grid = torch.arange(cells, dtype=torch.float32, device=box_low.device)
    return positions[:, None].sub(grid).abs_().neg_().add_(1).clamp_(min=0)


def resample_mask(values: Tensor, box: Tensor, window: Window) -> Tensor:
    """Read mask values at the pixel centres of a window.

    Differentiable in `values`. Computed in float32 or better, also under autocast and with TF32 switched on.

    Args:
        values: ``(M, M)`` logits or probabilities.
        box: ``(4,)`` xyxy of the mask, with width and height > 0.
        window: The pixels to read.

    Returns:
        ``(h, w)`` float32.

    Example:
        >>> box = torch.tensor([0.0, 0.0, 4.0, 2.0])
        >>> resample_mask(torch.tensor([[0.0, 1.0]]), box, (0, 0, 4, 2)).tolist()
        [[0.0, 0.1875, 0.5625, 0.5625], [0.0, 0.1875, 0.5625, 0.5625]]
    """
    rows, columns = _weights(values, box, window)
    with torch.autocast(values.device.type, enabled=False):
        return (rows @ (values.to(rows.dtype) @ columns.T)).float()


@torch.no_grad()
def paste_mask(probs: Tensor, box: Tensor, window: Window, threshold: float = 0.5) -> Tensor:
    """Return where the resampled probability reaches the threshold.

    Args:
        probs: ``(M, M)`` float32 in [0, 1].
        box: ``(4,)`` xyxy of the mask, with width and height > 0.
        window: The pixels to read.
        threshold: In (0, 1].

    Returns:
        ``(h, w)`` bool. Large windows are computed in pieces of rows.
    """
    rows, columns = _weights(probs, box, window)
    enabled = torch.is_autocast_enabled(probs.device.type)
    if enabled:
        with torch.autocast(probs.device.type, enabled=False):
            return _paste(rows, probs, columns, threshold)
    return _paste(rows, probs, columns, threshold)


def _paste(rows: Tensor, probs: Tensor, columns: Tensor, threshold: float) -> Tensor:
    stretched = probs.to(rows.dtype) @ columns.T  # (M, w)
    height, width = rows.shape[0], columns.shape[0]
    step = max(1, _PIXELS_AT_ONCE // max(width, 1))
    if height <= step:
        return rows @ stretched >= threshold
    out = torch.empty(height, width, dtype=torch.bool, device=probs.device)
    for top in range(0, height, step):
        torch.ge(rows[top : top + step] @ stretched, threshold, out=out[top : top + step])
    return out


def _weights(values: Tensor, box: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Return the weights of the rows ``(h, M)`` and of the columns ``(w, M)``."""
    box = box.detach().float()
    x0, y0, x1, y1 = window
    rows = axis_weights(y0, y1, box[1], box[3], values.shape[0])
    columns = axis_weights(x0, x1, box[0], box[2], values.shape[1])
    if _float32_products_are_exact(values.device):
        return rows, columns
    return rows.double(), columns.double()


def _float32_products_are_exact(device: torch.device) -> bool:
    """Whether matrix products keep float32's precision, whatever the user switched on."""
    if device.type != "cpu":
        return False
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # old and new precision switches were mixed
        return False
