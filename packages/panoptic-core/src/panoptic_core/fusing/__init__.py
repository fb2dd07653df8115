"""Fusion of saved outputs: instances and semantic maps in files become panoptic files, by any method."""

from panoptic_core.fusing.exporting import instance_results, take_apart
from panoptic_core.fusing.folders import FusedFolder, SweepRow, fuse_folders, sweep_folders
from panoptic_core.fusing.images import ImageEntry, ImageList, read_image_list
from panoptic_core.fusing.instances import InstanceResults, read_instance_results
from panoptic_core.fusing.methods import METHODS, FusionMethod, Option, SettingError, find_method
from panoptic_core.fusing.parts import ImageParts
from panoptic_core.fusing.saved import ImageFiles, SavedOutputs
from panoptic_core.fusing.semantic import LabelReader

__all__ = [
    "METHODS",
    "FusedFolder",
    "FusionMethod",
    "ImageEntry",
    "ImageFiles",
    "ImageList",
    "ImageParts",
    "InstanceResults",
    "LabelReader",
    "Option",
    "SavedOutputs",
    "SettingError",
    "SweepRow",
    "find_method",
    "fuse_folders",
    "instance_results",
    "read_image_list",
    "read_instance_results",
    "sweep_folders",
    "take_apart",
]
