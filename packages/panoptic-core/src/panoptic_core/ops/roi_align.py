"""RoIAlign with average pooling (He et al., Mask R-CNN, ICCV 2017, arXiv:1703.06870, section 3).

A box is cut into ``P x Q`` bins, the map is read at a regular grid of points in each bin by bilinear
interpolation, and the bin's output is the mean. Which points are read, which count as outside and how
degenerate boxes behave follows mmcv's compiled operator, which follows detectron2's.

Bilinear weights and the grid both factor into a vertical and a horizontal part, so a bin's mean is a weighted
sum over (few rows) x (few columns) of pixels, the same for all channels: per axis the points' weights are
merged into one *tap* a pixel, the outer product of the two axes gives the bag of pixels of each bin
(:mod:`panoptic_core.ops._roi_bags`), and :mod:`panoptic_core.ops._row_sums` sums them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from panoptic_core.ops import _torchvision
from panoptic_core.ops._roi_bags import MAX_TAPS, RoIGeometry, roi_bags
from panoptic_core.ops._row_sums import compute_dtype, spread_rows, sum_rows


def roi_align(
    input: Tensor,  # noqa: A002 - torch's name for it
    rois: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Pool a map of fixed size out of each box; differentiable in ``input``.

    Args:
        input: Feature maps ``(N, C, H, W)``, any floating type; sums are taken in float32 or wider.
        rois: ``(K, 5)``: image index in ``[0, N)``, then xyxy in the pixels of the image.
        output_size: Bins ``(P, Q)``, or one number for both.
        spatial_scale: Pixels of the map per pixel of the image, e.g. 1/4.
        sampling_ratio: Points per bin and axis; 0 takes about one a pixel, ``ceil(box size / bins)``.
        aligned: Shift by half a pixel, so that box coordinates mean pixel borders. False is the first
            Mask R-CNN's reading: no shift, and boxes smaller than one pixel are widened to one.

    Returns:
        ``(K, C, P, Q)`` of the type of ``input``. Points more than one pixel outside the map count as zeros;
        a box of no extent gives zeros (``aligned``, adaptive grid), and so does one that is not finite.

    Raises:
        ValueError: If a shape does not fit.

    Example:
        >>> ramp = torch.arange(16.0).reshape(1, 1, 4, 4)  # 4 * y + x
        >>> roi_align(ramp, torch.tensor([[0.0, 0, 0, 4, 4]]), 2).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """
    if input.ndim != 4:
        msg = f"Expected `input` of shape (N, C, H, W), got {tuple(input.shape)}."
        raise ValueError(msg)
    if rois.ndim != 2 or rois.shape[1] != 5:
        msg = f"Expected `rois` of shape (K, 5) with the image's index first, got {tuple(rois.shape)}."
        raise ValueError(msg)
    bins = (output_size, output_size) if isinstance(output_size, int) else (output_size[0], output_size[1])
    if min(bins) < 1:
        msg = f"Expected `output_size` to be positive, got {output_size}."
        raise ValueError(msg)
    result: Tensor = _RoIAlign.apply(  # type: ignore[no-untyped-call]
        input, rois, RoIGeometry(bins, spatial_scale, sampling_ratio, aligned)
    )
    return result


class _RoIAlign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, rois: Tensor, geometry: RoIGeometry) -> Tensor:  # noqa: A002
        ctx.save_for_backward(rois)
        ctx.geometry = geometry
        ctx.input_shape = input.shape
        return roi_align_forward(input, rois, geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        (rois,) = ctx.saved_tensors
        return roi_align_backward(grad_output, rois, ctx.input_shape, ctx.geometry), None, None


def roi_align_forward(
    input: Tensor,  # noqa: A002
    rois: Tensor,
    geometry: RoIGeometry,
    out: Tensor | None = None,
) -> Tensor:
    """Compute :func:`roi_align` without recording a gradient.

    Args:
        input: ``(N, C, H, W)``.
        rois: ``(K, 5)``.
        geometry: The numbers of the operator.
        out: ``(K, C, P, Q)`` to be filled, or None to make one.

    Returns:
        ``(K, C, P, Q)``.
    """
    channels = input.shape[1]
    dtype = compute_dtype(input.dtype)
    if out is None:
        out = input.new_empty(rois.shape[0], channels, *geometry.bins)
    if (ops := _torchvision.gpu_kernels(input)) is not None:
        return out.copy_(ops.roi_align(input.to(dtype), rois.to(dtype), *_positional(geometry)))
    if out.numel():
        pixels = input.permute(0, 2, 3, 1).to(dtype).flatten(0, 2)  # (N * H * W, C)
        for bags in roi_bags(rois, input.shape, geometry, dtype):
            index, weight = bags.index.to(input.device), bags.weight.to(input.device)
            sums = sum_rows(pixels, index, weight).view(-1, *geometry.bins, channels)
            out[bags.boxes.to(input.device)] = sums.permute(0, 3, 1, 2).to(out.dtype)
    return out


def roi_align_backward(
    grad_output: Tensor, rois: Tensor, input_shape: tuple[int, ...], geometry: RoIGeometry
) -> Tensor:
    """Compute the gradient of :func:`roi_align` in its ``input``.

    Args:
        grad_output: ``(K, C, P, Q)``.
        rois: ``(K, 5)``.
        input_shape: ``(N, C, H, W)`` of the forward's input.
        geometry: The numbers of the operator.

    Returns:
        ``(N, C, H, W)`` of the type of ``grad_output``, stored channels-last.
    """
    num_maps, channels, height, width = input_shape
    dtype = compute_dtype(grad_output.dtype)
    if (ops := _torchvision.gpu_kernels(grad_output)) is not None:
        boxes, numbers = rois.to(dtype), _positional(geometry)
        anything = grad_output.new_zeros(input_shape, dtype=dtype)  # linear: any input has this gradient
        (grad,) = _torchvision.differentiate(
            lambda x: ops.roi_align(x, boxes, *numbers), [anything], [True], grad_output.to(dtype)
        )
        assert grad is not None
        return grad.to(grad_output.dtype)
    total = grad_output.new_zeros(0, channels, dtype=dtype)
    grads = grad_output.permute(0, 2, 3, 1).to(dtype).flatten(0, 2)  # (K * P * Q, C)
    for bag, index, weight in _flat_tables(rois, input_shape, geometry, dtype):
        spread = spread_rows(grads, bag, index, weight, num_maps * height * width)
        total = total.add_(spread) if len(total) else spread
    if not len(total):
        total = grad_output.new_zeros(num_maps * height * width, channels, dtype=dtype)
    return total.view(num_maps, height, width, channels).permute(0, 3, 1, 2).to(grad_output.dtype)


def _flat_tables(
    rois: Tensor, input_shape: tuple[int, ...], geometry: RoIGeometry, dtype: torch.dtype
) -> Iterator[tuple[Tensor, ...]]:
    """Yield few large lists of taps on the device of ``rois``: bag, pixel and weight, ``(M,)`` each."""
    bins = np.arange(geometry.bins[0] * geometry.bins[1], dtype=np.int64)
    tables: list[tuple[Tensor, ...]] = []
    for bags in roi_bags(rois, input_shape, geometry, dtype):
        if tables and sum(len(table[0]) for table in tables) + bags.index.numel() > MAX_TAPS:
            yield tuple(torch.cat(column).to(rois.device) for column in zip(*tables, strict=True))
            tables = []
        index, weight = bags.index.numpy(), bags.weight.numpy()
        bag = (bags.boxes.numpy()[:, None] * len(bins) + bins).reshape(-1, 1).astype(index.dtype)  # (B, 1)
        flat = np.broadcast_to(bag, index.shape).ravel(), index.ravel(), weight.ravel()
        tables.append(tuple(torch.from_numpy(column) for column in flat))
    if tables:
        yield tuple(torch.cat(column).to(rois.device) for column in zip(*tables, strict=True))


def _positional(geometry: RoIGeometry) -> tuple[tuple[int, int], float, int, bool]:
    """Torchvision's order; it takes -1 for the adaptive grid."""
    return geometry.bins, geometry.spatial_scale, geometry.sampling_ratio or -1, geometry.aligned
