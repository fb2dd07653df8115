# torchrun --nproc_per_node=8 tools/train.py configs/coco/dense_affinity_r50.py --launcher pytorch \
#     --data-root DATA/coco
#
# The dense-affinity network, ResNet-50, ImageNet weights, COCO val. The paper: PQ 43.4, PQ_th 48.6, PQ_st
# 35.5 (table 3). Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 16 images in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.dense_affinity import dense_affinity, full_detection, hinge, msra
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.runtime import *
    from .._base_.schedules.dense_affinity_coco_200k import *

from panoptic_heads.common import SemanticCrossEntropy

work_dir = "work_dirs/coco_dense_affinity_r50"
num_things, num_stuff = 80, 53

model.update(dense_affinity)
model.update(msra)
model.update(full_detection)
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(
        num_convs=3,  # UPSNet's code
        num_things_classes=num_things,
        num_stuff_classes=num_stuff,
        loss=dict(type=SemanticCrossEntropy, loss_weight=0.2),  # section A.1; its weight: section 4
    ),
    affinity_head=dict(num_convs=3),  # the same architecture
    panoptic_loss=dict(loss_weight=0.1),  # section 4
    potential=dict(num_things=num_things, form="sum"),  # variant C (section A.3)
    panoptic_fusion_head=dict(
        score_thr=0.75,  # section B
        form="sum",
        stuff_area_limit=4096,  # not printed: UPSNet's on COCO
    ),
)
model["roi_head"]["mask_head"]["loss_mask"] = dict(hinge, loss_weight=1.0)

# Section B: short side 800, long side at most 1333, one scale
train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 800), (1333, 800)])
del dense_affinity, full_detection, hinge, msra
