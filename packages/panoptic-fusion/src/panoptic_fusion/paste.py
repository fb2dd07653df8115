"""Pasting: box-relative mask values resampled at the pixel centres of a window, by two thin products.

The rule is the one of Mask R-CNN's common implementations: the centre of pixel ``x`` lies at ``(x + 0.5 -
x0) / (x1 - x0)`` of the box; there the mask is read bilinearly, cell centres at ``(k + 0.5) / M``, zero
beyond the mask. It is `torch.nn.functional.grid_sample` (``align_corners=False``, zeros) on the same
positions, up to rounding; since the two axes are independent it is ``Y @ mask @ X.T`` with one row of at
most two weights for each pixel row and column, and only the window is ever computed.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor
from panoptic_fusion._windows import is_host
from panoptic_fusion.precision import full_precision

Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in whole pixels, half-open, inside the image."""

_PIXELS_AT_ONCE = 1 << 18  # of one window: the float values of a piece, before they become bits
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


def resample_mask(values: Tensor, box: ArrayLike, window: Window) -> Tensor:
    """Read mask values at the pixel centres of a window.

    Differentiable in `values`. Computed in float32 or better, also under autocast and with TF32 switched on.

    Args:
        values: ``(M, M)`` logits or probabilities.
        box: ``(4,)`` xyxy of the mask, with width and height > 0. A box on the host spares a wait for the
            GPU.
        window: The pixels to read.

    Returns:
        ``(h, w)`` float32.

    Example:
        >>> box = torch.tensor([0.0, 0.0, 4.0, 2.0])
        >>> resample_mask(torch.tensor([[0.0, 1.0]]), box, (0, 0, 4, 2)).tolist()
        [[0.0, 0.1875, 0.5625, 0.5625], [0.0, 0.1875, 0.5625, 0.5625]]
    """
    boxes = as_tensor(box, "box").detach().cpu().numpy()[None]
    ((rows, columns),) = window_weights(boxes, [window], values.shape[0], values.shape[1], values.device)
    with full_precision(values):
        return (rows @ (values.to(rows.dtype) @ columns.T)).float()


@torch.no_grad()
def paste_masks(
    probs: Tensor, boxes: np.ndarray, windows: Sequence[Window], picked: Sequence[int], threshold: float = 0.5
) -> Iterator[Tensor]:
    """Yield where the resampled probability reaches the threshold, mask by mask.

    Args:
        probs: ``(N, M, M)`` float32 in [0, 1].
        boxes: ``(N, 4)`` xyxy of the masks, on the host.
        windows: The pixels to read of each mask; empty where the box has no width or height.
        picked: Indices of the masks to read, in this order.
        threshold: In (0, 1].

    Yields:
        ``(h, w)`` bool each. Large windows are computed in pieces of rows.
    """
    size = probs.shape[1], probs.shape[2]
    for piece in _pieces(windows, picked):
        chosen = [windows[i] for i in piece]
        if is_host(probs):
            lines = _window_lines(boxes[piece], chosen, *size)
            for i, (rows, columns) in zip(piece, lines, strict=True):
                yield torch.from_numpy(_paste_on_host(probs[i].numpy(), rows, columns, threshold))
        else:
            weights = window_weights(boxes[piece], chosen, *size, probs.device)
            for i, (row_weights, column_weights) in zip(piece, weights, strict=True):
                yield _paste(probs[i], row_weights, column_weights, threshold)


def window_weights(
    boxes: np.ndarray, windows: Sequence[Window], mask_height: int, mask_width: int, device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    """Return the bilinear weights of the rows and of the columns of each window.

    Args:
        boxes: ``(N, 4)`` xyxy of the masks, on the host.
        windows: ``N`` windows.
        mask_height: Number of mask cells on the vertical axis.
        mask_width: On the horizontal one.
        device: Of the result.

    Returns:
        ``N`` pairs ``(h, mask_height)``, ``(w, mask_width)``, float32, or float64 where products of
        float32 are not exact. Each line has at most two weights, which sum to 1 between the outermost cell
        centres and to less beyond.
    """
    axes = []
    for positions, lengths, cells in cell_positions(boxes, windows, mask_height, mask_width):
        grid = torch.arange(cells, dtype=torch.float32, device=device)
        there = torch.from_numpy(positions).to(device)
        weights = there[:, None].sub(grid).abs_().neg_().add_(1).clamp_(min=0)  # (L, cells)
        if not _float32_products_are_exact(device):
            weights = weights.double()
        axes.append(torch.split_with_sizes(weights, lengths))
    return list(zip(*axes, strict=True))


def cell_positions(
    boxes: np.ndarray, windows: Sequence[Window], mask_height: int, mask_width: int
) -> Iterator[tuple[np.ndarray, list[int], int]]:
    """Yield where the pixel rows of all windows lie in cells, then the columns.

    Yields:
        ``(L,)`` float32, the centre of cell ``k`` at ``k``, all windows one after another; the number of
        pixels of each window; the number of cells.
    """
    boxes = boxes.astype(np.float32)
    table = np.array(windows, dtype=np.int64).reshape(-1, 4)
    for axis, cells in ((1, mask_height), (0, mask_width)):
        low, box_low = table[:, axis], boxes[:, axis]
        lengths = table[:, axis + 2] - low
        firsts = lengths.cumsum() - lengths
        pixels = np.arange(lengths.sum()) - np.repeat(firsts - low, lengths)  # (L,)
        # In the order in which pasting by `grid_sample` rounds, so that the bits at the threshold agree.
        positions = pixels.astype(np.float32) + np.float32(0.5) - np.repeat(box_low, lengths)
        positions /= np.repeat(boxes[:, axis + 2] - box_low, lengths)
        positions = positions * 2 - 1  # [-1, 1] in the box
        yield ((positions + 1) * np.float32(cells) - 1) / 2, lengths.tolist(), cells


class _Lines(NamedTuple):
    """The two cells that each pixel row or column of a window lies between, and their weights, ``(n,)``.

    Cells are counted in a mask with a border of zeros: 0 is the border.
    """

    cells: np.ndarray
    near: np.ndarray
    far: np.ndarray


def _window_lines(
    boxes: np.ndarray, windows: Sequence[Window], mask_height: int, mask_width: int
) -> list[tuple[_Lines, _Lines]]:
    """Return the rows and the columns of each window."""
    axes = []
    for positions, lengths, cells in cell_positions(boxes, windows, mask_height, mask_width):
        below = np.floor(positions)
        far = positions - below
        index = np.clip(below.astype(np.intp) + 1, 0, cells)
        near, end = 1 - far, 0
        lines = []
        for length in lengths:
            begin, end = end, end + length
            lines.append(_Lines(index[begin:end], near[begin:end], far[begin:end]))
        axes.append(lines)
    return list(zip(*axes, strict=True))


def _paste_on_host(probs: np.ndarray, rows: _Lines, columns: _Lines, threshold: float) -> np.ndarray:
    """Return where the probability reaches the threshold, ``(h, w)`` bool.

    The same two products, two terms each: NumPy adds them as fast as a matrix product, and no thread waits
    for another at every mask.
    """
    padded = np.zeros((probs.shape[0] + 2, probs.shape[1] + 2), dtype=np.float32)
    padded[1:-1, 1:-1] = probs
    stretched = padded[:, columns.cells] * columns.near + padded[:, columns.cells + 1] * columns.far
    out = np.empty((len(rows.cells), len(columns.cells)), dtype=bool)
    step = max(1, _PIXELS_AT_ONCE // max(out.shape[1], 1))
    for top in range(0, len(out), step):
        piece = slice(top, top + step)
        values = stretched[rows.cells[piece]]  # (n, w)
        values *= rows.near[piece, None]
        others = stretched[rows.cells[piece] + 1]
        others *= rows.far[piece, None]
        values += others
        np.greater_equal(values, threshold, out=out[piece])
    return out


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
        with full_precision(probs):
            return _paste(probs, rows, columns, threshold)
    stretched = probs.to(rows.dtype) @ columns.T  # (M, w)
    height, width = rows.shape[0], columns.shape[0]
    step = max(1, _PIXELS_AT_ONCE // max(width, 1))
    if height <= step:
        return rows @ stretched >= threshold
    out = torch.empty(height, width, dtype=torch.bool, device=probs.device)
    for top in range(0, height, step):
        out[top : top + step] = rows[top : top + step] @ stretched >= threshold
    return out


def _float32_products_are_exact(device: torch.device) -> bool:
    """Whether matrix products keep float32's precision, whatever the user switched on."""
    if device.type != "cpu":
        return False
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # old and new precision switches were mixed
        return False
