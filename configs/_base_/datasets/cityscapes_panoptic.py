# Cityscapes as downloaded (https://www.cityscapes-dataset.com): data/cityscapes/{leftImg8bit,gtFine}/.
# Another scale in a leaf config (after a change of val_dataloader also: test_dataloader = val_dataloader):
#   train_dataloader["dataset"]["pipeline"][2].update(scale=[(2048, 512), (2048, 512)])
from mmcv.transforms import LoadImageFromFile, RandomResize
from mmdet.datasets.transforms import RandomFlip, Resize
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import Cityscapes
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

train_dataloader = dict(
    batch_size=1,  # 8 GPUs x 1 image (TASCNet 4.2)
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        type=Cityscapes,
        data_root="data/cityscapes",
        split="train",
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            # Short side 800-1400 (TASCNet 4.2); the long side follows, images are 1:2.
            dict(type=RandomResize, scale=[(2800, 800), (2800, 1400)], resize_type=Resize, keep_ratio=True),
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
        type=Cityscapes,
        data_root="data/cityscapes",
        split="val",
        test_mode=True,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=Resize, scale=(2048, 1024), keep_ratio=True),
            dict(type=LoadPanoptic),  # after Resize: the ground truth keeps the annotation's resolution
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
