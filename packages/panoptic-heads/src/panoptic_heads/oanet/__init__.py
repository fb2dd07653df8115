"""OANet (Liu et al., "An End-to-End Network for Panoptic Segmentation", arXiv:1903.05027)."""

from panoptic_heads.oanet.class_maps import class_map, conflict_labels
from panoptic_heads.oanet.detector import OANet
from panoptic_heads.oanet.gradient_balance import GradientBalanceHook
from panoptic_heads.oanet.occlusion import OcclusionOrder
from panoptic_heads.oanet.ranking import SpatialRanking
from panoptic_heads.oanet.stuff_branch import StuffBranch

__all__ = [
    "GradientBalanceHook",
    "OANet",
    "OcclusionOrder",
    "SpatialRanking",
    "StuffBranch",
    "class_map",
    "conflict_labels",
]
