# Generated street scenes: nothing to download. Made at first use and kept in a cache (PANOPTIC_DATA_CACHE).
# Another size or number in a leaf (after a change of val_dataloader: test_dataloader = val_dataloader):
#   train_dataloader["dataset"].update(size=(256, 384), num_images=1000)
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import RandomFlip
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import GeneratedScenes
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

train_dataloader = dict(
    batch_size=2,
    num_workers=0,  # images this small are read in 4 ms: a worker process would cost more than it brings
    persistent_workers=False,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        type=GeneratedScenes,
        num_images=600,
        size=(160, 160),
        seed=0,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            dict(type=RandomFlip, prob=0.5),
            dict(type=PackPanopticInputs),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=GeneratedScenes,
        num_images=51,
        size=(160, 160),
        seed=1,  # scenes that training never sees
        test_mode=True,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
