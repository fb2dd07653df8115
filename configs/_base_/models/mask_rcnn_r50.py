"""Mask R-CNN with ResNet-50 and a feature pyramid (arXiv:1703.06870, 1612.03144): what methods share.

A leaf reads this file, then that of its method, whose dict says what the method adds and does otherwise:
``model.update(tascnet)`` merges it, ``del tascnet`` keeps it from being an entry of the config. Class counts
are set by the leaf. NMS has a plain name: mmcv looks it up itself, and does not find the full path of a
dumped config.
"""

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

from panoptic_heads.common import PanopticRoIHead, PanopticTwoStageDetector

model = dict(
    type=PanopticTwoStageDetector,  # the method names its own
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
        depth=50,
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
        num_outs=5,  # P6 is P5 subsampled
    ),
    rpn_head=dict(
        type=RPNHead,
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type=AnchorGenerator,
            scales=[8],  # one scale a level, 32 pixels on P2
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
            nms_pre=2000, max_per_img=1000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0
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
        rpn=dict(nms_pre=1000, max_per_img=1000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        # Average precision, and fusion where the method has no filter of its own (`panoptic`)
        rcnn=dict(
            score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5
        ),
    ),
)
