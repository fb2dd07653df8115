# torchrun --nproc_per_node=8 tools/train.py configs/ade20k/tascnet_r50.py --launcher pytorch \
#     --data-root DATA/ADEChallengeData2016
#
# TASCNet, ResNet-50, ImageNet weights, ADE20K panoptic val. Ours: no paper of these methods has this set; the
# schedule is COCO's. Any other method comes to ADE20K in the same way: its lines of configs/coco/ with this
# data and these numbers of classes.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.ade20k import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.tascnet import tascnet
    from .._base_.runtime import *
    from .._base_.schedules.coco_90k import *

work_dir = "work_dirs/ade20k_tascnet_r50"
num_things, num_stuff = 100, 50

model.update(tascnet)
del tascnet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)
