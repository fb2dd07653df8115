# python tools/train.py configs/dense_affinity.py
#
# The dense-affinity network (arXiv:2001.04982), small, on generated scenes: it runs anywhere, from random
# weights. Model D2 of Table 1; the others are dense_affinity_{a,b,c1,c2,d1}.py. The paper has no such row;
# configs/cityscapes/dense_affinity_r50.py and configs/coco/dense_affinity_r50.py are the paper's recipes.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.dense_affinity import affinity, argmax, dense_affinity
    from ._base_.models.dense_affinity_small import *
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

for part in (dense_affinity, affinity, argmax, small, small_dense_affinity, small_affinity, small_argmax):
    model.update(part)
model["roi_head"]["mask_head"]["loss_mask"] = small_hinge
del (
    part,
    dense_affinity,
    affinity,
    argmax,
    small,
    small_dense_affinity,
    small_affinity,
    small_argmax,
    small_hinge,
)
