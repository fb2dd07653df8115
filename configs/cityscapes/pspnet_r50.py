# torchrun --nproc_per_node=8 tools/train.py configs/cityscapes/pspnet_r50.py --launcher pytorch \
#     --data-root DATA/cityscapes
#
# PSPNet, ResNet-50, Cityscapes: the semantic half of UPSNet's two-network baseline MR-CNN-PSP
# (docs/panoptic_fuse.md). The paper: PQ 58.0, mIoU 75.2 of both networks together, val (table 3).
from mmcv.transforms import LoadImageFromFile, RandomResize
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.pspnet_r50 import *
    from .._base_.runtime import *
    from .._base_.schedules.pspnet_poly import *

from mmdet.datasets.transforms import RandomCrop, RandomFlip, Resize

from panoptic_core.engine.hooks import ProgressHook
from panoptic_core.evaluation import MeanIoU
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs, PadPanoptic

work_dir = "work_dirs/cityscapes_pspnet_r50"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes
crop = (713, 713)  # UPSNet, section 6.1: the size of the windows; not printed for training, the same here

train_dataloader.update(batch_size=2)  # 16 images (UPSNet, section 4): 8 GPUs x 2
train_dataloader["dataset"].update(
    pipeline=[
        dict(type=LoadImageFromFile),
        dict(type=LoadPanoptic),
        # UPSNet, section 6.1: short side 800-1024; the long side follows, images are 1:2
        dict(type=RandomResize, scale=[(2048, 800), (2048, 1024)], resize_type=Resize, keep_ratio=True),
        dict(type=RandomCrop, crop_size=crop),
        dict(type=PadPanoptic, size=crop, pad_value=PAD_VALUE),
        dict(type=RandomFlip, prob=0.5),
        dict(type=PackPanopticInputs),
    ],
)
test_dataloader = val_dataloader
val_evaluator = [dict(type=MeanIoU)]
test_evaluator = val_evaluator
custom_hooks = [dict(type=ProgressHook)]  # no pictures: there is no panoptic map

model["semantic_head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model["auxiliary_head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model.update(windows=dict(size=crop, stride=(476, 476)))  # two thirds of a window: PSPNet's code

train_cfg.update(max_iters=18_000, val_interval=2_000)  # UPSNet, section 4
param_scheduler[0].update(end=18_000)

# --tta; section 6.1: short sides 704, 768, ..., 1344 of 1024, mirrored; logits are averaged
tta = dict(scales=[0.6875 + 0.0625 * i for i in range(11)], flip=True, space="logits")
