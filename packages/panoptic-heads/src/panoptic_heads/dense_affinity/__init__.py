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

__all__ = [
    "NO_TRUTH",
    "LovaszHingeMaskLoss",
    "LovaszSoftmax",
    "Matching",
    "SegmentMatching",
    "lovasz_hinge",
    "lovasz_softmax",
    "lovasz_weights",
    "match_detections",
    "match_segments",
]
