# python tools/train.py configs/dense_affinity.py
#
# The dense-affinity network (arXiv:2001.04982), small, on generated scenes: it runs anywhere, from random
# weights. Model D2 of Table 1: with masks, affinity and panoptic matching loss, by argmax;
# dense_affinity_*.py are the others. The paper has no such row; configs/cityscapes/dense_affinity_r50.py and
# configs/coco/dense_affinity_r50.py are its recipes.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.dense_affinity import dense_affinity, full_detection, hinge
    from ._base_.models.dense_affinity_small import dense_affinity_small
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

model.update(dense_affinity)
model.update(full_detection)  # from random weights: with a quarter boxes are not learnt in minutes
model.update(small)
model.update(dense_affinity_small)
model["roi_head"]["mask_head"]["loss_mask"] = dict(hinge, loss_weight=1.0)
del dense_affinity, dense_affinity_small, full_detection, small, hinge
