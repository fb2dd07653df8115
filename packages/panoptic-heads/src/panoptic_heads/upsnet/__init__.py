"""UPSNet (Xiong et al., "UPSNet: A Unified Panoptic Segmentation Network", arXiv:1901.03784)."""

from panoptic_heads.upsnet.detector import UPSNet
from panoptic_heads.upsnet.neck import GlobalContextFPN
from panoptic_heads.upsnet.panoptic_loss import (
    draw_visible,
    panoptic_cross_entropy,
    panoptic_target,
)
from panoptic_heads.upsnet.roi_loss import crop_labels, roi_semantic_loss

__all__ = [
    "GlobalContextFPN",
    "UPSNet",
    "crop_labels",
    "draw_visible",
    "panoptic_cross_entropy",
    "panoptic_target",
    "roi_semantic_loss",
]
