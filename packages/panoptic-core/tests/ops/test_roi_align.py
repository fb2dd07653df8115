"""RoIAlign: by hand, against the literal loop, gradients, degenerate boxes, types."""

import math

import pytest
import torch
from torch import Tensor

from panoptic_core.ops import roi_align


def _reference(
    features: Tensor, rois: Tensor, bins: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Tensor:
    """The definition, one number at a time."""
    _, channels, height, width = features.shape
    out = features.new_zeros(len(rois), channels, *bins)
    for k, (image, *box) in enumerate(rois.tolist()):
        shift = 0.5 if aligned else 0.0
        x1, y1, x2, y2 = (value * scale - shift for value in box)
        box_width, box_height = x2 - x1, y2 - y1
        if not aligned:
            box_width, box_height = max(box_width, 1.0), max(box_height, 1.0)
        bin_h, bin_w = box_height / bins[0], box_width / bins[1]
        rows, columns = (ratio, ratio) if ratio > 0 else (math.ceil(bin_h), math.ceil(bin_w))
        for p in range(bins[0]):
            for q in range(bins[1]):
                total = features.new_zeros(channels)
                for i in range(rows):
                    for j in range(columns):
                        y = y1 + p * bin_h + (i + 0.5) * bin_h / rows
                        x = x1 + q * bin_w + (j + 0.5) * bin_w / columns
                        total += _bilinear(features[int(image)], y, x, height, width)
                out[k, :, p, q] = total / max(rows * columns, 1)
    return out


def _bilinear(image: Tensor, y: float, x: float, height: int, width: int) -> Tensor:
    if not (-1 <= y <= height and -1 <= x <= width):
        return image.new_zeros(image.shape[0])
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    return (
        image[:, top, left] * (1 - dy) * (1 - dx)
        + image[:, top, right] * (1 - dy) * dx
        + image[:, bottom, left] * dy * (1 - dx)
        + image[:, bottom, right] * dy * dx
    )


def _random_rois(generator: torch.Generator, count: int, images: int, extent: float) -> Tensor:
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * extent * 1.4 - 0.2 * extent
    size = torch.rand(count, 2, generator=generator, dtype=torch.float64) ** 2 * extent
    index = torch.randint(0, images, (count, 1), generator=generator)
    return torch.cat([index, corner, corner + size], 1)


def test_one_bin_by_hand() -> None:
    # 3x3 map with value 3y + x. The box (0.5, 0.5)-(2.5, 2.5), shifted by half a pixel, is (0, 0)-(2, 2);
    # one bin, bin size 2, so 2x2 points at 0.5 and 1.5: their mean is the map's value at (1, 1) = 4.
    ramp = torch.arange(9.0).reshape(1, 1, 3, 3)
    box = torch.tensor([[0, 0.5, 0.5, 2.5, 2.5]])
    assert roi_align(ramp, box, 1).item() == pytest.approx(4.0)
    # Not aligned: the box is (0.5, 0.5)-(2.5, 2.5), the points lie at 1 and 2: the mean at (1.5, 1.5) is 6.
    assert roi_align(ramp, box, 1, aligned=False).item() == pytest.approx(6.0)


def test_points_outside_by_hand() -> None:
    # A map of ones, 2x2. The aligned box (-1.5, 0)-(2.5, 2) becomes (-2, -0.5)-(2, 1.5): 4 points along x at
    # -1.5, -0.5, 0.5, 1.5. Only the first is more than one pixel outside, so 3 of 4 points count.
    box = torch.tensor([[0, -1.5, 0.0, 2.5, 2.0]])
    assert roi_align(torch.ones(1, 1, 2, 2), box, 1).item() == pytest.approx(0.75)


@pytest.mark.parity
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "legacy"])
@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("size", "bins", "scale"),
    [((12, 17), (7, 7), 0.25), ((9, 8), (3, 2), 1.0), ((1, 6), (2, 2), 0.5), ((1, 1), (1, 3), 0.5)],
    ids=["wide", "uneven", "row", "pixel"],
)
def test_matches_literal_loop(
    size: tuple[int, int], bins: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    rois = _random_rois(generator, 24, 2, max(size) / scale)
    rois = torch.cat(
        [rois, torch.tensor([[1, -4 * max(size), -3, 4 * max(size) / scale, 2 * max(size) / scale]])]
    )
    out = roi_align(features, rois, bins, scale, ratio, aligned)
    torch.testing.assert_close(out, _reference(features, rois, bins, scale, ratio, aligned))


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "legacy"])
def test_gradcheck(ratio: int, aligned: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 2, 6, 5, generator=generator, dtype=torch.float64).requires_grad_()
    rois = _random_rois(generator, 5, 2, 20.0)
    assert torch.autograd.gradcheck(lambda f: roi_align(f, rois, (2, 3), 0.25, ratio, aligned), features)


@pytest.mark.parity
def test_many_boxes_of_many_sizes_share_no_table() -> None:
    # Enough channels and spread of sizes that boxes are grouped, and one box of a million pixels.
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(1, 64, 30, 40, generator=generator, dtype=torch.float64).requires_grad_()
    small = _random_rois(generator, 300, 1, 12.0)
    rois = torch.cat([small, _random_rois(generator, 12, 1, 60.0), torch.tensor([[0, -5e5, -5e5, 5e5, 5e5]])])
    pick = torch.cat([torch.arange(4), torch.arange(300, 306)])
    out = roi_align(features, rois, 7)
    torch.testing.assert_close(out[pick], _reference(features, rois[pick], (7, 7), 1.0, 0, True))
    assert out[-1, :, [0, 6]].abs().sum() == 0  # all but the middle bins lie outside
    weights = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (grad,) = torch.autograd.grad((out * weights).sum(), features)
    alone = torch.zeros_like(grad)
    for k in range(len(rois)):
        part = (roi_align(features, rois[k : k + 1], 7) * weights[k : k + 1]).sum()
        alone += torch.autograd.grad(part, features)[0]
    torch.testing.assert_close(grad, alone)


def test_million_pixel_box_by_hand() -> None:
    # One bin of 10^6 pixels: points are one pixel apart, at n + 0.5 - 500000.5, that is at whole numbers. Of
    # a 4x4 map of ones those at -1..4 count along each axis: 6 * 6 / 10^12.
    box = torch.tensor([[0, -5e5, -5e5, 5e5, 5e5]], dtype=torch.float64)
    out = roi_align(torch.ones(1, 1, 4, 4, dtype=torch.float64), box, 1)
    assert out.item() == pytest.approx(36e-12)


def test_no_boxes_no_images_no_channels() -> None:
    assert roi_align(torch.ones(1, 3, 4, 4), torch.zeros(0, 5), 7).shape == (0, 3, 7, 7)
    assert roi_align(torch.ones(0, 3, 4, 4), torch.zeros(0, 5), 7).shape == (0, 3, 7, 7)
    assert roi_align(torch.ones(1, 0, 4, 4), torch.zeros(2, 5), 7).shape == (2, 0, 7, 7)
    features = torch.ones(1, 3, 4, 4, requires_grad=True)
    roi_align(features, torch.zeros(0, 5), 7).sum().backward()
    assert torch.equal(features.grad, torch.zeros(1, 3, 4, 4))


def test_boxes_of_no_extent_outside_or_not_finite_give_zeros() -> None:
    boxes = [
        [0, 2, 2, 2, 2],
        [0, 3, 3, 1, 1],
        [0, 90, 90, 99, 99],
        [0, math.nan, 0, 1, 1],
        [0, 0, 0, math.inf, 2],
    ]
    out = roi_align(torch.ones(1, 2, 4, 4), torch.tensor(boxes), 2)
    assert torch.equal(out, torch.zeros(5, 2, 2, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_types_are_summed_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(1, 4, 9, 9, generator=generator).to(dtype).requires_grad_()
    rois = _random_rois(generator, 6, 1, 9.0).float()
    out = roi_align(features, rois, 3)
    wide = features.detach().float().requires_grad_()
    expected = roi_align(wide, rois, 3)
    assert out.dtype == dtype
    assert torch.equal(out, expected.to(dtype))  # one rounding, at the end
    out.float().sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(features.grad.float(), wide.grad, rtol=1e-2, atol=1e-3)


def test_channels_last_input_gives_the_same() -> None:
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(2, 8, 9, 7, generator=generator)
    rois = _random_rois(generator, 6, 2, 9.0).float()
    expected = roi_align(features, rois, 3)
    assert torch.equal(roi_align(features.to(memory_format=torch.channels_last), rois, 3), expected)


@pytest.mark.parametrize(
    ("features", "rois", "size", "message"),
    [
        (torch.ones(3, 4, 4), torch.ones(1, 5), 7, r"`input` of shape \(N, C, H, W\), got \(3, 4, 4\)"),
        (torch.ones(1, 3, 4, 4), torch.ones(1, 4), 7, r"`rois` of shape \(K, 5\).*got \(1, 4\)"),
        (torch.ones(1, 3, 4, 4), torch.ones(1, 5), (2, 0), r"`output_size` to be positive, got \(2, 0\)"),
    ],
    ids=["input", "rois", "bins"],
)
def test_wrong_shapes(features: Tensor, rois: Tensor, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roi_align(features, rois, size)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("with_torchvision", [True, False])
def test_gpu_matches_cpu(ratio: int, with_torchvision: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not with_torchvision:
        monkeypatch.setattr("panoptic_core.ops._torchvision.torchvision_ops", lambda: None)
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(2, 16, 20, 30, generator=generator)
    rois = _random_rois(generator, 50, 2, 30.0).float()
    results = []
    for device in ("cpu", "cuda"):
        leaf = features.to(device, copy=True).requires_grad_()
        out = roi_align(leaf, rois.to(device), 7, 1.0, ratio)
        out.square().sum().backward()
        results.append((out.detach().cpu(), leaf.grad.cpu()))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-4)
