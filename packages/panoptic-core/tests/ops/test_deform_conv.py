"""Deformable convolution: by hand, against the literal loop and a plain convolution, gradients, types."""

import math
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from panoptic_core.ops import deform_conv2d


class _Numbers(NamedTuple):
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    deform_groups: int = 1


_WIDE: dict[str, Any] = {"dtype": torch.float64}


def _reference(
    image: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, numbers: _Numbers
) -> Tensor:
    """The definition, one number at a time."""
    stride, padding, dilation, groups, deform_groups = numbers
    num, channels = image.shape[:2]
    out_channels, per_group, high, wide = weight.shape
    out_h, out_w = offset.shape[2:]
    out = image.new_zeros(num, out_channels, out_h, out_w)
    for n in range(num):
        for o in range(out_channels):
            for y in range(out_h):
                for x in range(out_w):
                    for c in range(per_group):
                        channel = (o // (out_channels // groups)) * per_group + c
                        part = channel // (channels // deform_groups)
                        for k in range(high * wide):
                            place = 2 * (part * high * wide + k)
                            down = y * stride - padding + k // wide * dilation + offset[n, place, y, x].item()
                            across = (
                                x * stride - padding + k % wide * dilation + offset[n, place + 1, y, x].item()
                            )
                            value = _bilinear(image[n, channel], down, across)
                            if mask is not None:
                                value *= mask[n, place // 2, y, x].item()
                            out[n, o, y, x] += weight[o, c].flatten()[k] * value
    return out


def _bilinear(image: Tensor, y: float, x: float) -> float:
    """Zeros outside: the four neighbours that exist, weighted by their distance."""
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * image[row, column].item()
    return total


def _inputs(
    seed: int,
    out_channels: int = 4,
    groups: int = 1,
    deform_groups: int = 1,
    kernel: tuple[int, int] = (3, 3),
    size: tuple[int, int] = (6, 7),
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Two images of 4 channels and 6x7 pixels, offsets, weight, bias and mask; ``size`` is the output's."""
    generator = torch.Generator().manual_seed(seed)
    taps = kernel[0] * kernel[1]
    image = torch.randn(2, 4, 6, 7, generator=generator, **_WIDE)
    offset = 2.0 * torch.randn(2, 2 * deform_groups * taps, *size, generator=generator, **_WIDE)
    mask = torch.rand(2, deform_groups * taps, *size, generator=generator, **_WIDE)
    weight = torch.randn(out_channels, 4 // groups, *kernel, generator=generator, **_WIDE)
    return image, offset, weight, torch.randn(out_channels, generator=generator, **_WIDE), mask


def test_one_tap_by_hand() -> None:
    # 2x2 input 1 2 / 3 4, one 1x1 tap of weight 10, moved by (0.5, 0.25) from the top left pixel:
    # top row 1 * 0.75 + 2 * 0.25 = 1.25, bottom row 3.25, between them 2.25; times 10 and the mask 0.2: 4.5.
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    offset = torch.zeros(1, 2, 2, 2)
    offset[0, :, 0, 0] = torch.tensor([0.5, 0.25])
    weight = torch.full((1, 1, 1, 1), 10.0)
    assert deform_conv2d(image, offset, weight)[0, 0].tolist() == [[22.5, 20.0], [30.0, 40.0]]
    mask = torch.full((1, 1, 2, 2), 0.2)
    assert deform_conv2d(image, offset, weight, mask=mask)[0, 0, 0, 0].item() == pytest.approx(4.5)


def test_outside_is_zero_by_hand() -> None:
    # Half a pixel above a map of ones half of the weight falls on the zero outside; a whole pixel above, all.
    image, weight = torch.ones(1, 1, 2, 3), torch.ones(1, 1, 1, 1)
    offset = torch.zeros(1, 2, 2, 3)
    offset[0, 0, 0] = torch.tensor([-0.5, -1.0, -7.0])
    assert deform_conv2d(image, offset, weight)[0, 0].tolist() == [[0.5, 0.0, 0.0], [1.0, 1.0, 1.0]]


@pytest.mark.parity
@pytest.mark.parametrize("modulated", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("kernel", "numbers", "size"),
    [
        ((3, 3), _Numbers(padding=1), (6, 7)),
        ((3, 2), _Numbers(padding=1, groups=2), (6, 8)),
        ((3, 3), _Numbers(stride=2, padding=1, deform_groups=2), (3, 4)),
        ((2, 2), _Numbers(padding=1, dilation=2, groups=2, deform_groups=4), (6, 7)),
        ((1, 1), _Numbers(groups=4, deform_groups=2), (6, 7)),
    ],
    ids=["plain", "groups", "strided", "dilated", "pointwise"],
)
def test_matches_literal_loop(
    kernel: tuple[int, int], numbers: _Numbers, size: tuple[int, int], modulated: bool
) -> None:
    image, offset, weight, bias, mask = _inputs(0, 4, numbers.groups, numbers.deform_groups, kernel, size)
    modulation = mask if modulated else None
    out = deform_conv2d(image, offset, weight, bias, mask=modulation, **numbers._asdict())
    expected = _reference(image, offset, weight, modulation, numbers)
    torch.testing.assert_close(out, expected + bias[:, None, None])


@pytest.mark.parity
@pytest.mark.parametrize("groups", [1, 2])
def test_without_offsets_it_is_a_convolution(groups: int) -> None:
    image, offset, weight, bias, _ = _inputs(1, 6, groups)
    image, weight = image.requires_grad_(), weight.requires_grad_()
    out = deform_conv2d(image, torch.zeros_like(offset), weight, bias, padding=1, groups=groups)
    expected = F.conv2d(image, weight, bias, padding=1, groups=groups)
    torch.testing.assert_close(out, expected)
    grads = torch.autograd.grad(out.square().sum(), (image, weight))
    torch.testing.assert_close(grads, torch.autograd.grad(expected.square().sum(), (image, weight)))


@pytest.mark.parametrize(("groups", "deform_groups"), [(1, 1), (2, 1), (1, 2), (2, 4)])
@pytest.mark.parametrize("modulated", [False, True], ids=["v1", "v2"])
def test_gradcheck(groups: int, deform_groups: int, modulated: bool) -> None:
    image, *others = _inputs(2, 4, groups, deform_groups, (2, 2), (3, 2))
    tensors = image[..., :3, :2], *others  # padded by 1, and a kernel of reach 2, gives the same size
    leaves = [tensor.detach().requires_grad_() for tensor in (tensors if modulated else tensors[:4])]

    def function(*args: Tensor) -> Tensor:
        image, offset, weight, bias, mask = args if modulated else (*args, None)
        return deform_conv2d(
            image,
            offset,
            weight,
            bias,
            mask=mask,
            padding=1,
            dilation=2,
            groups=groups,
            deform_groups=deform_groups,
        )

    assert torch.autograd.gradcheck(function, leaves)


@pytest.mark.parity
def test_a_large_batch_is_cut_into_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    image, offset, weight, bias, mask = (x.requires_grad_() for x in _inputs(3, 4, 2, 2))
    results = []
    for limit in (1 << 24, 1):
        monkeypatch.setattr("panoptic_core.ops._conv_columns._MAX_COLUMNS", limit)
        out = deform_conv2d(image, offset, weight, bias, mask=mask, padding=1, groups=2, deform_groups=2)
        grads = torch.autograd.grad(out.square().sum(), (image, offset, weight, bias, mask))
        results.append((out, *grads))
    torch.testing.assert_close(results[0], results[1])


def test_only_what_needs_a_gradient_gets_one() -> None:
    image, offset, weight, _, mask = _inputs(4)
    deform_conv2d(image, offset, weight.requires_grad_(), mask=mask, padding=1).sum().backward()
    assert weight.grad is not None
    assert image.grad is None
    deform_conv2d(image, offset.requires_grad_(), weight.detach(), mask=mask, padding=1).sum().backward()
    assert offset.grad is not None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types_are_summed_in_float32(dtype: torch.dtype) -> None:
    image, offset, weight, _, mask = (tensor.to(dtype) for tensor in _inputs(5))
    out = deform_conv2d(image.requires_grad_(), offset, weight, mask=mask, padding=1)
    wide = image.detach().float().requires_grad_()
    expected = deform_conv2d(wide, offset.float(), weight.float(), mask=mask.float(), padding=1)
    assert out.dtype == dtype
    assert torch.equal(out, expected.to(dtype))  # one rounding, at the end
    out.float().sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(image.grad, wide.grad.to(dtype), rtol=1e-2, atol=1e-2)


def test_no_images_and_offsets_that_are_not_numbers() -> None:
    weight = torch.ones(2, 3, 3, 3, requires_grad=True)
    image = torch.ones(0, 3, 5, 5, requires_grad=True)
    out = deform_conv2d(image, torch.zeros(0, 18, 5, 5), weight, padding=1)
    assert out.shape == (0, 2, 5, 5)
    out.sum().backward()
    assert torch.equal(weight.grad, torch.zeros_like(weight))
    offset = torch.full((1, 2, 2, 2), math.nan)
    assert deform_conv2d(torch.ones(1, 1, 2, 2), offset, torch.ones(1, 1, 1, 1)).eq(0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offset": torch.zeros(1, 17, 5, 5)}, r"`offset` of shape \(1, 18, 5, 5\), got \(1, 17, 5, 5\)"),
        ({"mask": torch.zeros(1, 9, 4, 5)}, r"`mask` of shape \(1, 9, 5, 5\), got \(1, 9, 4, 5\)"),
        ({"weight": torch.zeros(2, 2, 3, 3)}, r"`weight` to have 4 channels a group, got 2"),
        ({"groups": 3}, r"`groups` to divide .*, got 3 and 1 for 4 and 2 channels"),
        ({"deform_groups": 3}, r"`deform_groups` those of the input, got 1 and 3"),
        ({"input": torch.zeros(4, 5, 5)}, r"`input` of shape \(N, C, H, W\).*got \(4, 5, 5\)"),
        ({"dilation": 4}, r"no smaller than the kernel, got \(5, 5\)"),
    ],
    ids=["offset", "mask", "weight", "groups", "deform_groups", "input", "size"],
)
def test_wrong_shapes(change: dict[str, Any], message: str) -> None:
    arguments = {
        "input": torch.zeros(1, 4, 5, 5),
        "offset": torch.zeros(1, 18, 5, 5),
        "weight": torch.zeros(2, 4, 3, 3),
        "padding": 1,
    }
    with pytest.raises(ValueError, match=message):
        deform_conv2d(**(arguments | change))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("modulated", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("with_torchvision", [True, False])
def test_gpu_matches_cpu(modulated: bool, with_torchvision: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_torchvision:
        monkeypatch.setattr("panoptic_core.ops._torchvision.torchvision_ops", lambda: None)
    tensors = _inputs(6, 4, 2, 2)
    results = []
    for device in ("cpu", "cuda"):
        image, offset, weight, bias, mask = (tensor.to(device).requires_grad_() for tensor in tensors)
        leaves = (image, offset, weight, bias, *([mask] if modulated else []))
        out = deform_conv2d(
            image,
            offset,
            weight,
            bias,
            mask=mask if modulated else None,
            padding=1,
            groups=2,
            deform_groups=2,
        )
        grads = torch.autograd.grad(out.square().sum(), leaves)
        results.append([value.detach().cpu() for value in (out, *grads)])
    torch.testing.assert_close(results[0], results[1])


def test_autocast_does_not_narrow_the_sums() -> None:
    image, offset, weight, bias, mask = (x.float().requires_grad_() for x in _inputs(7))
    leaves = (image, offset, weight, bias, mask)
    results = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = deform_conv2d(image, offset, weight, bias, mask=mask, padding=1)
            results.append((out, *torch.autograd.grad(out.square().sum(), leaves)))
    torch.testing.assert_close(results[0], results[1])
