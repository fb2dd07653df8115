# python tools/train.py configs/dense_affinity_a.py
#
# Model A of Table 1 (arXiv:2001.04982), small, on generated scenes: boxes and semantics alone; the potential
# itself is the result.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.dense_affinity import dense_affinity, full_detection, mask_free
    from ._base_.models.dense_affinity_small import dense_affinity_small
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

model.update(dense_affinity)
model.update(full_detection)  # from random weights: with a quarter boxes are not learnt in minutes
model.update(small)
model.update(dense_affinity_small)
model.update(mask_free)
model.update(affinity_head=None, panoptic_loss=None)
del dense_affinity, dense_affinity_small, full_detection, small, mask_free
