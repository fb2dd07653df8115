"""Transforms of panoptic samples: load once, let the stock transforms act on one map, make masks last."""

from panoptic_data.transforms.centers import MakeCenterTargets
from panoptic_data.transforms.geometry import PadPanoptic, RandomScaledCrop
from panoptic_data.transforms.load import LoadPanoptic, decode_instances
from panoptic_data.transforms.pack import PackPanopticInputs
from panoptic_data.transforms.reduced import LoadReducedImage, ResizeToTarget
from panoptic_data.transforms.tables import InstanceTable, SegmentTable
from panoptic_data.transforms.window_masks import WindowMasks

__all__ = [
    "InstanceTable",
    "LoadPanoptic",
    "LoadReducedImage",
    "MakeCenterTargets",
    "PackPanopticInputs",
    "PadPanoptic",
    "RandomScaledCrop",
    "ResizeToTarget",
    "SegmentTable",
    "WindowMasks",
    "decode_instances",
]
