"""A small box-based panoptic model that learns generated scenes on two CPU cores, from random weights.

Over mask_rcnn_r50.py: the same parts, narrower. Every number here is ours, chosen by trying.
"""

from panoptic_heads.common import SemanticCrossEntropy

num_things, num_stuff = 7, 7  # of the generator's scenes

small = dict(
    backbone=dict(
        depth=18,
        base_channels=32,
        # nothing is frozen: all weights are random at first
        frozen_stages=-1,
        norm_cfg=dict(requires_grad=True),
        norm_eval=False,
        zero_init_residual=True,
        init_cfg=None,
    ),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=dict(
            roi_layer=dict(sampling_ratio=1),
            out_channels=64,
            finest_scale=28,  # objects are half as large as in photographs
        ),
        bbox_head=dict(in_channels=64, fc_out_channels=256, num_classes=num_things, reg_class_agnostic=True),
        mask_roi_extractor=dict(roi_layer=dict(sampling_ratio=1), out_channels=64, finest_scale=28),
        mask_head=dict(num_convs=2, in_channels=64, conv_out_channels=64, num_classes=num_things),
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
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=300, max_per_img=64),
        rcnn=dict(assigner=dict(match_low_quality=False), sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=300, max_per_img=64)),
)
