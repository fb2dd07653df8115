"""Panoptic-DeepLab's training pipelines, section 4: random scale, crop, flip, then the targets.

Targets are made of what is left of the image, of panoptic annotations on all data sets (appendix D).
"""

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import RandomFlip

from panoptic_data.transforms import (
    LoadPanoptic,
    MakeCenterTargets,
    PackPanopticInputs,
    RandomScaledCrop,
)

MEAN_BGR = (103.53, 116.28, 123.675)  # zero after normalisation, and void

cityscapes_crops = [
    dict(type=LoadImageFromFile),
    dict(type=LoadPanoptic, use_instance_file=False),  # appendix D
    # Section 4: "whole image (i.e., crop size equal to 1025 x 2049)". The scales are not printed: those of
    # the public codes.
    dict(type=RandomScaledCrop, size=(1025, 2049), scale_range=(0.5, 2.0), pad_value=MEAN_BGR),
    dict(type=RandomFlip, prob=0.5),
    # section 3.1: 8 pixels; section 4: 64 x 64, 3
    dict(type=MakeCenterTargets, sigma=8.0, small_area=4096, small_weight=3.0),
    dict(type=PackPanopticInputs, with_instances=False),
]
coco_crops = [
    dict(type=LoadImageFromFile),
    dict(type=LoadPanoptic, use_instance_file=False),  # appendix D
    # Section 4: resized to the crop's size at the longest side, then scaled at random. The leaf sets sizes.
    dict(
        type=RandomScaledCrop,
        size=(641, 641),
        fit=(641, 641),
        scale_range=(0.5, 2.0),
        pad_value=MEAN_BGR,
        padding="after",  # a public code names this as a cause of lower PQ: "random" is the other way
    ),
    dict(type=RandomFlip, prob=0.5),
    dict(type=MakeCenterTargets, sigma=8.0, small_area=4096, small_weight=3.0),
    dict(type=PackPanopticInputs, with_instances=False),
]
