"""What ``mmcv._ext`` offers, on the operators of this package: the signatures of mmcv 2.x's compiled module.

mmcv allocates the results and passes them to be filled; scalars come by keyword. Functions which mmcv asks
for by name but which are not here appear as callables that raise, so that all of mmcv and mmdet imports.
"""

from typing import Any, NoReturn

from torch import Tensor

from panoptic_core.ops._conv_columns import deform_conv_backward as _conv_backward
from panoptic_core.ops._conv_columns import deform_conv_forward as _conv_forward
from panoptic_core.ops._conv_taps import ConvGeometry
from panoptic_core.ops._roi_bags import RoIGeometry
from panoptic_core.ops.nms import nms
from panoptic_core.ops.roi_align import roi_align_backward as _roi_align_backward
from panoptic_core.ops.roi_align import roi_align_forward as _roi_align_forward

__all__ = [
    "deform_conv_backward_input",
    "deform_conv_backward_parameters",
    "deform_conv_forward",
    "get_compiler_version",
    "get_compiling_cuda_version",
    "modulated_deform_conv_backward",
    "modulated_deform_conv_forward",
    "nms",
    "roi_align_backward",
    "roi_align_forward",
]


def __getattr__(name: str) -> Any:
    """Answer for every operator that is not here; Python's own names are not operators."""
    if name.startswith("__"):
        msg = f"module 'mmcv._ext' (panoptic_core.ops) has no attribute {name!r}"
        raise AttributeError(msg)
    return _Missing(name)


class _Missing:
    """Stands where an operator would be; raises when it is used."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __repr__(self) -> str:
        return f"<operator {self.__name__!r} of mmcv._ext: not in panoptic_core.ops>"

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        msg = (
            f"Expected an operator of panoptic_core.ops ({', '.join(__all__[2:])}), but "
            f"`mmcv._ext.{self.__name__}` was called: this installation has no compiled mmcv, and only what "
            "two-stage detectors need is provided in its place. Use a layer or loss that does not need this "
            "operator, or install a compiled mmcv (docs/ops.md, 'With a compiled mmcv')."
        )
        raise RuntimeError(msg)


def get_compiler_version() -> str:
    """Return what mmcv's environment report prints as its compiler."""
    return "none (panoptic_core.ops)"


def get_compiling_cuda_version() -> str:
    """Return what mmcv's environment report prints as its CUDA toolkit."""
    return "none (panoptic_core.ops)"


def roi_align_forward(
    input: Tensor,  # noqa: A002
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` ``(K, C, aligned_height, aligned_width)``; ``pool_mode`` 1 is the mean."""
    _refuse_max(pool_mode)
    geometry = RoIGeometry((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    _roi_align_forward(input, rois, geometry, output)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` ``(N, C, H, W)``."""
    _refuse_max(pool_mode)
    geometry = RoIGeometry((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    grad_input.copy_(_roi_align_backward(grad_output, rois, tuple(grad_input.shape), geometry))


def deform_conv_forward(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **scalars: int,
) -> None:
    """Fill ``output`` ``(N, O, H', W')``; the buffers ``columns`` and ``ones`` are not used."""
    output.copy_(_conv_forward(input, offset, None, weight, _plain_geometry(scalars)))


def deform_conv_backward_input(
    input: Tensor,  # noqa: A002
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **scalars: int,
) -> None:
    """Fill ``grad_input`` and ``grad_offset``."""
    geometry = _plain_geometry(scalars)
    grads = _conv_backward(grad_output, input, offset, None, weight, geometry, weights=False)
    _fill((grad_input, grad_offset), grads[:2])


def deform_conv_backward_parameters(
    input: Tensor,  # noqa: A002
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    *,
    scale: float = 1.0,
    **scalars: int,
) -> None:
    """Add ``scale`` times the gradient to ``grad_weight``."""
    geometry = _plain_geometry(scalars)
    grad = _conv_backward(grad_output, input, offset, None, grad_weight, geometry, inputs=False)[3]
    assert grad is not None
    grad_weight.add_(grad, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    *,
    with_bias: bool,
    **scalars: int,
) -> None:
    """Fill ``output`` ``(N, O, H', W')``."""
    output.copy_(_conv_forward(input, offset, mask, weight, _modulated_geometry(scalars)))
    if with_bias:
        output += bias[:, None, None]


def modulated_deform_conv_backward(
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    *,
    with_bias: bool,
    **scalars: int,
) -> None:
    """Fill the five gradients."""
    geometry = _modulated_geometry(scalars)
    grads = _conv_backward(grad_output, input, offset, mask, weight, geometry)
    _fill((grad_input, grad_offset, grad_mask, grad_weight), grads)
    if with_bias:
        grad_bias.copy_(grad_output.sum((0, 2, 3)))


def _plain_geometry(scalars: dict[str, int]) -> ConvGeometry:
    """Read the keywords of the plain form; ``im2col_step`` only says how mmcv cuts the batch."""
    return ConvGeometry(
        kernel=(scalars["kH"], scalars["kW"]),
        stride=(scalars["dH"], scalars["dW"]),
        padding=(scalars["padH"], scalars["padW"]),
        dilation=(scalars["dilationH"], scalars["dilationW"]),
        groups=scalars["group"],
        deform_groups=scalars["deformable_group"],
    )


def _modulated_geometry(scalars: dict[str, int]) -> ConvGeometry:
    return ConvGeometry(
        kernel=(scalars["kernel_h"], scalars["kernel_w"]),
        stride=(scalars["stride_h"], scalars["stride_w"]),
        padding=(scalars["pad_h"], scalars["pad_w"]),
        dilation=(scalars["dilation_h"], scalars["dilation_w"]),
        groups=scalars["group"],
        deform_groups=scalars["deformable_group"],
    )


def _fill(targets: tuple[Tensor, ...], values: tuple[Tensor | None, ...]) -> None:
    for target, value in zip(targets, values, strict=True):
        assert value is not None
        target.copy_(value)


def _refuse_max(pool_mode: int) -> None:
    if pool_mode != 1:
        msg = (
            "Expected RoIAlign's `pool_mode` to be 'avg', got 'max': panoptic_core.ops has the mean only. "
            "Set `pool_mode='avg'`, or install a compiled mmcv (docs/ops.md, 'With a compiled mmcv')."
        )
        raise ValueError(msg)
