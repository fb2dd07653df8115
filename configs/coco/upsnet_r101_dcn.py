# torchrun --nnodes=2 --nproc_per_node=8 tools/train.py configs/coco/upsnet_r101_dcn.py --launcher pytorch \
#     --data-root DATA/coco
#
# UPSNet, ResNet-101 with deformable convolutions, ImageNet weights, COCO. The paper, on test-dev: PQ 46.6,
# PQ_th 53.2, PQ_st 36.7 (table 2, "ResNet-101-FPN"; that it is deformable, the public code says).
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.upsnet import upsnet
    from .._base_.runtime import *
    from .._base_.schedules.upsnet_coco_90k import *

from mmengine.model import PretrainedInit

from panoptic_heads.upsnet import GlobalContextFPN

work_dir = "work_dirs/coco_upsnet_r101_dcn"
num_things, num_stuff = 80, 53

model.update(upsnet)
del upsnet
model.update(
    backbone=dict(
        depth=101,
        # The code: deformable convolutions (v1) from res3 on. A plain name, as mmcv's registry knows it
        dcn=dict(type="DCN", deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
        init_cfg=dict(type=PretrainedInit, checkpoint="open-mmlab://detectron2/resnet101_caffe"),
    ),
    panoptic_weight=0.1,  # section 4, as the next two
    roi_weight=0.04,
    neck=dict(type=GlobalContextFPN),  # section 4.1
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(
        num_convs=3,  # the code
        num_things_classes=num_things,
        num_stuff_classes=num_stuff,
        loss=dict(loss_weight=0.2),
    ),
    panoptic_fusion_head=dict(stuff_area_limit=4096),  # section 4
)

train_dataloader.update(batch_size=1)  # section 3.2: 16 GPUs with 1 image each
# Section 6.1: short side 800, long side at most 1333, one scale
train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 800), (1333, 800)])

# --tta; section 6.1: short sides 480 to 1120, of semantic logits alone; factors of the test pipeline's 800
tta = dict(
    scales=[short / 800 for short in range(480, 1121, 64)], flip=True, semantics_only=True, space="logits"
)
