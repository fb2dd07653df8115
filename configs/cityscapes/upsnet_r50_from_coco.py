# torchrun --nnodes=2 --nproc_per_node=8 tools/train.py configs/cityscapes/upsnet_r50_from_coco.py \
#     --launcher pytorch --data-root DATA/cityscapes --load-from work_dirs/coco_upsnet_r50/iter_90000.pth
#
# As upsnet_r50.py, started from the weights of configs/coco/upsnet_r50.py. The paper: PQ 60.5, PQ_th 57.0,
# PQ_st 63.0 (table 3). The head has 2 layers here and 3 on COCO (section 4.2): its layers start anew, too.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.upsnet import upsnet
    from .._base_.runtime import *
    from .._base_.schedules.upsnet_cityscapes_12k import *

work_dir = "work_dirs/cityscapes_upsnet_r50_from_coco"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

# The loss weights of _base_/models/upsnet.py are those of Cityscapes.
model.update(upsnet)
del upsnet
model.update(
    backbone=dict(init_cfg=None),  # weights come from COCO; what depends on the classes starts anew
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)

# Section 6.1: short side 800-1024; the long side follows, images are 1:2.
train_dataloader["dataset"]["pipeline"][2].update(scale=[(2048, 800), (2048, 1024)])

# --tta; section 6.1: short sides 704 to 1344, of semantic logits alone; factors of the test pipeline's 1024
tta = dict(
    scales=[short / 1024 for short in range(704, 1345, 64)], flip=True, semantics_only=True, space="logits"
)
