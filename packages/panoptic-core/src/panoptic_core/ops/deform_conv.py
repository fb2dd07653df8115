"""Deformable convolution, plain and modulated.

Dai et al., Deformable Convolutional Networks, ICCV 2017, arXiv:1703.06211, and Zhu et al., Deformable
ConvNets v2, CVPR 2019, arXiv:1811.11168.

A convolution whose taps are read at learned, fractional places: tap ``k`` of output pixel ``p`` reads the
input at ``p * stride - padding + k * dilation + offset[p, k]`` by bilinear interpolation with zeros outside,
times ``mask[p, k]`` in the modulated form. As in a plain convolution by im2col the taps are collected into
columns, and a matrix product with the weights follows (:mod:`panoptic_core.ops._conv_columns`). A collected
tap is a weighted sum of four pixels, the same for all channels of a deformable group, so
:mod:`panoptic_core.ops._row_sums` collects them; the gradients of offsets and masks are made of the four
inner products of the tap's gradient with those pixels.

Layout, as mmcv's: ``offset`` holds ``(y, x)`` for each deformable group and tap, ``mask`` one number.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from panoptic_core.ops._conv_columns import deform_conv_backward, deform_conv_forward
from panoptic_core.ops._conv_taps import ConvGeometry


def deform_conv2d(
    input: Tensor,  # noqa: A002 - torch's name for it
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Convolve at learned places; differentiable in all tensors. With ``mask`` it is the modulated form (v2).

    Args:
        input: ``(N, C, H, W)``, any floating type; sums are taken in float32 or wider.
        offset: ``(N, deform_groups * kH * kW * 2, H', W')``, in pixels of the input, y before x.
        weight: ``(O, C / groups, kH, kW)``.
        bias: ``(O,)`` or None.
        mask: ``(N, deform_groups * kH * kW, H', W')`` or None for ones.
        stride: Of the output pixels, one number or (y, x), as the two below.
        padding: Pixels around the input. They are zeros, as is everything outside.
        dilation: Distance of the kernel's taps.
        groups: Groups of channels that are convolved apart.
        deform_groups: Groups of channels that have offsets (and masks) of their own.

    Returns:
        ``(N, O, H', W')`` of the type of ``input``. A tap whose place is not a number reads zero.

    Raises:
        ValueError: If a shape does not fit.

    Example:
        >>> ramp = torch.arange(9.0).reshape(1, 1, 3, 3)  # 3 * y + x
        >>> half = torch.full((1, 2, 2, 2), 0.5)  # a 1x1 kernel that looks half a pixel down and right
        >>> deform_conv2d(ramp, half, torch.ones(1, 1, 1, 1), stride=2).flatten().tolist()
        [2.0, 1.75, 3.25, 2.0]
    """
    kernel = (weight.shape[2], weight.shape[3])
    geometry = ConvGeometry(kernel, _pair(stride), _pair(padding), _pair(dilation), groups, deform_groups)
    _check_shapes(input, offset, weight, mask, geometry)
    out: Tensor = _DeformConv.apply(input, offset, mask, weight, bias, geometry)  # type: ignore[no-untyped-call]
    return out


class _DeformConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,  # noqa: A002
        offset: Tensor,
        mask: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        geometry: ConvGeometry,
    ) -> Tensor:
        ctx.save_for_backward(input, offset, mask, weight, bias)
        ctx.geometry = geometry
        out = deform_conv_forward(input, offset, mask, weight, geometry)
        return out if bias is None else out + bias[:, None, None].to(out.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        image, offset, mask, weight, bias = ctx.saved_tensors
        inputs, weights = any(ctx.needs_input_grad[:3]), ctx.needs_input_grad[3]
        grads = deform_conv_backward(
            grad_output, image, offset, mask, weight, ctx.geometry, inputs=inputs, weights=weights
        )
        grad_bias = None if bias is None else grad_output.sum((0, 2, 3)).to(bias.dtype)
        return *grads, grad_bias, None


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _check_shapes(
    input: Tensor,  # noqa: A002
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    geometry: ConvGeometry,
) -> None:
    if input.ndim != 4 or weight.ndim != 4:
        msg = (
            "Expected `input` of shape (N, C, H, W) and `weight` of shape (O, C / groups, kH, kW), got "
            f"{tuple(input.shape)} and {tuple(weight.shape)}."
        )
        raise ValueError(msg)
    num, channels, height, width = input.shape
    groups, deform_groups = geometry.groups, geometry.deform_groups
    if channels % groups or channels % deform_groups or weight.shape[0] % groups:
        msg = (
            "Expected `groups` to divide the channels of input and output and `deform_groups` those of the "
            f"input, got {groups} and {deform_groups} for {channels} and {weight.shape[0]} channels."
        )
        raise ValueError(msg)
    if weight.shape[1] * groups != channels:
        msg = f"Expected `weight` to have {channels // groups} channels a group, got {weight.shape[1]}."
        raise ValueError(msg)
    size = geometry.output_size(height, width)
    if min(size) < 1:
        msg = f"Expected an `input` no smaller than the kernel, got {(height, width)} for {geometry}."
        raise ValueError(msg)
    places = deform_groups * geometry.taps
    for name, tensor, depth in (("offset", offset, 2 * places), ("mask", mask, places)):
        if tensor is not None and tensor.shape != (num, depth, *size):
            msg = f"Expected `{name}` of shape {(num, depth, *size)}, got {tuple(tensor.shape)}."
            raise ValueError(msg)
