"""Panoptic-DeepLab: class scores, centers of instances, and offsets to them."""

from panoptic_heads.panoptic_deeplab.aspp import ASPP
from panoptic_heads.panoptic_deeplab.decoder import Decoder
from panoptic_heads.panoptic_deeplab.heads import BranchSettings, PanopticDeepLabHead
from panoptic_heads.panoptic_deeplab.hrnet_head import PanopticHRNetHead
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs

__all__ = ["ASPP", "BranchSettings", "Decoder", "DeepLabOutputs", "PanopticDeepLabHead", "PanopticHRNetHead"]
