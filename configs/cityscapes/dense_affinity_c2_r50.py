# torchrun --nproc_per_node=4 tools/train.py configs/cityscapes/dense_affinity_c2_r50.py --launcher pytorch \
#     --data-root DATA/cityscapes
#
# The dense-affinity network, ResNet-50, ImageNet weights, Cityscapes val: model C2 of Table 1, without
# affinity and panoptic loss. The paper: PQ 59.6, PQ_th 52.4, PQ_st 64.8. Fewer GPUs: --cfg-options
# train_dataloader.batch_size=..., 32 crops in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.datasets.relit_crops import relit_crops
    from .._base_.models.dense_affinity import cityscapes, dense_affinity, hinge, msra
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.runtime import *
    from .._base_.schedules.dense_affinity_cityscapes_65k import *

work_dir = "work_dirs/cityscapes_dense_affinity_c2_r50"

model.update(dense_affinity)
model.update(msra)
model.update(cityscapes)
model["roi_head"]["mask_head"]["loss_mask"] = hinge
model.update(affinity_head=None, panoptic_loss=None)

train_dataloader.update(batch_size=8)  # section B: 4 GPUs with 8 crops each
train_dataloader["dataset"].update(pipeline=relit_crops)
del cityscapes, dense_affinity, hinge, msra, relit_crops
