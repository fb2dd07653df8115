"""Mapillary Vistas for Panoptic-DeepLab (section 4): 2177 pixels at the longest side, crops of 1025."""

from mmdet.datasets.transforms import RandomFlip
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import Vistas
from panoptic_data.transforms import (
    LoadPanoptic,
    LoadReducedImage,
    MakeCenterTargets,
    PackPanopticInputs,
    RandomScaledCrop,
    ResizeToTarget,
)

train_dataloader = dict(
    batch_size=8,  # section 4: 64 crops; 8 GPUs x 8
    num_workers=8,  # a map of 24 megapixels is a quarter of a second
    persistent_workers=True,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        type=Vistas,
        data_root="data/vistas",
        split="training",
        pipeline=[
            # Section 4: 2177 pixels at the longest side, then a random scale, which is not printed: that of
            # the public codes
            dict(type=LoadReducedImage, fit=(2177, 2177), factor_range=(0.5, 2.0)),
            dict(type=LoadPanoptic, use_instance_file=False, at_image_size=True),
            dict(
                type=RandomScaledCrop,
                size=(1025, 1025),
                scale_range=None,  # as LoadReducedImage has drawn it
                pad_value=(103.53, 116.28, 123.675),  # BGR: zero after normalisation, and void
            ),
            dict(type=RandomFlip, prob=0.5),
            # section 3.1: 8 pixels; section 4: 64 x 64, 3
            dict(type=MakeCenterTargets, sigma=8.0, small_area=4096, small_weight=3.0),
            dict(type=PackPanopticInputs, with_instances=False),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=Vistas,
        data_root="data/vistas",
        split="validation",
        test_mode=True,
        pipeline=[
            dict(type=LoadReducedImage, fit=(2177, 2177)),  # table 5
            dict(type=ResizeToTarget),
            dict(type=LoadPanoptic),  # after resizing: the ground truth keeps the annotation's resolution
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
