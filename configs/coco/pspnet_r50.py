# torchrun --nproc_per_node=8 tools/train.py configs/coco/pspnet_r50.py --launcher pytorch \
#     --data-root DATA/coco
#
# PSPNet, ResNet-50, COCO's 133 panoptic classes: the semantic half of UPSNet's two-network baseline
# MR-CNN-PSP (docs/panoptic_fuse.md). The paper: PQ 41.8, mIoU 53.9 of both networks together, val (table 1).
from mmcv.transforms import LoadImageFromFile
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.pspnet_r50 import *
    from .._base_.runtime import *
    from .._base_.schedules.pspnet_poly import *

from mmdet.datasets.transforms import RandomCrop, RandomFlip, Resize

from panoptic_core.engine.hooks import ProgressHook
from panoptic_core.evaluation import MeanIoU
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs, PadPanoptic

work_dir = "work_dirs/coco_pspnet_r50"
num_things, num_stuff = 80, 53
crop = (513, 513)  # UPSNet, section 6.1: the size of the windows; not printed for training, the same here

train_dataloader.update(batch_sampler=None)  # crops have one shape
train_dataloader["dataset"].update(
    instances_file=None,  # nothing here reads instances
    pipeline=[
        dict(type=LoadImageFromFile),
        dict(type=LoadPanoptic),
        # UPSNet, section 6.1, "for all our experiments": short side 800, long side at most 1333
        dict(type=Resize, scale=(1333, 800), keep_ratio=True),
        dict(type=RandomCrop, crop_size=crop),
        dict(type=PadPanoptic, size=crop, pad_value=PAD_VALUE),
        dict(type=RandomFlip, prob=0.5),
        dict(type=PackPanopticInputs),
    ],
)
val_dataloader["dataset"].update(instances_file=None)
test_dataloader = val_dataloader
val_evaluator = [dict(type=MeanIoU)]
test_evaluator = val_evaluator
custom_hooks = [dict(type=ProgressHook)]  # no pictures: there is no panoptic map

model["semantic_head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model["auxiliary_head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model.update(windows=dict(size=crop, stride=(342, 342)))  # two thirds of a window: PSPNet's code

# --tta; section 6.1: short sides 480, 544, ..., 1120 of 800, mirrored; logits are averaged
tta = dict(scales=[round(0.6 + 0.08 * i, 2) for i in range(11)], flip=True, space="logits")
