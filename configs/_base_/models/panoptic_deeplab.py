"""Panoptic-DeepLab (arXiv:1911.10194), the paper's best model. "DeeperLab" is arXiv:1902.05093.

The backbone comes from deeplab_backbones.py; class counts are the leaf's.
"""

from mmdet.models import DetDataPreprocessor

from panoptic_heads.panoptic_deeplab import (
    CenterHeatmapLoss,
    CentersFusion,
    OffsetL1Loss,
    PanopticDeepLab,
    PanopticDeepLabHead,
    WeightedBootstrappedCrossEntropy,
)

model = dict(
    type=PanopticDeepLab,
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[123.675, 116.28, 103.53],  # of torchvision's weights
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=False,
        pad_seg=True,
        seg_pad_value=255,
    ),
    size_divisor=16,  # section 4: sides of k * stride + 1
    head=dict(
        type=PanopticDeepLabHead,
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        skips=(1, 0),  # section 3.1: output strides 8 and 4
        # figure 2 and table 1: C_sem = 256, C_ins = 128
        semantic=dict(aspp_channels=256, decoder_channels=256, projections=(64, 32), head_channels=256),
        instance=dict(aspp_channels=256, decoder_channels=128, projections=(32, 16), head_channels=32),
        dual_aspp=True,  # table 1
        dual_decoder=True,  # table 1
        decoder_kernel=5,  # section 3.1
        head_kernel=5,  # figure 2
        align_corners=True,  # section 4: crops of k * stride + 1
        heatmap_activation="none",  # with the mean squared error
    ),
    semantic_loss=dict(
        type=WeightedBootstrappedCrossEntropy,
        top_k=0.15,  # not printed: DeeperLab's; public codes: 0.2
        per="image",  # DeeperLab
        loss_weight=1.0,
    ),
    center_loss=dict(type=CenterHeatmapLoss, kind="mse", loss_weight=200.0),  # section 4
    offset_loss=dict(type=OffsetL1Loss, loss_weight=0.25),  # section 4
    panoptic_fusion_head=dict(
        type=CentersFusion,
        threshold=0.1,  # section 3.2
        nms_kernel=7,  # section 3.2
        top_k=200,  # section 3.2
        objectness="center",  # section 3.3
        stuff_area_limit=2048,  # section 4, Cityscapes; COCO and Vistas: 4096
    ),
)
