"""Deformable convolution by columns: collect the taps, multiply by the weights; and back."""

from types import ModuleType

import torch
from torch import Tensor

from panoptic_core.ops import _torchvision
from panoptic_core.ops._conv_taps import ConvGeometry, ConvTaps, conv_taps
from panoptic_core.ops._row_sums import compute_dtype, dot_rows, full_precision, spread_rows, sum_rows

_Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]

_MAX_COLUMNS = 1 << 24  # numbers in the columns of one round: 64 MB


def deform_conv_forward(
    input: Tensor,  # noqa: A002
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    geometry: ConvGeometry,
) -> Tensor:
    """Compute :func:`panoptic_core.ops.deform_conv2d` without bias and without recording a gradient.

    Args:
        input: ``(N, C, H, W)``.
        offset: ``(N, D * K * 2, H', W')``.
        mask: ``(N, D * K, H', W')`` or None.
        weight: ``(O, C / G, kH, kW)``.
        geometry: The numbers of the operator.

    Returns:
        ``(N, O, H', W')`` of the type of ``input``.
    """
    dtype = compute_dtype(input.dtype)
    if (ops := _torchvision.gpu_kernels(input)) is not None:
        wide = [None if x is None else x.detach().to(dtype) for x in (input, offset, mask, weight)]
        return _torchvision_conv(ops, geometry, *wide).to(input.dtype)
    size = geometry.output_size(input.shape[2], input.shape[3])
    out = input.new_empty(input.shape[0], *size, weight.shape[0], dtype=dtype)
    with full_precision(input.device):
        matrix = _matrices(weight.to(dtype), geometry)
        for images in _rounds(input, geometry):
            taps = _taps(input, offset, mask, images, geometry)
            columns = sum_rows(_pixels(input[images], geometry), taps.index, taps.weight)
            product = torch.bmm(_by_group(columns, geometry), matrix)  # (G, L, O / G)
            out[images] = product.transpose(0, 1).reshape(-1, *out.shape[1:])
    return out.permute(0, 3, 1, 2).to(input.dtype)


def deform_conv_backward(
    grad_output: Tensor,
    input: Tensor,  # noqa: A002
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    geometry: ConvGeometry,
    *,
    inputs: bool = True,
    weights: bool = True,
) -> _Gradients:
    """Compute the gradients of :func:`deform_conv_forward`.

    Args:
        grad_output: ``(N, O, H', W')``.
        input: As in the forward pass, and so are the next four.
        offset: As in the forward pass.
        mask: As in the forward pass.
        weight: As in the forward pass.
        geometry: The numbers of the operator.
        inputs: Whether the gradients of ``input``, ``offset`` and ``mask`` are needed.
        weights: Whether that of ``weight`` is.

    Returns:
        Gradients of ``input``, ``offset``, ``mask`` and ``weight``; None for what was not asked for.
    """
    dtype = compute_dtype(input.dtype)
    if (ops := _torchvision.gpu_kernels(input)) is not None:
        wide = [None if x is None else x.detach().to(dtype) for x in (input, offset, mask, weight)]
        wanted = [inputs, inputs, inputs, weights]
        grads = _torchvision.differentiate(
            lambda *tensors: _torchvision_conv(ops, geometry, *tensors), wide, wanted, grad_output.to(dtype)
        )
        return _like(grads[0], input), _like(grads[1], offset), _like(grads[2], mask), _like(grads[3], weight)
    if not input.shape[0]:
        zeros = [None if x is None else torch.zeros_like(x) for x in (input, offset, mask, weight)]
        return zeros[0], zeros[1], zeros[2], zeros[3]
    with full_precision(input.device):
        return _backward_by_columns(grad_output, input, offset, mask, weight, geometry, inputs, weights)


def _backward_by_columns(
    grad_output: Tensor,
    input: Tensor,  # noqa: A002
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    geometry: ConvGeometry,
    inputs: bool,
    weights: bool,
) -> _Gradients:
    dtype = compute_dtype(input.dtype)
    matrix = _matrices(weight.to(dtype), geometry)  # (G, K * C / G, O / G)
    grad_matrix = torch.zeros_like(matrix)
    grad_pixels, grad_places, grad_masks = [], [], []
    for images in _rounds(input, geometry):
        taps = _taps(input, offset, mask, images, geometry)
        pixels = _pixels(input[images], geometry)
        grad = grad_output[images].permute(0, 2, 3, 1).to(dtype)  # (n, H', W', O)
        grad = grad.reshape(-1, *matrix.shape[::2]).transpose(0, 1)  # (G, L, O / G)
        if weights:
            columns = _by_group(sum_rows(pixels, taps.index, taps.weight), geometry)
            grad_matrix.baddbmm_(columns.transpose(1, 2), grad)
        if inputs:
            grad_columns = _from_group(torch.bmm(grad, matrix.transpose(1, 2)), geometry)  # (B, C / D)
            flat = taps.bag, taps.index.flatten(), taps.weight.flatten()
            grad_pixels.append(spread_rows(grad_columns, *flat, len(pixels)))
            grad_place, grad_mask = taps.gradients(dot_rows(grad_columns, pixels, taps.index))
            grad_places.append(grad_place)
            grad_masks += [] if grad_mask is None else [grad_mask]
    grad_weight = _from_matrices(grad_matrix, weight) if weights else None
    if not inputs:
        return None, None, None, grad_weight
    num, channels, height, width = input.shape
    grad_input = torch.cat(grad_pixels).view(num, height, width, channels).permute(0, 3, 1, 2)
    places = (num, *offset.shape[2:], geometry.taps, geometry.deform_groups)
    grad_offset = torch.cat(grad_places).view(*places, 2).permute(0, 4, 3, 5, 1, 2)  # (N, D, K, 2, H', W')
    grad_modulation = None
    if mask is not None:
        grad_modulation = torch.cat(grad_masks).view(places).permute(0, 4, 3, 1, 2)  # (N, D, K, H', W')
    return _like(grad_input, input), _like(grad_offset, offset), _like(grad_modulation, mask), grad_weight


def _torchvision_conv(ops: ModuleType, geometry: ConvGeometry, *tensors: Tensor | None) -> Tensor:
    """Torchvision finds the groups from the shapes."""
    image, offset, mask, weight = tensors
    stride, padding, dilation = geometry.stride, geometry.padding, geometry.dilation
    out: Tensor = ops.deform_conv2d(
        image, offset, weight, stride=stride, padding=padding, dilation=dilation, mask=mask
    )
    return out


def _like(grad: Tensor | None, tensor: Tensor | None) -> Tensor | None:
    return None if grad is None or tensor is None else grad.reshape(tensor.shape).to(tensor.dtype)


def _rounds(input: Tensor, geometry: ConvGeometry) -> list[slice]:  # noqa: A002
    """Cut the batch so that the columns of one round stay small."""
    high, wide = geometry.output_size(input.shape[2], input.shape[3])
    step = max(1, _MAX_COLUMNS // max(1, high * wide * geometry.taps * input.shape[1]))
    return [slice(begin, begin + step) for begin in range(0, input.shape[0], step)]


def _taps(
    input: Tensor,  # noqa: A002
    offset: Tensor,
    mask: Tensor | None,
    images: slice,
    geometry: ConvGeometry,
) -> ConvTaps:
    size = (input.shape[2], input.shape[3])
    modulation = None if mask is None else mask[images]
    return conv_taps(offset[images], modulation, size, geometry, compute_dtype(input.dtype))


def _pixels(input: Tensor, geometry: ConvGeometry) -> Tensor:  # noqa: A002
    """``(n, C, H, W)`` to ``(n * H * W * D, C / D)``."""
    pixels = input.detach().permute(0, 2, 3, 1).to(compute_dtype(input.dtype))
    return pixels.reshape(-1, input.shape[1] // geometry.deform_groups)


def _matrices(weight: Tensor, geometry: ConvGeometry) -> Tensor:
    """``(O, C / G, kH, kW)`` to ``(G, K * C / G, O / G)``, in the order of the columns."""
    out_channels, channels = weight.shape[:2]
    parts = weight.detach().reshape(geometry.groups, out_channels // geometry.groups, channels, geometry.taps)
    return parts.permute(0, 3, 2, 1).flatten(1, 2)


def _from_matrices(matrix: Tensor, weight: Tensor) -> Tensor:
    """Undo :func:`_matrices` for a gradient of ``weight``."""
    groups, depth, out_channels = matrix.shape
    parts = matrix.view(groups, depth // weight.shape[1], weight.shape[1], out_channels)
    return parts.permute(0, 3, 2, 1).reshape(weight.shape).to(weight.dtype)


def _by_group(columns: Tensor, geometry: ConvGeometry) -> Tensor:
    """``(L * K * D, C / D)`` to ``(G, L, K * C / G)``; no copy if there is one group."""
    channels = columns.shape[1] * geometry.deform_groups
    parts = columns.view(-1, geometry.taps, geometry.groups, channels // geometry.groups)
    return parts.permute(2, 0, 1, 3).flatten(2)


def _from_group(product: Tensor, geometry: ConvGeometry) -> Tensor:
    """Undo :func:`_by_group`."""
    groups, places, depth = product.shape
    parts = product.view(groups, places, geometry.taps, depth // geometry.taps)
    channels = groups * parts.shape[3]
    return parts.permute(1, 2, 0, 3).reshape(-1, channels // geometry.deform_groups)
