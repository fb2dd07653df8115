"""The adapter fills what mmcv passes, from mmcv's arguments, with the values of the public functions."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_core.ops import _ext, deform_conv2d, roi_align

_PLAIN = {
    "kW": 2, "kH": 3, "dW": 1, "dH": 2, "padW": 0, "padH": 1, "dilationW": 2, "dilationH": 1, "group": 2,
    "deformable_group": 1, "im2col_step": 2,
}  # fmt: skip
_MODULATED = {
    "kernel_h": 3, "kernel_w": 2, "stride_h": 2, "stride_w": 1, "pad_h": 1, "pad_w": 0, "dilation_h": 1,
    "dilation_w": 2, "group": 2, "deformable_group": 1,
}  # fmt: skip
_NUMBERS: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}


def _conv_inputs() -> dict[str, Tensor]:
    """A 6x7 input: (6 + 2 - 3) // 2 + 1 = 3 rows and 7 - 2 * 1 = 5 columns come out."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "input": (2, 4, 6, 7),
        "offset": (2, 12, 3, 5),
        "mask": (2, 6, 3, 5),
        "weight": (6, 2, 3, 2),
        "bias": (6,),
        "grad": (2, 6, 3, 5),
    }
    return {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}


def _expected(x: dict[str, Tensor], *names: str) -> tuple[Tensor, dict[str, Tensor]]:
    leaves = {name: x[name].clone().requires_grad_() for name in names}
    out = deform_conv2d(**leaves, **_NUMBERS)
    return out.detach(), dict(
        zip(names, torch.autograd.grad(out, list(leaves.values()), x["grad"]), strict=True)
    )


def test_roi_align() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 3, 8, 9, generator=generator)
    rois = torch.tensor([[0, 1.0, 2, 12, 9], [1, 0, 0, 16, 16]])
    scalars = {"aligned_height": 2, "aligned_width": 3, "spatial_scale": 0.5, "sampling_ratio": 2}
    output, grad_input = torch.full((2, 3, 2, 3), 7.0), torch.full((2, 3, 8, 9), 7.0)
    grad, empty = torch.randn(2, 3, 2, 3, generator=generator), torch.zeros(0)
    _ext.roi_align_forward(features, rois, output, empty, empty, pool_mode=1, aligned=False, **scalars)
    _ext.roi_align_backward(grad, rois, empty, empty, grad_input, pool_mode=1, aligned=False, **scalars)
    leaf = features.requires_grad_()
    expected = roi_align(leaf, rois, (2, 3), 0.5, 2, aligned=False)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(grad_input, torch.autograd.grad(expected, leaf, grad)[0])


@pytest.mark.parametrize("name", ["roi_align_forward", "roi_align_backward"])
def test_max_pooling_is_refused(name: str) -> None:
    x, rois, empty = torch.ones(1, 1, 4, 4), torch.ones(1, 5), torch.zeros(0)
    tensors = (x, rois, x, empty, empty) if name.endswith("forward") else (x, rois, empty, empty, x)
    with pytest.raises(ValueError, match=r"`pool_mode` to be 'avg', got 'max'.*Set `pool_mode='avg'`"):
        getattr(_ext, name)(*tensors, 4, 4, 1.0, 0, 0, True)


def test_deform_conv() -> None:
    x = _conv_inputs()
    out, grads = _expected(x, "input", "offset", "weight")
    buffers = torch.zeros(0), torch.zeros(0)
    output, grad_input, grad_offset = (torch.full_like(x[name], 7.0) for name in ("grad", "input", "offset"))
    grad_weight = torch.ones_like(x["weight"])
    _ext.deform_conv_forward(x["input"], x["weight"], x["offset"], output, *buffers, **_PLAIN)
    _ext.deform_conv_backward_input(
        x["input"], x["offset"], x["grad"], grad_input, grad_offset, x["weight"], buffers[0], **_PLAIN
    )
    _ext.deform_conv_backward_parameters(
        x["input"], x["offset"], x["grad"], grad_weight, *buffers, scale=2.0, **_PLAIN
    )
    torch.testing.assert_close(output, out)
    torch.testing.assert_close(grad_input, grads["input"])
    torch.testing.assert_close(grad_offset, grads["offset"])
    torch.testing.assert_close(grad_weight, 1 + 2 * grads["weight"])  # this one accumulates


@pytest.mark.parametrize("with_bias", [False, True])
def test_modulated_deform_conv(with_bias: bool) -> None:
    x = _conv_inputs()
    names = ["input", "offset", "mask", "weight"] + ["bias"] * with_bias
    out, expected = _expected(x, *names)
    bias = x["bias"] if with_bias else torch.zeros(0)
    grads = {name: torch.zeros_like(x[name]) for name in names}
    grad_bias = grads.get("bias", torch.zeros(0))
    buffers = torch.zeros(0), torch.zeros(0)
    output = torch.full_like(x["grad"], 7.0)
    _ext.modulated_deform_conv_forward(
        x["input"], x["weight"], bias, buffers[0], x["offset"], x["mask"], output, buffers[1],
        with_bias=with_bias, **_MODULATED,
    )  # fmt: skip
    _ext.modulated_deform_conv_backward(
        x["input"], x["weight"], bias, buffers[0], x["offset"], x["mask"], buffers[1], grads["input"],
        grads["weight"], grad_bias, grads["offset"], grads["mask"], x["grad"],
        with_bias=with_bias, **_MODULATED,
    )  # fmt: skip
    torch.testing.assert_close(output, out)
    torch.testing.assert_close(grads, expected)


def test_a_missing_operator_names_itself_and_the_cure() -> None:
    missing = _ext.carafe_forward
    assert callable(missing)
    assert "carafe_forward" in repr(missing)
    message = (
        r"operator of panoptic_core.ops \(.*nms.*\), but `mmcv._ext.carafe_forward` was called.*compiled mmcv"
    )
    with pytest.raises(RuntimeError, match=message):
        missing(torch.zeros(1), kernel_size=5)


def test_names_of_python_are_not_operators() -> None:
    for name in ("__path__", "__wrapped__", "__test__"):
        with pytest.raises(AttributeError, match=name):
            getattr(_ext, name)
