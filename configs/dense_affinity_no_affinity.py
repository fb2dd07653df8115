# python tools/train.py configs/dense_affinity_no_affinity.py
#
# The panoptic matching loss without the affinity (arXiv:2001.04982, sections 3.4.1 and 3.5), small, on
# generated scenes: between C2 and D2, to see which of the two helps. The paper has no such row.
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
model.update(affinity_head=None)
del dense_affinity, dense_affinity_small, full_detection, small, hinge
