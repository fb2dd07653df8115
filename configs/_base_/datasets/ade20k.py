# ADE20K panoptic (http://sceneparsing.csail.mit.edu, https://groups.csail.mit.edu/vision/datasets/ADE20K):
# data/ADEChallengeData2016/images/{training,validation}/ and ade20k_panoptic_{train,val}{.json,/*.png}.
# No paper of this project's methods prints a recipe. Sizes and crops are those of MaskFormer
# (arXiv:2107.06278, appendix; its public config): short side 320-1280, crops of 640, tested at 640.
# Another size in a leaf config (after a change of val_dataloader also: test_dataloader = val_dataloader):
#   train_dataloader["dataset"]["pipeline"][3].update(crop_size=(512, 512))
from mmcv.transforms import LoadImageFromFile, RandomResize
from mmdet.datasets.transforms import RandomCrop, RandomFlip, Resize
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import ADE20KPanoptic
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

train_dataloader = dict(
    batch_size=2,  # 8 GPUs x 2 images
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        type=ADE20KPanoptic,
        data_root="data/ADEChallengeData2016",
        split="train",
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            dict(type=RandomResize, scale=[(2560, 320), (2560, 1280)], resize_type=Resize, keep_ratio=True),
            dict(type=RandomCrop, crop_size=(640, 640)),
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
        type=ADE20KPanoptic,
        data_root="data/ADEChallengeData2016",
        split="val",
        test_mode=True,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=Resize, scale=(2560, 640), keep_ratio=True),
            dict(type=LoadPanoptic),  # after Resize: the ground truth keeps the annotation's resolution
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
