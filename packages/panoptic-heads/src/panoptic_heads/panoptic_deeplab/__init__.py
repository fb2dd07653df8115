"""Panoptic-DeepLab: panoptic segmentation from instance centers, bottom-up (arXiv:1911.10194)."""

from panoptic_heads.panoptic_deeplab.losses import (
    CenterHeatmapLoss,
    OffsetL1Loss,
    WeightedBootstrappedCrossEntropy,
)

__all__ = ["CenterHeatmapLoss", "OffsetL1Loss", "WeightedBootstrappedCrossEntropy"]
