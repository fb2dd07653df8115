"""UPSNet's panoptic logits: dense for training, lean for inference, and the fusion around them."""

from panoptic_fusion.panoptic_logits.dense import dense_panoptic_logits
from panoptic_fusion.panoptic_logits.fusion import fuse_by_panoptic_logits
from panoptic_fusion.panoptic_logits.lean import argmax_panoptic_logits
from panoptic_fusion.panoptic_logits.selection import prune_masks, resolve_classes

__all__ = [
    "argmax_panoptic_logits",
    "dense_panoptic_logits",
    "fuse_by_panoptic_logits",
    "prune_masks",
    "resolve_classes",
]
