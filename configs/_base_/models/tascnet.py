"""TASCNet: arXiv:1812.01192, sections 3.1-3.3, over mask_rcnn_r50.py. Class counts are set by the leaf."""

from panoptic_heads.common import (
    BootstrappedCrossEntropy,
    ConcatSemanticHead,
    MaskGuidedFusion,
    SemanticCrossEntropy,
)
from panoptic_heads.tascnet import TASCNet

tascnet = dict(
    type=TASCNet,
    tasc_weight=1.0,  # section 4.4: "We choose lambda = 1 as our final configuration"
    neck=dict(
        num_outs=6,  # section 3.1.1: "two additional high level context feature maps", as RetinaNet's
        add_extra_convs="on_output",  # P6: a 3x3 convolution of stride 2 on P5
        relu_before_extra_convs=True,  # P7: the same on ReLU(P6)
    ),
    rpn_head=dict(anchor_generator=dict(strides=[4, 8, 16, 32, 64, 128])),  # P2-P7
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
    test_cfg=dict(
        # Fusion: the paper's own filter, from the same candidates.
        panoptic=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.3), max_per_img=100),
    ),
)

# On Mapillary Vistas: model.update(tascnet), then model["semantic_head"].update(tascnet_vistas_head)
tascnet_vistas_head = dict(
    collapse_things=True,  # section 4.2: N + 1, "due to the limitation of GPU memory"
    loss=dict(
        type=BootstrappedCrossEntropy,  # appendix: "a weighted, bootstrapped loss"
        top_k=0.25,  # not printed: what Seamless Scene Segmentation's public code takes on Vistas
        # Not printed: 29 numbers, all things as one class first; docs/tascnet.md says how to get them
        class_weight=None,
        loss_weight=1.0,
    ),
)
