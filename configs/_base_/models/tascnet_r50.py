"""TASCNet with ResNet-50: arXiv:1812.01192, sections 3.1-3.3. Class counts are set by the leaf."""

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

from panoptic_heads.common import ConcatSemanticHead, MaskGuidedFusion, PanopticRoIHead, SemanticCrossEntropy
from panoptic_heads.tascnet import TASCNet

model = dict(
    type=TASCNet,
    tasc_weight=1.0,  # section 4.4: "We choose lambda = 1 as our final configuration"
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[123.675, 116.28, 103.53],  # ImageNet's, as the backbone's weights expect
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=False,  # masks are read inside their boxes
        pad_seg=True,
        seg_pad_value=255,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type=ResNet,
        depth=50,  # table 1
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,  # Mask R-CNN's defaults: stem and first stage as well as batch norm are frozen
        norm_cfg=dict(type=BatchNorm2d, requires_grad=False),
        norm_eval=True,
        style="pytorch",
        init_cfg=dict(type=PretrainedInit, checkpoint="torchvision://resnet50"),
    ),
    neck=dict(
        type=FPN,
        in_channels=[256, 512, 1024, 2048],
        out_channels=256,
        num_outs=6,  # section 3.1.1: "two additional high level context feature maps", as RetinaNet's
        add_extra_convs="on_output",  # P6: a 3x3 convolution of stride 2 on P5
        relu_before_extra_convs=True,  # P7: the same on ReLU(P6)
    ),
    rpn_head=dict(
        type=RPNHead,
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type=AnchorGenerator,
            scales=[8],  # Mask R-CNN (FPN): one scale a level, 32 pixels on P2
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64, 128],  # P2-P7
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
            featmap_strides=[4, 8, 16, 32],  # P2-P5 alone
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
        type=ConcatSemanticHead,  # section 3.1.2
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        in_channels=256,
        feat_channels=128,
        num_levels=4,  # P2-P5
        num_convs=2,
        num_groups=16,
        collapse_things=False,  # N + M classes: 59.0 PQ against 58.6 for N + 1 (table 4, lambda 1.0)
        loss=dict(type=SemanticCrossEntropy, loss_weight=1.0),  # section 4.4: all other weights are 1.0
    ),
    panoptic_fusion_head=dict(
        type=MaskGuidedFusion,  # section 3.3
        score_thr=0.5,  # not printed: panopticapi's default
        box_nms=0.3,  # section 4.2: per-class NMS with a cutoff of 0.3
        mask_nms=0.3,  # section 4.2: mask NMS with the same threshold over all proposals
        mask_overlap=0.4,  # section 3.3: less than 0.4 with instances that have been added
        guidance=0.7,  # section 3.3: more than 0.7 with the mask
        stuff_area_limit=0,  # section 4.3: no small stuff is removed
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
        # Fusion: the paper's own filter, from the same candidates.
        panoptic=dict(score_thr=0.05, nms=dict(type=nms, iou_threshold=0.3), max_per_img=100),
    ),
)
