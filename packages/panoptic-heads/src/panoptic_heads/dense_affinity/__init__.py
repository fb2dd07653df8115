"""The dense-affinity network (Li et al., "Unifying Training and Inference for Panoptic Segmentation")."""

from panoptic_heads.dense_affinity.affinity_head import (
    AffinityFeatures,
    AffinityHead,
    affinity_at,
    valid_cells,
)
from panoptic_heads.dense_affinity.detector import DenseAffinity
from panoptic_heads.dense_affinity.fusion import AffinityFusion, affinity_maps
from panoptic_heads.dense_affinity.lovasz import (
    LovaszHingeMaskLoss,
    LovaszSoftmax,
    lovasz_hinge,
    lovasz_softmax,
    lovasz_weights,
)
from panoptic_heads.dense_affinity.matching import (
    NO_TRUTH,
    Matching,
    SegmentMatching,
    match_detections,
    match_segments,
)
from panoptic_heads.dense_affinity.panoptic_loss import PanopticMatchingLoss, matched_target
from panoptic_heads.dense_affinity.potential import Detections, DynamicPotential
from panoptic_heads.dense_affinity.se_block import SqueezeExcitationFPN

__all__ = [
    "NO_TRUTH",
    "AffinityFeatures",
    "AffinityFusion",
    "AffinityHead",
    "DenseAffinity",
    "Detections",
    "DynamicPotential",
    "LovaszHingeMaskLoss",
    "LovaszSoftmax",
    "Matching",
    "PanopticMatchingLoss",
    "SegmentMatching",
    "SqueezeExcitationFPN",
    "affinity_at",
    "affinity_maps",
    "lovasz_hinge",
    "lovasz_softmax",
    "lovasz_weights",
    "match_detections",
    "match_segments",
    "matched_target",
    "valid_cells",
]
