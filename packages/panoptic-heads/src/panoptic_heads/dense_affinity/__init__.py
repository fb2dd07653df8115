"""The dense-affinity network (Li et al., "Unifying Training and Inference for Panoptic Segmentation")."""

from panoptic_heads.dense_affinity.affinity_head import (
    AffinityFeatures,
    AffinityHead,
    affinity_at,
    valid_cells,
)
from panoptic_heads.dense_affinity.fusion import AffinityFusion, AffinityOutputs
from panoptic_heads.dense_affinity.potential import Detections, DynamicPotential
from panoptic_heads.dense_affinity.se_block import SqueezeExcitationFPN

__all__ = [
    "AffinityFeatures",
    "AffinityFusion",
    "AffinityHead",
    "AffinityOutputs",
    "Detections",
    "DynamicPotential",
    "SqueezeExcitationFPN",
    "affinity_at",
    "valid_cells",
]
