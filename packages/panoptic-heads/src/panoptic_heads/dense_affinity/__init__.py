"""The dense-affinity network (Li et al., "Unifying Training and Inference for Panoptic Segmentation")."""

from panoptic_heads.dense_affinity.lovasz import (
    LovaszHingeMaskLoss,
    LovaszSoftmax,
    lovasz_hinge,
    lovasz_softmax,
    lovasz_weights,
)

__all__ = [
    "LovaszHingeMaskLoss",
    "LovaszSoftmax",
    "lovasz_hinge",
    "lovasz_softmax",
    "lovasz_weights",
]
