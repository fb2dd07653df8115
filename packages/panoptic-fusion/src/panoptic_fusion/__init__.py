"""Every way to make a panoptic map: exact, fast, on its own (NumPy and PyTorch only)."""

from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.raw_outputs import RawOutputs
from panoptic_fusion.segmentation import PanopticSegmentation, Segment

__all__ = ["BoxMasks", "PanopticSegmentation", "RawOutputs", "Segment"]
