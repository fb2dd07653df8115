"""The three outside encodings of a panoptic map, one named converter each way.

- COCO: a pixel holds RGB, ``R + 256 G + 65536 B`` is the id; facts are in a list; void is black; a crowd has
  ``iscrowd: 1``.
- MMDetection: ``label + 1000 * instance``, instances from 1, stuff 0; void is ``num_classes``; a crowd is
  instance 0 of a thing.
- DeepLab: ``label * divisor + instance``, else as MMDetection; void is ``ignore_index * divisor``.

The last two keep neither ids nor scores, and several crowd regions of a class become one.
"""

from panoptic_fusion.encodings.arithmetic import (
    MMDET_INSTANCE_OFFSET,
    deeplab_to_segmentation,
    mmdet_to_segmentation,
    segmentation_to_deeplab,
    segmentation_to_mmdet,
)
from panoptic_fusion.encodings.coco import coco_to_segmentation, segmentation_to_coco

__all__ = [
    "MMDET_INSTANCE_OFFSET",
    "coco_to_segmentation",
    "deeplab_to_segmentation",
    "mmdet_to_segmentation",
    "segmentation_to_coco",
    "segmentation_to_deeplab",
    "segmentation_to_mmdet",
]
