# Mapillary Vistas v1.2 as downloaded (https://www.mapillary.com/dataset/vistas): data/vistas/{training,
# validation}/{images,panoptic}/. Photographs have up to 4000 x 6000 pixels and more; JPEGs are decoded no
# larger than the size that is drawn for the network.
# Another size in a leaf config (after a change of val_dataloader also: test_dataloader = val_dataloader):
#   train_dataloader["dataset"]["pipeline"][0].update(edges=[(2048, 512), (2048, 1024)])
from mmdet.datasets.transforms import RandomFlip
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import Vistas
from panoptic_data.transforms import LoadPanoptic, LoadReducedImage, PackPanopticInputs, ResizeToTarget

train_dataloader = dict(
    batch_size=1,  # 8 GPUs x 1 image (TASCNet 4.2: as on Cityscapes)
    num_workers=6,  # a map of 24 megapixels is a quarter of a second
    persistent_workers=True,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        type=Vistas,
        data_root="data/vistas",
        split="training",
        pipeline=[
            # Short side 800-1400, long side at most 2500 (TASCNet 4.2)
            dict(type=LoadReducedImage, edges=[(2500, 800), (2500, 1400)]),
            dict(type=LoadPanoptic, at_image_size=True),
            dict(type=ResizeToTarget),
            dict(type=RandomFlip, prob=0.5),
            dict(type=PackPanopticInputs),
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
            # Not printed for testing: the short side of Cityscapes' images
            dict(type=LoadReducedImage, edges=(2500, 1024)),
            dict(type=ResizeToTarget),
            dict(type=LoadPanoptic),  # after resizing: the ground truth keeps the annotation's resolution
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
