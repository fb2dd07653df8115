"""What ``mmcv._ext`` offers, on the operators of this package: the signatures of mmcv 2.x's compiled module.

mmcv allocates the results and passes them to be filled; scalars come by keyword. Functions which mmcv asks
for by name but which are not here appear as callables that raise, so that all of mmcv and mmdet imports.
"""

from typing import Any, NoReturn

from torch import Tensor

from panoptic_core.ops._roi_bags import RoIGeometry
from panoptic_core.ops.nms import nms
from panoptic_core.ops.roi_align import roi_align_backward as _roi_align_backward
from panoptic_core.ops.roi_align import roi_align_forward as _roi_align_forward

__all__ = [
    "get_compiler_version",
    "get_compiling_cuda_version",
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
    output.copy_(_roi_align_forward(input, rois, geometry))


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
    """Add the gradient to ``grad_input`` ``(N, C, H, W)``, which mmcv passes as zeros."""
    _refuse_max(pool_mode)
    geometry = RoIGeometry((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    grad_input += _roi_align_backward(grad_output, rois, tuple(grad_input.shape), geometry)


def _refuse_max(pool_mode: int) -> None:
    if pool_mode != 1:
        msg = (
            "Expected RoIAlign's `pool_mode` to be 'avg', got 'max': panoptic_core.ops has the mean only. "
            "Set `pool_mode='avg'`, or install a compiled mmcv (docs/ops.md, 'With a compiled mmcv')."
        )
        raise ValueError(msg)
