"""UPSNet: arXiv:1901.03784, section 3, over mask_rcnn_r50.py. Class counts and loss weights are the leaf's.

"The code" is the public one, asked where the paper prints no number. What differs on COCO is in its leaves.
"""

from panoptic_heads.common import (
    DeformableSemanticHead,
    PanopticLogitsFusion,
    SemanticCrossEntropy,
)
from panoptic_heads.upsnet import UPSNet

upsnet = dict(
    type=UPSNet,
    panoptic_weight=0.5,  # section 4, Cityscapes
    roi_weight=0.2,  # section 4: one fifth of the semantic head's
    unknown=True,
    drop_fraction=0.3,  # section 3.1: "we randomly sample 30% ground truth masks"
    roi_size=28,  # section 3.1
    roi_sampling_ratio=1,  # not printed: "resize" is read as bilinear resizing
    divide_by="valid",  # not printed; the code: 'all'
    data_preprocessor=dict(
        mean=[103.530, 116.280, 123.675],  # of MSRA's weights (section 6.1): BGR, no division
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
    ),
    # Frozen as Mask R-CNN's: batch norm (section 3.2), stem and first stage (the code)
    backbone=dict(
        style="caffe",  # MSRA's: the stride is in the first 1x1 convolution
        init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet50_caffe"),
    ),
    semantic_head=dict(
        type=DeformableSemanticHead,
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        in_channels=256,
        feat_channels=128,  # the code
        num_levels=4,  # P2-P5
        num_convs=2,  # section 4.2, Cityscapes
        num_groups=None,  # the code: no normalisation
        loss=dict(type=SemanticCrossEntropy, loss_weight=1.0),  # section 4, Cityscapes
    ),
    panoptic_fusion_head=dict(
        type=PanopticLogitsFusion,  # sections 3.1 and 3.2
        score_thr=0.6,  # section 3.2
        box_nms=0.5,  # section 3.2
        prune=0.3,  # section 3.2
        unknown=True,  # section 3.1
        outside="zero",  # section 3.1
        resolve=True,  # section 3.1
        inclusive=False,  # section 3.1: "larger than 0.5"; the code: at least
        stuff_area_limit=2048,  # section 4, Cityscapes
    ),
    test_cfg=dict(
        # Fusion: class-agnostic NMS of the same candidates (section 3.2); the fusion cuts at 0.6.
        panoptic=dict(
            score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5, class_agnostic=True), max_per_img=100
        ),
    ),
)
