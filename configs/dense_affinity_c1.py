# python tools/train.py configs/dense_affinity_c1.py
#
# Model C1 of Table 1 (arXiv:2001.04982), small, on generated scenes: the network of dense_affinity_c2.py,
# fused by confidence. Its weights are the same: tools/test.py takes a checkpoint of either.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.dense_affinity import dense_affinity, full_detection, heuristic, hinge
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
model.update(affinity_head=None, panoptic_loss=None)
model["panoptic_fusion_head"] = dict(heuristic, stuff_area_limit=256)
del dense_affinity, dense_affinity_small, full_detection, small, heuristic, hinge
