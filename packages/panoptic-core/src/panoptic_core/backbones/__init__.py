"""Backbones that MMDetection does not have, or not as the papers use them (extra ``[mm]``).

All take images ``(N, 3, H, W)`` of any size and return a tuple of feature maps, finest first; the attributes
`out_channels` and `out_strides` say what each map is. ``type="panoptic_core.Xception"`` finds them in a
config.
"""

from panoptic_core.backbones import _operators  # noqa: F401 - before anything of mmdet
from panoptic_core.backbones.converters import convert_hrnet, convert_mobilenet_v3, convert_xception
from panoptic_core.backbones.hrnet import DeepLabHRNet
from panoptic_core.backbones.mobilenet_v3 import MobileNetV3Large
from panoptic_core.backbones.resnet import DeepLabResNet
from panoptic_core.backbones.xception import Xception

__all__ = [
    "DeepLabHRNet",
    "DeepLabResNet",
    "MobileNetV3Large",
    "Xception",
    "convert_hrnet",
    "convert_mobilenet_v3",
    "convert_xception",
]
