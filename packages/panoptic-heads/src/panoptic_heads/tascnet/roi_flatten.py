"""RoI-Flatten of TASCNet (Li et al., "Learning to Fuse Things and Stuff", arXiv:1812.01192, section 3.2).

Written from the paper; no public code was found. Every mask is resampled inside its own box, so nothing of
size instances x pixels exists, neither forward nor backward.
"""

from typing import Any

import torch
from torch import Tensor

from panoptic_fusion import full_precision
from panoptic_fusion.paste import Window, paste_windows


def roi_flatten(
    mask_probs: Tensor, boxes: Tensor, size: tuple[int, int], *, threshold: float = 0.5
) -> Tensor:
    """Merge the masks of many RoIs into one map of the confidence that a pixel shows a thing.

    Each mask is resampled to its box by bilinear interpolation between pixel centres, as masks are pasted
    everywhere in this project. At a pixel the result is the mean of the masks that reach ``threshold`` there,
    and 0 where none does (steps 3 to 5 of the paper). The gradient reaches the masks that reach the
    threshold; below it there is none.

    Args:
        mask_probs: Foreground probability in each box, ``(K, M, M)`` in [0, 1]: the sigmoid of the channel of
            the class of the ground truth that the RoI was assigned to.
        boxes: The RoIs, ``(K, 4)``, xyxy in pixels of the result, half-open. No gradient flows to them.
        size: Height and width of the result.
        threshold: The least value that counts.

    Returns:
        ``(H, W)``, float32 (float64 for float64 masks), values 0 or in [threshold, 1].

    Raises:
        ValueError: If the shapes of masks and boxes do not fit each other.

    Example:
        >>> mask = torch.tensor([[[0.9, 0.2], [0.6, 0.8]]])
        >>> roi_flatten(mask, torch.tensor([[1.0, 0.0, 3.0, 2.0]]), (2, 4))
        tensor([[0.0000, 0.9000, 0.0000, 0.0000],
                [0.0000, 0.6000, 0.8000, 0.0000]])
    """
    if mask_probs.ndim != 3 or boxes.shape != (mask_probs.shape[0], 4):
        msg = (
            f"Expected `mask_probs` to be (K, M, M) and `boxes` (K, 4), got {tuple(mask_probs.shape)} and "
            f"{tuple(boxes.shape)}. Pass one mask, of the assigned class, for each box."
        )
        raise ValueError(msg)
    dtype = torch.float64 if mask_probs.dtype == torch.float64 else torch.float32
    with full_precision(mask_probs):
        probs, rois = mask_probs.to(dtype), boxes.detach().to(dtype)
        result: Tensor = _RoIFlatten.apply(probs, rois, size, threshold)  # type: ignore[no-untyped-call]
    return result


class _RoIFlatten(torch.autograd.Function):
    """One pass over the boxes each way; the backward pass resamples again rather than remember windows."""

    @staticmethod
    def forward(ctx: Any, probs: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float) -> Tensor:
        total = probs.new_zeros(size)  # (H, W)
        count = probs.new_zeros(size)
        windows, rows, columns = _resampling(boxes, probs.shape[1:], size)
        for k, (x0, y0, x1, y1) in enumerate(windows):
            values = rows[k, : y1 - y0] @ (probs[k] @ columns[k, : x1 - x0].T)  # (h, w)
            confident = values >= threshold
            total[y0:y1, x0:x1] += values * confident
            count[y0:y1, x0:x1] += confident
        count.clamp_(min=1)
        ctx.save_for_backward(probs, rows, columns, count)
        ctx.windows, ctx.threshold = windows, threshold
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        probs, rows, columns, count = ctx.saved_tensors
        share = grad / count  # (H, W), of each mask that counts at a pixel
        grad_probs = torch.zeros_like(probs)
        for k, (x0, y0, x1, y1) in enumerate(ctx.windows):
            down, across = rows[k, : y1 - y0], columns[k, : x1 - x0]
            confident = down @ (probs[k] @ across.T) >= ctx.threshold
            grad_probs[k] = down.T @ (share[y0:y1, x0:x1] * confident) @ across
        return grad_probs, None, None, None


def _resampling(
    boxes: Tensor, mask_size: torch.Size, size: tuple[int, int]
) -> tuple[list[Window], Tensor, Tensor]:
    """Return each box's pixels and the weights of its mask's rows and columns there, by the pasting rule.

    Args:
        boxes: ``(K, 4)``.
        mask_size: Rows and columns of a mask.
        size: Height and width of the map.

    Returns:
        ``K`` windows; weights ``(K, h, M)`` and ``(K, w, M)``, where h and w are those of the largest window.
    """
    windows = paste_windows(boxes.cpu().numpy(), size)  # (K, 4)
    extents = (windows[:, 2:] - windows[:, :2]).max(axis=0, initial=0).tolist()
    first = torch.from_numpy(windows[:, :2]).to(boxes)  # (K, 2)
    rows = _axis_weights(first[:, 1], extents[1], boxes[:, 1], boxes[:, 3], mask_size[0])
    columns = _axis_weights(first[:, 0], extents[0], boxes[:, 0], boxes[:, 2], mask_size[1])
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in windows.tolist()], rows, columns


def _axis_weights(first: Tensor, extent: int, low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Return ``(K, extent, cells)``: how much each mask cell says at ``extent`` pixels from ``first`` on.

    The same operations in the same order as in :func:`panoptic_fusion.paste.axis_weights`, for all boxes at
    once, so that a pixel counts here exactly if it belongs to the pasted mask.
    """
    centers = (
        first[:, None] + torch.arange(extent, device=first.device, dtype=first.dtype) + 0.5
    )  # (K, extent)
    side = (high - low)[:, None]
    positions = ((centers - low[:, None]) / side * 2 - 1 + 1) * cells - 1
    distance = (positions / 2)[:, :, None] - torch.arange(cells, device=first.device, dtype=first.dtype)
    return (1 - distance.abs()).clamp(min=0)
