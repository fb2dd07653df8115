"""OANet: arXiv:1903.05027, sections 3 and 4.2, over mask_rcnn_r50.py. Class counts are set by the leaf.

Fusion gets Mask R-CNN's standard output (section 4.2: at most 100 boxes).
"""

from panoptic_heads.common import RankingFusion, SemanticCrossEntropy
from panoptic_heads.oanet import OANet, SpatialRanking, StuffBranch

oanet = dict(
    type=OANet,
    sharing="fpn",  # table 4, "+ skip-connection"; "backbone" and "none" are the table's other rows
    semantic_head=dict(
        type=StuffBranch,  # section 3.1, figure 3
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        in_channels=256,
        feat_channels=128,  # not printed: as TASCNet and Panoptic FPN
        num_levels=4,  # P2-P5
        num_convs=2,
        num_groups=32,  # not printed, group normalisation included: as Panoptic FPN
        supervise="all",  # table 2: 37.2 PQ against 36.7 for stuff alone
        loss=dict(type=SemanticCrossEntropy, loss_weight=0.25),  # table 1; with 1.0 it did not converge
    ),
    ranking_head=dict(
        type=SpatialRanking,  # section 3.2
        num_things_classes=0,  # the leaf's
        kernel="large",  # table 5: 39.0 PQ against 38.7 for 3x3, 38.4 for 1x1
        kernel_size=7,
        resolution="image",  # "the tensor of input size"; "quarter" does a sixteenth of the work
        loss_weight=1.0,  # equation 1
    ),
    panoptic_fusion_head=dict(
        type=RankingFusion,  # section 3.2
        score_thr=0.5,  # not printed: panopticapi's defaults, like the next
        mask_overlap=0.5,
        order="ranking",  # "score" is table 3's baseline
        stuff_area_limit=4900,  # section 4.2
        stuff_area_by="component",  # section 4.2: "the min area of a connected stuff area"
    ),
)
