# python tools/train.py configs/upsnet.py
#
# UPSNet (arXiv:1901.03784), small, on generated scenes: it runs anywhere, from random weights. The paper has
# no such row; configs/coco/upsnet_r50.py and configs/cityscapes/upsnet_r50.py are the paper's recipes.
# upsnet_c.py and upsnet_cp.py are its baselines.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *


from panoptic_heads.common import DeformableSemanticHead, PanopticLogitsFusion
from panoptic_heads.upsnet import UPSNet

model.update(small)
del small
model.update(
    type=UPSNet,
    # With a semantic weight of 1 (_base_/models/small.py), as on Cityscapes (section 4)
    panoptic_weight=0.5,
    roi_weight=0.2,
    unknown=True,
    drop_fraction=0.3,  # section 3.1
    panoptic_fusion_head=dict(
        type=PanopticLogitsFusion,  # sections 3.1, 3.2; the numbers are the paper's but the last
        score_thr=0.6,
        box_nms=0.5,
        prune=0.3,
        unknown=True,
        resolve=True,
        stuff_area_limit=256,  # half of the smallest stuff segment that the scenes label (Cityscapes: 2048)
    ),
    # The box filter of the panoptic path: class-agnostic NMS 0.5 (section 3.2)
    test_cfg=dict(
        panoptic=dict(
            score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5, class_agnostic=True), max_per_img=100
        )
    ),
)
# The paper: 2 layers without normalisation. From random weights it is needed (16 groups, small.py), and one
# layer is half the time.
model["semantic_head"].update(type=DeformableSemanticHead, num_convs=1)

tta = dict(scales=[0.75, 1.0, 1.25], flip=True, semantics_only=True, space="logits")  # --tta; scales: ours
