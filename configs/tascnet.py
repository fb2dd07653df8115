# python tools/train.py configs/tascnet.py
#
# TASCNet (arXiv:1812.01192), small, on generated scenes: it runs anywhere, from random weights. The paper has
# no such row; configs/cityscapes/tascnet_r50.py is the paper's recipe.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *


from panoptic_heads.common import ConcatSemanticHead, MaskGuidedFusion
from panoptic_heads.tascnet import ResidualPicturesHook, TASCNet, ThingsStuffResidual

model.update(small)
del small
model.update(
    type=TASCNet,
    tasc_weight=1.0,  # section 4.4
    # P6: a 3x3 convolution of stride 2 on P5; P7: the same on ReLU(P6) (section 3.1.1)
    neck=dict(num_outs=6, add_extra_convs="on_output", relu_before_extra_convs=True),
    rpn_head=dict(anchor_generator=dict(strides=[4, 8, 16, 32, 64, 128])),  # P2-P7
    panoptic_fusion_head=dict(
        type=MaskGuidedFusion,  # section 3.3; the numbers are the paper's, see _base_/models/tascnet.py
        score_thr=0.5,
        box_nms=0.3,
        mask_nms=0.3,
        mask_overlap=0.4,
        guidance=0.5,  # the paper: 0.7; a quarter of 160x160 is coarse: the things mask misses rims,
        clip=False,  # so half of an instance has to agree with it, and the rim is kept
        stuff_area_limit=256,  # the paper: none; half of the smallest stuff segment that the scenes label
    ),
    # The box filter of the panoptic path: class-wise NMS 0.3 (section 4.2)
    test_cfg=dict(panoptic=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.3), max_per_img=100)),
)
model["semantic_head"].update(type=ConcatSemanticHead, num_convs=1)

# Where do both heads disagree about things? A number, and pictures as in figure 4.
model.update(predict_residual=True)
val_evaluator = [*val_evaluator, dict(type=ThingsStuffResidual)]
test_evaluator = val_evaluator
custom_hooks = [*custom_hooks, dict(type=ResidualPicturesHook, num_images=8)]

tta = dict(scales=[0.75, 1.0, 1.25, 1.5], flip=True)  # --tta
