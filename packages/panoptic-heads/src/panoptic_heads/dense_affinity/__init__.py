"""The dense-affinity network (Li et al., "Unifying Training and Inference for Panoptic Segmentation")."""

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
from panoptic_heads.dense_affinity.panoptic_loss import NO_TARGET, PanopticMatchingLoss, matched_target

__all__ = [
    "NO_TARGET",
    "NO_TRUTH",
    "LovaszHingeMaskLoss",
    "LovaszSoftmax",
    "Matching",
    "PanopticMatchingLoss",
    "SegmentMatching",
    "lovasz_hinge",
    "lovasz_softmax",
    "lovasz_weights",
    "match_detections",
    "match_segments",
    "matched_target",
]
