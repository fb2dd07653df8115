# torchrun --nproc_per_node=8 tools/train.py configs/coco/oanet_r50.py --launcher pytorch \
#     --data-root DATA/coco
#
# OANet, ResNet-50, ImageNet weights, COCO val. The paper: PQ 39.0, PQ_th 48.3, PQ_st 24.9 (table 3); without
# ranking 37.2, 45.4, 24.9: --cfg-options model.panoptic_fusion_head.order=score, on the same checkpoint.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.oanet import oanet
    from .._base_.runtime import *
    from .._base_.schedules.coco_100k import *

work_dir = "work_dirs/coco_oanet_r50"
num_things, num_stuff = 80, 53

model.update(oanet)
del oanet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
    ranking_head=dict(num_things_classes=num_things),
)

# Mask R-CNN's single scale: "for other details, we employ the experience from Mask-RCNN" (section 4.2)
train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 800), (1333, 800)])
