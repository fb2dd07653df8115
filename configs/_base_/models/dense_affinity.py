"""The dense-affinity network: arXiv:2001.04982, over mask_rcnn_r50.py. Class counts are the leaf's.

`dense_affinity` is model D2 of Table 1; leaves of other models take parts away. `cityscapes` and `coco` are
what depends on the data; the loss weights before them are those of Cityscapes.
"""

from panoptic_heads.common import ConfidenceFusion, DeformableSemanticHead, SemanticCrossEntropy
from panoptic_heads.dense_affinity import (
    AffinityFusion,
    AffinityHead,
    DenseAffinity,
    DynamicPotential,
    LovaszHingeMaskLoss,
    LovaszSoftmax,
    PanopticMatchingLoss,
    SqueezeExcitationFPN,
)

detection = 0.25  # weight of each loss of RPN, box head and mask head (section 4, Cityscapes)

dense_affinity = dict(
    type=DenseAffinity,
    # Batch norm as Mask R-CNN's: "kept unchanged" (section B)
    neck=dict(type=SqueezeExcitationFPN, reduction=16),  # section 3.1; not printed: SENet's default
    rpn_head=dict(loss_cls=dict(loss_weight=detection), loss_bbox=dict(loss_weight=detection)),
    roi_head=dict(
        bbox_head=dict(loss_cls=dict(loss_weight=detection), loss_bbox=dict(loss_weight=detection))
    ),
    semantic_head=dict(  # the leaf's loss: cross entropy (section A.1), on Cityscapes Lovasz-Softmax (B)
        type=DeformableSemanticHead,
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        in_channels=256,
        feat_channels=128,  # UPSNet's code, like the next two
        num_levels=4,  # P2-P5
        num_convs=2,
        num_groups=32,  # section A.1: group normalisation; not printed: its default
    ),
    potential=dict(
        type=DynamicPotential,
        num_things=0,  # the leaf's
        form="product",  # variant B (section A.3, Cityscapes)
        truth=False,  # section A.4
        # not printed: Mask R-CNN's filter
        score_thr=0.05,
        nms=dict(type="nms", iou_threshold=0.5),
        max_per_img=100,
    ),
    affinity_head=dict(
        type=AffinityHead,  # section 3.4.2: the architecture of the semantic head
        in_channels=256,
        feat_channels=128,
        num_levels=4,
        num_convs=2,
        num_groups=32,
        channels=128,  # C
        # Ours, as the mean over the pixels; P begins close to the potential. From 0 its sign is chance:
        # where it ends below 0, pixels take from those that they belong to.
        initial_gamma=0.1,
    ),
    # Section 4: weight 1. Tau is ours: P is at most 2 at first, and with the literal 1 the softmax of a
    # hundred channels is never sure.
    panoptic_loss=dict(type=PanopticMatchingLoss, tau=10.0, learn_tau=False, loss_weight=1.0),
    min_iou=0.5,  # t, section 3.5
    panoptic_fusion_head=dict(
        type=AffinityFusion,
        score_thr=0.5,  # section B, Cityscapes
        form="product",
        affinity=True,
        stuff_area_limit=2048,  # not printed: UPSNet's on Cityscapes
    ),
)

# Not printed: UPSNet's backbone, MSRA's weights. With its stride in the first 1x1 convolution backbone and
# pyramid have 140.1 billion multiply-adds at 800 x 1300, the paper's 140 (section 3.4.2); torchvision's: 145.
msra = dict(
    data_preprocessor=dict(mean=[103.530, 116.280, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),  # BGR
    backbone=dict(style="caffe", init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet50_caffe")),
)

# Section A.2: in the place of the mask head's binary cross entropy, whose entries it does not have. A leaf
# with a mask head says: model["roi_head"]["mask_head"]["loss_mask"] = hinge
hinge = dict(type=LovaszHingeMaskLoss, loss_weight=detection)

full_detection = dict(  # weights of 1 for RPN and box head (section 4, COCO)
    rpn_head=dict(loss_cls=dict(loss_weight=1.0), loss_bbox=dict(loss_weight=1.0)),
    roi_head=dict(bbox_head=dict(loss_cls=dict(loss_weight=1.0), loss_bbox=dict(loss_weight=1.0))),
)

cityscapes = dict(  # 8 thing and 11 stuff classes are evaluated
    roi_head=dict(bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)),
    semantic_head=dict(
        num_things_classes=8,
        num_stuff_classes=11,
        loss=dict(type=LovaszSoftmax, loss_weight=1.0),  # section B; its weight: section 4
    ),
    potential=dict(num_things=8),
)

coco = dict(
    roi_head=dict(bbox_head=dict(num_classes=80), mask_head=dict(num_classes=80)),
    semantic_head=dict(
        num_convs=3,  # UPSNet's code
        num_things_classes=80,
        num_stuff_classes=53,
        loss=dict(type=SemanticCrossEntropy, loss_weight=0.2),  # section A.1; its weight: section 4
    ),
    affinity_head=dict(num_convs=3),  # the same architecture
    panoptic_loss=dict(loss_weight=0.1),  # section 4
    potential=dict(num_things=80, form="sum"),  # variant C (section A.3)
    panoptic_fusion_head=dict(
        score_thr=0.75,  # section B
        form="sum",
        stuff_area_limit=4096,  # not printed: UPSNet's on COCO
    ),
)

mask_free = dict(  # models A and B
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
    potential=dict(form="mask_free"),
    panoptic_fusion_head=dict(form="mask_free"),
)

# Models C1 and D1: model["panoptic_fusion_head"] = heuristic
heuristic = dict(
    type=ConfidenceFusion,  # the paper's [14], arXiv:1801.00868, by panopticapi's numbers, like the next two
    score_thr=0.5,
    mask_overlap=0.5,
    stuff_area_limit=2048,  # as above
)
