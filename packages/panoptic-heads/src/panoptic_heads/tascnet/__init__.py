"""TASCNet (Li et al., "Learning to Fuse Things and Stuff", arXiv:1812.01192)."""

from panoptic_heads.tascnet.consistency import flatten_batch, semantic_thing_map, tasc_loss, valid_pixels
from panoptic_heads.tascnet.detector import TASCNet
from panoptic_heads.tascnet.pictures import ResidualPicturesHook
from panoptic_heads.tascnet.residual import ThingsStuffResidual, detection_residual, residual_picture
from panoptic_heads.tascnet.roi_flatten import roi_flatten

__all__ = [
    "ResidualPicturesHook",
    "TASCNet",
    "ThingsStuffResidual",
    "detection_residual",
    "flatten_batch",
    "residual_picture",
    "roi_flatten",
    "semantic_thing_map",
    "tasc_loss",
    "valid_pixels",
]
