# torchrun --nproc_per_node=8 tools/train.py configs/coco/dense_affinity_r101.py --launcher pytorch \
#     --data-root DATA/coco
#
# The dense-affinity network, ResNet-101, ImageNet weights, COCO. The paper, on test-dev: PQ 47.2, PQ_th 53.5,
# PQ_st 37.7 (table 5). Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 16 images in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.dense_affinity import coco, dense_affinity, full_detection, hinge, msra
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.runtime import *
    from .._base_.schedules.dense_affinity_coco_200k import *

work_dir = "work_dirs/coco_dense_affinity_r101"

model.update(dense_affinity)
model.update(msra)
model.update(full_detection)
model.update(coco)
model.update(backbone=dict(depth=101, init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet101_caffe")))
model["roi_head"]["mask_head"]["loss_mask"] = dict(hinge, loss_weight=1.0)

# Section B: short side 800, long side at most 1333, one scale
train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 800), (1333, 800)])
del coco, dense_affinity, full_detection, hinge, msra
