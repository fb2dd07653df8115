"""Where the taps of a deformable convolution fall, and which pixels they read."""

from dataclasses import dataclass

import torch
from torch import Tensor

from panoptic_core.ops._row_sums import index_dtype


@dataclass(frozen=True)
class ConvGeometry:
    """The numbers of a deformable convolution; pairs are (y, x)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    deform_groups: int = 1

    @property
    def taps(self) -> int:
        """Taps of the kernel, ``K = kH * kW``."""
        return self.kernel[0] * self.kernel[1]

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return ``(H', W')`` of an input of ``(height, width)``; not positive if no kernel fits."""
        high, wide = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(
                (height, width), self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return high, wide


@dataclass(frozen=True)
class ConvTaps:
    """All ``B`` taps of some images, ordered image, output row, output column, tap, deformable group.

    A tap lies between the pixels of two rows and two columns. Its rows weigh ``1 - t`` and ``t``, and 0
    outside of the input; so do its columns.
    """

    index: Tensor  # (B, 4) rows of the (N * H * W * D, C / D) pixels: top left, top right, bottom left, right
    rows: Tensor  # (B, 2) weights of top and bottom
    columns: Tensor  # (B, 2) weights of left and right
    row_slopes: Tensor  # (B, 2) derivatives of `rows` in y: -1 and 1, or 0 outside
    column_slopes: Tensor  # (B, 2) derivatives of `columns` in x
    mask: Tensor | None  # (B,) modulation

    @property
    def weight(self) -> Tensor:
        """``(B, 4)`` weights of the four pixels."""
        weight = (self.rows[:, :, None] * self.columns[:, None, :]).flatten(1)
        return weight if self.mask is None else weight * self.mask[:, None]

    @property
    def bag(self) -> Tensor:
        """``(B * 4,)`` the tap that each pixel belongs to."""
        taps = torch.arange(self.index.shape[0], device=self.index.device, dtype=self.index.dtype)
        return taps.repeat_interleave(4)

    def gradients(self, dots: Tensor) -> tuple[Tensor, Tensor | None]:
        """Turn inner products of the gradient with the four pixels into those of ``(y, x)`` and of the mask.

        Args:
            dots: ``(B, 4)``, arbitrary where a pixel is outside.

        Returns:
            ``(B, 2)`` and ``(B,)`` or None.
        """
        dots = dots.view(-1, 2, 2)
        across = (dots * self.columns[:, None, :]).sum(2)  # (B, 2) of the two rows
        down = (dots * self.rows[:, :, None]).sum(1)  # (B, 2) of the two columns
        grad = torch.stack([(across * self.row_slopes).sum(1), (down * self.column_slopes).sum(1)], 1)
        if self.mask is None:
            return grad, None
        return grad * self.mask[:, None], (across * self.rows).sum(1)


def conv_taps(
    offset: Tensor, mask: Tensor | None, size: tuple[int, int], geometry: ConvGeometry, dtype: torch.dtype
) -> ConvTaps:
    """Place the taps of a few images.

    Args:
        offset: ``(n, D * K * 2, H', W')``.
        mask: ``(n, D * K, H', W')`` or None.
        size: ``(H, W)`` of the input.
        geometry: The numbers of the operator.
        dtype: Type of the weights and of the arithmetic of places.

    Returns:
        The taps, ``B = n * H' * W' * K * D``.
    """
    num, _, out_height, out_width = offset.shape
    groups, taps = geometry.deform_groups, geometry.taps
    shift = offset.detach().to(dtype).view(num, groups, taps, 2, out_height, out_width)
    shift = shift.permute(3, 0, 4, 5, 2, 1)  # (2, n, H', W', K, D)
    step = torch.arange(max(out_height, out_width, *geometry.kernel), device=offset.device)
    origin_y = step[:out_height] * geometry.stride[0] - geometry.padding[0]
    origin_x = step[:out_width] * geometry.stride[1] - geometry.padding[1]
    tap_y = (step[: geometry.kernel[0], None] * geometry.dilation[0]).expand(geometry.kernel).flatten()
    tap_x = (step[: geometry.kernel[1]] * geometry.dilation[1]).expand(geometry.kernel).flatten()
    y = shift[0] + (origin_y[:, None, None, None] + tap_y[:, None])  # (n, H', W', K, D)
    x = shift[1] + (origin_x[:, None, None] + tap_x[:, None])
    hit = ((y > -1) & (y < size[0]) & (x > -1) & (x < size[1])).flatten()
    top, rows, row_slopes = _two_pixels(y.flatten(), hit, size[0])
    left, columns, column_slopes = _two_pixels(x.flatten(), hit, size[1])
    image = torch.arange(num, device=offset.device).repeat_interleave(y[0].numel())
    group = torch.arange(groups, device=offset.device).repeat(y.numel() // groups)
    index = (image * size[0])[:, None] + top  # (B, 2)
    index = ((index * size[1])[:, :, None] + left[:, None, :]) * groups + group[:, None, None]
    index = index.flatten(1).to(index_dtype(num * size[0] * size[1] * groups))
    if mask is not None:
        mask = mask.detach().to(dtype).view(num, groups, taps, out_height, out_width)
        mask = mask.permute(0, 3, 4, 2, 1).reshape(-1)
    return ConvTaps(index, rows, columns, row_slopes, column_slopes, mask)


def _two_pixels(place: Tensor, hit: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two pixels around each ``place`` (B,), clamped, their weights, and the weights' slopes."""
    place = place.where(hit, 0)
    low = place.floor()
    part = place - low
    pixel = torch.stack([low, low + 1], 1).to(torch.int64)  # (B, 2)
    inside = (pixel >= 0) & (pixel < size) & hit[:, None]
    slope = inside * part.new_tensor([-1.0, 1.0])
    weight = inside * torch.stack([1 - part, part], 1)
    return pixel.clamp_(0, size - 1), weight, slope
