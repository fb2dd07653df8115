# torchrun --nproc_per_node=4 tools/train.py configs/cityscapes/dense_affinity_r101_from_coco.py \
#     --launcher pytorch --data-root DATA/cityscapes \
#     --load-from work_dirs/coco_dense_affinity_r101/iter_200000.pth
#
# As dense_affinity_r50.py with ResNet-101, started from the weights of configs/coco/dense_affinity_r101.py.
# The paper, on the test set: PQ 63.3, PQ_th 56.0, PQ_st 68.5 (table 4). Fewer GPUs: --cfg-options
# train_dataloader.batch_size=..., 32 crops in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.datasets.relit_crops import relit_crops
    from .._base_.models.dense_affinity import cityscapes, dense_affinity, hinge, msra
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.runtime import *
    from .._base_.schedules.dense_affinity_cityscapes_65k import *

work_dir = "work_dirs/cityscapes_dense_affinity_r101_from_coco"

model.update(dense_affinity)
model.update(msra)
model.update(cityscapes)
model.update(backbone=dict(depth=101, init_cfg=None))  # weights come from COCO
model["roi_head"]["mask_head"]["loss_mask"] = hinge

train_dataloader.update(batch_size=8)  # section B: 4 GPUs with 8 crops each
train_dataloader["dataset"].update(pipeline=relit_crops)
del cityscapes, dense_affinity, hinge, msra, relit_crops
