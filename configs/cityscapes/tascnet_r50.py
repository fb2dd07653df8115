# torchrun --nproc_per_node=8 tools/train.py configs/cityscapes/tascnet_r50.py --launcher pytorch \
#     --data-root DATA/cityscapes
#
# TASCNet, ResNet-50, ImageNet weights, Cityscapes val. The paper: PQ 55.9, PQ_th 50.5, PQ_st 59.8 (table 5,
# "ImageNet, Joined"). One GPU: --cfg-options train_dataloader.batch_size=8, or --auto-scale-lr.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.tascnet import tascnet
    from .._base_.runtime import *
    from .._base_.schedules.cityscapes_20k import *

work_dir = "work_dirs/cityscapes_tascnet_r50"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(tascnet)
del tascnet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)

tta = dict(scales=[0.75, 1.0, 1.25, 1.5], flip=True)  # --tta; section 4.2 prints no scales
