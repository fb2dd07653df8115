"""A small Panoptic-DeepLab that learns small scenes on two CPU cores, from random weights.

The parts are those of the paper's models, narrower. Every number here is ours, chosen by trying, except where
the paper is named.
"""

from mmdet.models import DetDataPreprocessor, ResNet
from torch.nn import BatchNorm2d

from panoptic_heads.panoptic_deeplab import (
    CenterHeatmapLoss,
    CentersFusion,
    OffsetL1Loss,
    PanopticDeepLab,
    PanopticDeepLabHead,
    WeightedBootstrappedCrossEntropy,
)

num_things, num_stuff = 7, 7  # of the generator's scenes

model = dict(
    type=PanopticDeepLab,
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=False,
        pad_seg=True,
        seg_pad_value=255,
    ),
    size_divisor=16,
    backbone=dict(
        type=ResNet,
        depth=18,
        base_channels=32,
        num_stages=4,
        strides=(1, 2, 2, 1),  # output stride 16
        dilations=(1, 1, 1, 2),
        out_indices=(0, 1, 2, 3),
        norm_cfg=dict(type=BatchNorm2d),
        norm_eval=False,
        zero_init_residual=True,
        style="pytorch",
    ),
    head=dict(
        type=PanopticDeepLabHead,
        num_things_classes=num_things,
        num_stuff_classes=num_stuff,
        in_channels=[32, 64, 128, 256],
        skips=(1, 0),
        semantic=dict(aspp_channels=64, decoder_channels=64, projections=(32, 32), head_channels=64),
        instance=dict(aspp_channels=64, decoder_channels=64, projections=(32, 32), head_channels=32),
        aspp=dict(rates=(1, 2, 3), dropout=0.0),  # the coarsest map has 11 x 11 cells
        decoder_kernel=3,  # the paper: 5, in decoders and heads; slow on a CPU
        head_kernel=3,
    ),
    # The paper's hardest 15 % need a long schedule: in a short one borders become fat. All pixels count.
    semantic_loss=dict(type=WeightedBootstrappedCrossEntropy, top_k=1.0, loss_weight=2.0),
    center_loss=dict(type=CenterHeatmapLoss, kind="mse", loss_weight=200.0),  # section 4
    offset_loss=dict(type=OffsetL1Loss, loss_weight=0.25),  # section 4
    panoptic_fusion_head=dict(
        type=CentersFusion,
        threshold=0.25,  # the paper: 0.1, after a schedule forty times as long
        nms_kernel=9,  # the paper: 7
        top_k=200,  # section 3.2
        stuff_area_limit=256,  # half of the smallest stuff segment that the scenes label (Cityscapes: 2048)
    ),
)
