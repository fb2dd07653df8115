# torchrun --nnodes=2 --nproc_per_node=8 tools/train.py configs/cityscapes/upsnet_cp_r50.py \
#     --launcher pytorch --data-root DATA/cityscapes
#
# UPSNet-CP: trained as UPSNet, fusion by confidence. The paper, Cityscapes val: PQ 58.7, PQ_th 53.1,
# PQ_st 62.7 (table 8).
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.upsnet import upsnet
    from .._base_.runtime import *
    from .._base_.schedules.upsnet_cityscapes_12k import *

from panoptic_heads.common import ConfidenceFusion

work_dir = "work_dirs/cityscapes_upsnet_cp_r50"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

# The loss weights of _base_/models/upsnet.py are those of Cityscapes.
model.update(upsnet)
del upsnet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
    test_cfg=dict(panoptic=None),  # Mask R-CNN's own detections
)
model["panoptic_fusion_head"] = dict(
    type=ConfidenceFusion,  # section 6.2: "the same combine heuristics as in" arXiv:1801.00868
    score_thr=0.5,  # panopticapi's defaults, like the next
    mask_overlap=0.5,
    stuff_area_limit=2048,  # section 4
)

# Section 6.1: short side 800-1024; the long side follows, images are 1:2.
train_dataloader["dataset"]["pipeline"][2].update(scale=[(2048, 800), (2048, 1024)])

# --tta; section 6.1: short sides 704 to 1344, of semantic logits alone; factors of the test pipeline's 1024
tta = dict(
    scales=[short / 1024 for short in range(704, 1345, 64)], flip=True, semantics_only=True, space="logits"
)
