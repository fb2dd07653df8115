"""Pasting: box-relative mask values resampled at the pixel centres of a window, by two thin products.

The rule is the one of Mask R-CNN's common implementations: the centre of pixel ``x`` lies at ``(x + 0.5 -
x0) / (x1 - x0)`` of the box; there the mask is read bilinearly, cell centres at ``(k + 0.5) / M``, zero
beyond the mask. It is `torch.nn.functional.grid_sample` (``align_corners=False``, zeros) on the same
positions, up to rounding; since the two axes are independent it is ``Y @ mask @ X.T`` with one row of at
most two weights for each pixel row and column, and only the window is ever computed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in whole pixels, half-open, inside the image."""

_PIXELS_AT_ONCE = 1 << 20  # of one window: the float values of a piece, before they become bits
_LINES_AT_ONCE = 1 << 15  # rows and columns whose weights are made together


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
    ((rows, columns),) = window_weights(box[None], [window], values.shape[0], values.shape[1])
    with torch.autocast(values.device.type, enabled=False):
        return (rows @ (values.to(rows.dtype) @ columns.T)).float()


@torch.no_grad()
def paste_masks(
    probs: Tensor, boxes: Tensor, windows: Sequence[Window], picked: Sequence[int], threshold: float = 0.5
) -> Iterator[Tensor]:
    """Yield where the resampled probability reaches the threshold, mask by mask.

    Args:
        probs: ``(N, M, M)`` float32 in [0, 1].
        boxes: ``(N, 4)`` xyxy of the masks.
        windows: The pixels to read of each mask; empty where the box has no width or height.
        picked: Indices of the masks to read, in this order.
        threshold: In (0, 1].

    Yields:
        ``(h, w)`` bool each. Large windows are computed in pieces of rows.
    """
    for piece in _pieces(windows, picked):
        index = torch.tensor(piece, device=boxes.device)
        chosen = [windows[i] for i in piece]
        for i, weights in zip(piece, window_weights(boxes[index], chosen, *probs.shape[1:]), strict=True):
            yield _paste(probs[i], *weights, threshold)


def window_weights(
    boxes: Tensor, windows: Sequence[Window], mask_height: int, mask_width: int
) -> list[tuple[Tensor, Tensor]]:
    """Return the bilinear weights of the rows and of the columns of each window.

    Args:
        boxes: ``(N, 4)`` xyxy of the masks.
        windows: ``N`` windows.
        mask_height: Number of mask cells on the vertical axis.
        mask_width: On the horizontal one.

    Returns:
        ``N`` pairs ``(h, mask_height)``, ``(w, mask_width)``, float32, or float64 where products of
        float32 are not exact. Each line has at most two weights, which sum to 1 between the outermost cell
        centres and to less beyond.
    """
    boxes = boxes.detach().float()
    table = np.array(windows, dtype=np.int64).reshape(-1, 4)
    rows = _axis_weights(table[:, 1], table[:, 3], boxes[:, 1], boxes[:, 3], mask_height)
    columns = _axis_weights(table[:, 0], table[:, 2], boxes[:, 0], boxes[:, 2], mask_width)
    return list(zip(rows, columns, strict=True))


def _axis_weights(
    low: np.ndarray, high: np.ndarray, box_low: Tensor, box_high: Tensor, cells: int
) -> tuple[Tensor, ...]:
    """Return the weights of one axis for all windows at once, one ``(high - low, cells)`` each."""
    device = box_low.device
    lengths = high - low
    firsts = lengths.cumsum() - lengths
    centres = np.arange(lengths.sum()) - np.repeat(firsts - low, lengths) + np.float32(0.5)  # (L,)
    owner = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths)).to(device)
    positions = torch.from_numpy(centres.astype(np.float32)).to(device)
    # In the order in which pasting by `grid_sample` rounds, so that the bits at the threshold agree.
    positions = positions.sub_(box_low[owner]).div_((box_high - box_low)[owner])
    positions = positions.mul_(2).sub_(1)  # [-1, 1] in the box
    positions = positions.add_(1).mul_(cells).sub_(1).div_(2)  # in cells, the centre of cell k at k
    grid = torch.arange(cells, dtype=torch.float32, device=device)
    weights = positions[:, None].sub(grid).abs_().neg_().add_(1).clamp_(min=0)  # (L, cells)
    if not _float32_products_are_exact(device):
        weights = weights.double()
    return tuple(torch.split_with_sizes(weights, lengths.tolist()))


def _pieces(windows: Sequence[Window], picked: Sequence[int]) -> Iterator[list[int]]:
    """Cut the picked masks into pieces with a bounded number of rows and columns."""
    piece: list[int] = []
    lines = 0
    for i in picked:
        x0, y0, x1, y1 = windows[i]
        if piece and lines + x1 - x0 + y1 - y0 > _LINES_AT_ONCE:
            yield piece
            piece, lines = [], 0
        piece.append(i)
        lines += x1 - x0 + y1 - y0
    if piece:
        yield piece


def _paste(probs: Tensor, rows: Tensor, columns: Tensor, threshold: float) -> Tensor:
    """Return ``rows @ probs @ columns.T >= threshold``, in pieces of rows if it is large."""
    if torch.is_autocast_enabled(probs.device.type):
        with torch.autocast(probs.device.type, enabled=False):
            return _paste(probs, rows, columns, threshold)
    stretched = probs.to(rows.dtype) @ columns.T  # (M, w)
    height, width = rows.shape[0], columns.shape[0]
    step = max(1, _PIXELS_AT_ONCE // max(width, 1))
    if height <= step:
        return _at_least(rows @ stretched, threshold)
    out = torch.empty(height, width, dtype=torch.bool, device=probs.device)
    for top in range(0, height, step):
        out[top : top + step] = _at_least(rows[top : top + step] @ stretched, threshold)
    return out


def _at_least(values: Tensor, threshold: float) -> Tensor:
    """Return ``values >= threshold``; on the host by NumPy, see `panoptic_fusion._windows.on_host`."""
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy() >= threshold)
    return values >= threshold


def _float32_products_are_exact(device: torch.device) -> bool:
    """Whether matrix products keep float32's precision, whatever the user switched on."""
    if device.type != "cpu":
        return False
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # old and new precision switches were mixed
        return False
