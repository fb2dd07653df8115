"""Panoptic-DeepLab: class scores, centers of instances, and offsets to them (arXiv:1911.10194)."""

from panoptic_heads.panoptic_deeplab.aspp import ASPP
from panoptic_heads.panoptic_deeplab.decoder import Decoder
from panoptic_heads.panoptic_deeplab.detector import PanopticDeepLab
from panoptic_heads.panoptic_deeplab.fusion import CentersFusion
from panoptic_heads.panoptic_deeplab.heads import BranchSettings, PanopticDeepLabHead
from panoptic_heads.panoptic_deeplab.losses import (
    CenterHeatmapLoss,
    OffsetL1Loss,
    WeightedBootstrappedCrossEntropy,
)
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs

__all__ = [
    "ASPP",
    "BranchSettings",
    "CenterHeatmapLoss",
    "CentersFusion",
    "Decoder",
    "DeepLabOutputs",
    "OffsetL1Loss",
    "PanopticDeepLab",
    "PanopticDeepLabHead",
    "WeightedBootstrappedCrossEntropy",
]
