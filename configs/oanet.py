# python tools/train.py configs/oanet.py
#
# OANet (arXiv:1903.05027), small, on generated scenes with worn objects: it runs anywhere, from random
# weights. The paper has no such row; configs/coco/oanet_r50.py is the paper's recipe.
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.mask_rcnn_r50 import *
    from ._base_.models.small import num_things, small
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

from panoptic_heads.common import RankingFusion
from panoptic_heads.oanet import OANet, OcclusionOrder, SpatialRanking, StuffBranch

model.update(small)
del small
model.update(
    type=OANet,
    sharing="fpn",  # table 4, "+ skip-connection"
    ranking_head=dict(
        type=SpatialRanking,
        num_things_classes=num_things,
        kernel="large",  # table 5
        kernel_size=7,
        loss_weight=1.0,  # equation 1
    ),
    panoptic_fusion_head=dict(
        type=RankingFusion,
        score_thr=0.5,  # ours, like the next
        mask_overlap=0.5,
        # Persons in a group: their scores order them better than what else their masks cover (docs/oanet.md).
        same_class="score",
        # The paper: 4900. The scenes label no stuff segment below 512 pixels, but trees and cars cut them
        # into smaller regions.
        stuff_area_limit=64,
    ),
)
model["semantic_head"].update(type=StuffBranch, num_convs=1)
model["semantic_head"]["loss"].update(loss_weight=0.25)  # table 1

# PQ of single classes: the worn one, backpack, is what the ranking is for.
val_evaluator[0].update(classwise=True)
# Does what lies on top score lower than what it lies on, and is it shown?
val_evaluator = [*val_evaluator, dict(type=OcclusionOrder)]
test_evaluator = val_evaluator
