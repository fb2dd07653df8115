"""Which kernels run on a GPU, and how: torchvision's part is played by our own operators on the CPU."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_core import ops
from panoptic_core.ops._torchvision import gpu_kernels

_CALLS: list[str] = []


def _nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    _CALLS.append("nms")
    assert boxes.dtype == scores.dtype  # torchvision refuses anything else
    return ops.nms(boxes, scores, iou_threshold)


def _roi_align(
    image: Tensor, boxes: Tensor, output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:  # fmt: skip
    _CALLS.append("roi_align")
    assert image.dtype == boxes.dtype
    return ops.roi_align(image, boxes, output_size, spatial_scale, max(sampling_ratio, 0), aligned)


def _deform_conv2d(
    image: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = (1, 1),
    padding: Any = (0, 0), dilation: Any = (1, 1), mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    _CALLS.append("deform_conv2d")
    taps = weight.shape[2] * weight.shape[3]
    return ops.deform_conv2d(
        image, offset, weight, bias, mask=mask, stride=stride, padding=padding, dilation=dilation,
        groups=image.shape[1] // weight.shape[1], deform_groups=offset.shape[1] // (2 * taps),
    )  # fmt: skip


@pytest.fixture
def with_kernels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend that tensors are on a GPU with torchvision; our operators inside of its kernels are told no."""
    kernels = SimpleNamespace(nms=_nms, roi_align=_roi_align, deform_conv2d=_deform_conv2d)
    forward, backward = [kernels, None], [kernels, None, None]  # backward runs forward once more
    answers = iter(forward + backward)
    monkeypatch.setattr("panoptic_core.ops._torchvision.gpu_kernels", lambda tensor: next(answers))
    _CALLS.clear()
    return _CALLS


def test_the_cpu_never_asks_for_torchvision() -> None:
    assert gpu_kernels(torch.zeros(1)) is None


def test_nms_goes_to_torchvision_for_half_open_boxes_only(with_kernels: list[str]) -> None:
    boxes, scores = (
        torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, 12, 12]]),
        torch.tensor([0.1, 0.3, 0.2]),
    )
    assert ops.nms(boxes, scores.double(), 0.5).tolist() == [1, 2]
    assert with_kernels == ["nms"]
    assert ops.nms(boxes, scores, 0.5, offset=1).tolist() == [1, 2]
    assert with_kernels == ["nms"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_roi_align(with_kernels: list[str], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    rois = torch.tensor([[0, 1.0, 2, 12, 9], [1, 0, 0, 16, 16]])
    out = ops.roi_align(features, rois, (2, 3), 0.5)
    direction = torch.randn(out.shape, generator=generator, dtype=torch.float64).to(dtype)
    (grad,) = torch.autograd.grad(out, features, direction)
    assert with_kernels == ["roi_align", "roi_align"]
    monkeypatch.undo()
    expected = ops.roi_align(features, rois, (2, 3), 0.5)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(grad, torch.autograd.grad(expected, features, direction)[0])


@pytest.mark.parametrize("modulated", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_deform_conv(
    with_kernels: list[str], dtype: torch.dtype, modulated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    leaves = {"input": random(2, 4, 6, 7), "offset": random(2, 36, 3, 4), "weight": random(6, 2, 3, 3)}
    leaves |= {"mask": random(2, 18, 3, 4)} if modulated else {}
    leaves = {name: leaf.requires_grad_() for name, leaf in leaves.items()}
    numbers: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2, "deform_groups": 2}
    direction = random(2, 6, 3, 4)
    out = ops.deform_conv2d(**leaves, **numbers)
    grads = torch.autograd.grad(out, list(leaves.values()), direction)
    assert with_kernels == ["deform_conv2d", "deform_conv2d"]
    monkeypatch.undo()
    expected = ops.deform_conv2d(**leaves, **numbers)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(grads, torch.autograd.grad(expected, list(leaves.values()), direction))
