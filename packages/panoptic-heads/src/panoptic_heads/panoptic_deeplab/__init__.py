"""Panoptic-DeepLab: class scores, centers of instances, and offsets to them (arXiv:1911.10194)."""

from panoptic_heads.panoptic_deeplab.aspp import ASPP
from panoptic_heads.panoptic_deeplab.decoder import Decoder
from panoptic_heads.panoptic_deeplab.detector import PanopticDeepLab
from panoptic_heads.panoptic_deeplab.fusion import CentersFusion
from panoptic_heads.panoptic_deeplab.heads import BranchSettings, PanopticDeepLabHead
from panoptic_heads.panoptic_deeplab.hrnet_head import PanopticHRNetHead
from panoptic_heads.panoptic_deeplab.losses import (
    CenterHeatmapLoss,
    OffsetL1Loss,
    WeightedBootstrappedCrossEntropy,
)
from panoptic_heads.panoptic_deeplab.pictures import CenterPicturesHook, heatmap_picture, offsets_picture
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs

__all__ = [
    "ASPP",
    "BranchSettings",
    "CenterHeatmapLoss",
    "CenterPicturesHook",
    "CentersFusion",
    "Decoder",
    "DeepLabOutputs",
    "OffsetL1Loss",
    "PanopticDeepLab",
    "PanopticDeepLabHead",
    "PanopticHRNetHead",
    "WeightedBootstrappedCrossEntropy",
    "heatmap_picture",
    "offsets_picture",
]
