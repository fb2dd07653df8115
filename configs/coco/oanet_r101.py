# torchrun --nproc_per_node=8 tools/train.py configs/coco/oanet_r101.py --launcher pytorch \
#     --data-root DATA/coco
#
# OANet, ResNet-101, ImageNet weights, COCO. The paper, on val: PQ 40.7, PQ_th 50.0, PQ_st 26.6 (table 3);
# on test-dev: 41.3, 50.4, 27.7 (table 6).
from mmengine.config import read_base
from mmengine.model import PretrainedInit

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.oanet import oanet
    from .._base_.runtime import *
    from .._base_.schedules.coco_100k import *

work_dir = "work_dirs/coco_oanet_r101"
num_things, num_stuff = 80, 53

model.update(oanet)
del oanet
model.update(
    backbone=dict(depth=101, init_cfg=dict(type=PretrainedInit, checkpoint="torchvision://resnet101")),
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
    ranking_head=dict(num_things_classes=num_things),
)

# Mask R-CNN's single scale: "for other details, we employ the experience from Mask-RCNN" (section 4.2)
train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 800), (1333, 800)])
