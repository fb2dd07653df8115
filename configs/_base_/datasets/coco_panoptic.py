# COCO panoptic (https://cocodataset.org): data/coco/{train2017,val2017}/*.jpg and
# data/coco/annotations/{panoptic_train2017,panoptic_val2017}{.json,/*.png}, instances_{train,val}2017.json.
# Another scale in a leaf config (after a change of val_dataloader also: test_dataloader = val_dataloader):
#   train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 640), (1333, 640)])
from mmcv.transforms import LoadImageFromFile, RandomResize
from mmdet.datasets import AspectRatioBatchSampler
from mmdet.datasets.transforms import RandomFlip, Resize
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import CocoPanoptic
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

train_dataloader = dict(
    batch_size=2,  # 8 GPUs x 2 images (TASCNet 4.2)
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    batch_sampler=dict(type=AspectRatioBatchSampler),
    dataset=dict(
        type=CocoPanoptic,
        data_root="data/coco",
        ann_file="annotations/panoptic_train2017.json",
        data_prefix=dict(img="train2017"),
        # Box and mask heads learn overlapping masks; without this file they get the visible ones.
        instances_file="annotations/instances_train2017.json",
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            # Short side 640-800, long side at most 1333 (TASCNet 4.2).
            dict(type=RandomResize, scale=[(1333, 640), (1333, 800)], resize_type=Resize, keep_ratio=True),
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
        type=CocoPanoptic,
        data_root="data/coco",
        ann_file="annotations/panoptic_val2017.json",
        data_prefix=dict(img="val2017"),
        instances_file="annotations/instances_val2017.json",  # AP's ground truth
        test_mode=True,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=Resize, scale=(1333, 800), keep_ratio=True),
            dict(type=LoadPanoptic),  # after Resize: the ground truth keeps the annotation's resolution
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
