# torchrun --nproc_per_node=8 tools/train.py configs/coco/tascnet_r50.py --launcher pytorch \
#     --data-root DATA/coco
#
# TASCNet, ResNet-50, ImageNet weights, COCO. The paper, on test-dev: PQ 40.7, PQ_th 47.0, PQ_st 31.0
# (table 3); it prints no number for val.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.tascnet import tascnet
    from .._base_.runtime import *
    from .._base_.schedules.coco_90k import *

work_dir = "work_dirs/coco_tascnet_r50"
num_things, num_stuff = 80, 53

model.update(tascnet)
del tascnet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)
