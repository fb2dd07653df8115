"""What MMDetection's two-stage detectors need of compiled operators, without a compiler.

Non-maximum suppression, RoIAlign and deformable convolution. :func:`install` puts them where mmcv looks for
its compiled module; the functions are usable on their own too. Nothing here imports OpenMMLab.
"""

from panoptic_core.ops._torchvision import torchvision_ops
from panoptic_core.ops.deform_conv import deform_conv2d
from panoptic_core.ops.finder import compiled_extension, install
from panoptic_core.ops.nms import nms
from panoptic_core.ops.roi_align import roi_align

__all__ = ["backend", "deform_conv2d", "install", "nms", "roi_align"]


def backend() -> str:
    """Say in words which operators MMDetection gets in this environment; imports nothing of it.

    Returns:
        The path of the compiled mmcv if there is one, else what :mod:`panoptic_core.ops` runs on.
    """
    if (path := compiled_extension()) is not None:
        return f"compiled mmcv ({path})"
    if torchvision_ops() is not None:
        return "panoptic_core.ops: PyTorch on the CPU, torchvision's kernels on a GPU"
    return "panoptic_core.ops: PyTorch"
