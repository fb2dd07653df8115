"""Every way to make a panoptic map: exact, fast, on its own (NumPy and PyTorch only)."""

from panoptic_fusion.affinity import (
    AffinityMaps,
    affinity_of_cell,
    apply_affinity,
    dynamic_potential,
    fuse_by_affinity,
    fuse_by_affinity_maps,
)
from panoptic_fusion.box_masks import BoxMasks
from panoptic_fusion.centers import (
    Centers,
    CenterTargets,
    Votes,
    encode_centers,
    find_centers,
    fuse_by_centers,
    group_pixels,
    instance_scores,
    majority_vote,
    objectness_at_centroids,
)
from panoptic_fusion.colors import colorize, crowd_stripes, default_palette, thing_borders, write_png
from panoptic_fusion.confidence import fuse_by_confidence
from panoptic_fusion.encodings import (
    coco_to_segmentation,
    deeplab_to_segmentation,
    mmdet_to_segmentation,
    segmentation_to_coco,
    segmentation_to_deeplab,
    segmentation_to_mmdet,
)
from panoptic_fusion.mask_guidance import fuse_by_mask_guidance
from panoptic_fusion.merging import (
    average_centers,
    average_semantics,
    flip_raw_outputs,
    merge_raw_outputs,
    resize_raw_outputs,
)
from panoptic_fusion.nms import mask_nms, nms
from panoptic_fusion.panoptic_logits import (
    argmax_panoptic_logits,
    dense_panoptic_logits,
    fuse_by_panoptic_logits,
    prune_masks,
    resolve_classes,
)
from panoptic_fusion.precision import full_precision
from panoptic_fusion.ranking import fuse_by_ranking, ranking_scores
from panoptic_fusion.raw_outputs import RawOutputs
from panoptic_fusion.regions import connected_components, segment_boxes
from panoptic_fusion.segmentation import PanopticSegmentation, Segment
from panoptic_fusion.semantic import label_map_from_logits
from panoptic_fusion.stuff import drop_small_stuff

__all__ = [
    "AffinityMaps",
    "BoxMasks",
    "CenterTargets",
    "Centers",
    "PanopticSegmentation",
    "RawOutputs",
    "Segment",
    "Votes",
    "affinity_of_cell",
    "apply_affinity",
    "argmax_panoptic_logits",
    "average_centers",
    "average_semantics",
    "coco_to_segmentation",
    "colorize",
    "connected_components",
    "crowd_stripes",
    "deeplab_to_segmentation",
    "default_palette",
    "dense_panoptic_logits",
    "drop_small_stuff",
    "dynamic_potential",
    "encode_centers",
    "find_centers",
    "flip_raw_outputs",
    "full_precision",
    "fuse_by_affinity",
    "fuse_by_affinity_maps",
    "fuse_by_centers",
    "fuse_by_confidence",
    "fuse_by_mask_guidance",
    "fuse_by_panoptic_logits",
    "fuse_by_ranking",
    "group_pixels",
    "instance_scores",
    "label_map_from_logits",
    "majority_vote",
    "mask_nms",
    "merge_raw_outputs",
    "mmdet_to_segmentation",
    "nms",
    "objectness_at_centroids",
    "prune_masks",
    "ranking_scores",
    "resize_raw_outputs",
    "resolve_classes",
    "segment_boxes",
    "segmentation_to_coco",
    "segmentation_to_deeplab",
    "segmentation_to_mmdet",
    "thing_borders",
    "write_png",
]
