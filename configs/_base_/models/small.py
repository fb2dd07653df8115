"""A small box-based panoptic model that learns generated scenes on two CPU cores, from random weights.

The parts are those of the R-50 models, narrower. Every number here is ours, chosen by trying.
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
from torch.nn import BatchNorm2d

from panoptic_heads.common import (
    PanopticRoIHead,
    PanopticTwoStageDetector,
    SemanticCrossEntropy,
)

num_things, num_stuff = 7, 7  # of the generator's scenes

model = dict(
    type=PanopticTwoStageDetector,
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=False,
        pad_seg=True,
        seg_pad_value=255,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type=ResNet,
        depth=18,
        base_channels=32,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type=BatchNorm2d),
        norm_eval=False,
        zero_init_residual=True,
        style="pytorch",
    ),
    neck=dict(type=FPN, in_channels=[32, 64, 128, 256], out_channels=64, num_outs=5),
    rpn_head=dict(
        type=RPNHead,
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(
            type=AnchorGenerator, scales=[4], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
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
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=1),
            out_channels=64,
            featmap_strides=[4, 8, 16, 32],
            finest_scale=28,  # objects are half as large as in photographs
        ),
        bbox_head=dict(
            type=Shared2FCBBoxHead,
            in_channels=64,
            fc_out_channels=256,
            roi_feat_size=7,
            num_classes=num_things,
            bbox_coder=dict(
                type=DeltaXYWHBBoxCoder, target_means=[0.0, 0.0, 0.0, 0.0], target_stds=[0.1, 0.1, 0.2, 0.2]
            ),
            reg_class_agnostic=True,
            loss_cls=dict(type=CrossEntropyLoss, use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type=L1Loss, loss_weight=1.0),
        ),
        mask_roi_extractor=dict(
            type=SingleRoIExtractor,
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=1),
            out_channels=64,
            featmap_strides=[4, 8, 16, 32],
            finest_scale=28,
        ),
        mask_head=dict(
            type=FCNMaskHead,
            num_convs=2,
            in_channels=64,
            conv_out_channels=64,
            num_classes=num_things,
            loss_mask=dict(type=CrossEntropyLoss, use_mask=True, loss_weight=1.0),
        ),
    ),
    semantic_head=dict(  # the leaf names its type
        num_things_classes=num_things,
        num_stuff_classes=num_stuff,
        in_channels=64,
        feat_channels=64,
        num_groups=16,
        loss=dict(type=SemanticCrossEntropy, loss_weight=1.0),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type=MaxIoUAssigner,
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=0.7,
            ),
            sampler=dict(
                type=RandomSampler, num=128, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
            ),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=300, max_per_img=64, nms=dict(type=nms, iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(
            assigner=dict(
                type=MaxIoUAssigner,
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=0.7,
            ),
            sampler=dict(
                type=RandomSampler, num=64, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
            ),
            mask_size=28,
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=300, max_per_img=64, nms=dict(type=nms, iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            score_thr=0.05, nms=dict(type=nms, iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5
        ),
    ),
)
