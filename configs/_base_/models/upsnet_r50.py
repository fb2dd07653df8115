"""UPSNet with ResNet-50: arXiv:1901.03784, section 3. Class counts and loss weights are set by the leaf.

"The code" is the public one, asked where the paper prints no number. What differs on COCO is in its leaves.
"""

from mmcv.ops import nms
from mmdet.models import (
    FPN,
    CrossEntropyLoss,
    DetDataPreprocessor,
    FCNMaskHead,
    L1Loss,
    ResNet,
    RPNHead,
    Shared2FCBBoxHead,
    SingleRoIExtractor,
)
from mmdet.models.task_modules import (
    AnchorGenerator,
    DeltaXYWHBBoxCoder,
    MaxIoUAssigner,
    RandomSampler,
)
from mmengine.model import PretrainedInit
from torch.nn import BatchNorm2d

from panoptic_heads.common import (
    DeformableSemanticHead,
    PanopticLogitsFusion,
    PanopticRoIHead,
    SemanticCrossEntropy,
)
from panoptic_heads.upsnet import UPSNet

model = dict(
    type=UPSNet,
    panoptic_weight=0.5,  # section 4, Cityscapes
    roi_weight=0.2,  # section 4: one fifth of the semantic head's
    unknown=True,
    drop_fraction=0.3,  # section 3.1: "we randomly sample 30% ground truth masks"
    roi_size=28,  # section 3.1
    roi_sampling_ratio=1,  # not printed: "resize" is read as bilinear resizing
    divide_by="valid",  # not printed; the code: 'all'
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[103.530, 116.280, 123.675],  # of MSRA's weights (section 6.1): BGR, no division
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_mask=False,  # masks are read inside their boxes
        pad_seg=True,
        seg_pad_value=255,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type=ResNet,
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,  # the code: stem and first stage
        norm_cfg=dict(type=BatchNorm2d, requires_grad=False),
        norm_eval=True,  # section 3.2: "we do not fine-tune batch normalization (BN) layers"
        style="caffe",  # MSRA's: the stride is in the first 1x1 convolution
        init_cfg=dict(type=PretrainedInit, checkpoint="open-mmlab://detectron2/resnet50_caffe"),
    ),
    neck=dict(type=FPN, in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(
        type=RPNHead,
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type=AnchorGenerator,
            scales=[8],  # Mask R-CNN (FPN): one scale a level, 32 pixels on P2
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],  # P2-P6
        ),
        bbox_coder=dict(
            type=DeltaXYWHBBoxCoder, target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[1.0, 1.0, 1.0, 1.0]
        ),
        loss_cls=dict(type=CrossEntropyLoss, use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type=L1Loss, loss_weight=1.0),
    ),
    roi_head=dict(
        type=PanopticRoIHead,
        bbox_roi_extractor=dict(
            type=SingleRoIExtractor,
            # a plain name: mmdet looks it up in mmcv.ops and refuses the full path of a dumped config
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        bbox_head=dict(
            type=Shared2FCBBoxHead,
            in_channels=256,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=0,  # the leaf's
            bbox_coder=dict(
                type=DeltaXYWHBBoxCoder, target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2]
            ),
            reg_class_agnostic=False,
            loss_cls=dict(type=CrossEntropyLoss, use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type=L1Loss, loss_weight=1.0),
        ),
        mask_roi_extractor=dict(
            type=SingleRoIExtractor,
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type=FCNMaskHead,
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=0,  # the leaf's
            loss_mask=dict(type=CrossEntropyLoss, use_mask=True, loss_weight=1.0),
        ),
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
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type=MaxIoUAssigner,
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=0.7,  # Detectron's CROWD_FILTER_THRESH: what lies in a crowd is no background
            ),
            sampler=dict(
                type=RandomSampler, num=256, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
            ),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=2000, max_per_img=1000, nms=dict(type=nms, iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(
            assigner=dict(
                type=MaxIoUAssigner,
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=True,
                ignore_iof_thr=0.7,
            ),
            sampler=dict(
                type=RandomSampler, num=512, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
            ),
            mask_size=28,
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, max_per_img=1000, nms=dict(type=nms, iou_threshold=0.7), min_bbox_size=0),
        # Average precision: Mask R-CNN's standard output.
        rcnn=dict(
            score_thr=0.05, nms=dict(type=nms, iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5
        ),
        # Fusion: class-agnostic NMS of the same candidates (section 3.2); the fusion cuts at 0.6.
        panoptic=dict(
            score_thr=0.05, nms=dict(type=nms, iou_threshold=0.5, class_agnostic=True), max_per_img=100
        ),
    ),
)
