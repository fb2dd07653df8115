# python tools/train.py configs/upsnet_cp.py
#
# UPSNet-CP (arXiv:1901.03784, section 6.2), small, on generated scenes: trained as UPSNet,
# fusion by confidence.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

from panoptic_heads.common import ConfidenceFusion, DeformableSemanticHead
from panoptic_heads.upsnet import UPSNet

model.update(small)
del small
model.update(
    type=UPSNet,
    panoptic_weight=0.5,  # as configs/upsnet.py
    roi_weight=0.2,
    panoptic_fusion_head=dict(
        type=ConfidenceFusion,  # "the same combine heuristics as in" arXiv:1801.00868
        score_thr=0.5,  # panopticapi's defaults, like the next
        mask_overlap=0.5,
        stuff_area_limit=256,  # as configs/upsnet.py
    ),
)
model["semantic_head"].update(type=DeformableSemanticHead, num_convs=1)

tta = dict(scales=[0.75, 1.0, 1.25], flip=True, semantics_only=True, space="logits")  # --tta; scales: ours
