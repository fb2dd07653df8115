# python tools/train.py configs/panoptic_fpn.py
#
# Panoptic FPN (arXiv:1901.02446), the baseline of TASCNet: the same small model, scenes and schedule, with
# its own semantic head, fusion by confidence and no consistency loss.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

from panoptic_heads.common import ConfidenceFusion, SumSemanticHead

model.update(small)
del small
model.update(
    panoptic_fusion_head=dict(
        type=ConfidenceFusion,
        score_thr=0.5,  # panopticapi's defaults, like the next
        mask_overlap=0.5,
        stuff_area_limit=256,  # half of the smallest stuff segment that the scenes label (panopticapi: 4096)
    ),
)
model["semantic_head"].update(
    type=SumSemanticHead, collapse_things=True
)  # stuff and one class for all things
