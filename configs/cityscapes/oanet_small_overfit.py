# python tools/train.py configs/cityscapes/oanet_small_overfit.py --data-root FOLDER
#
# A check, not a recipe: the small OANet, from random weights, learns the images of one folder by heart and
# is evaluated on them. FOLDER holds images/, panoptic.json and panoptic/ with Cityscapes' categories;
# tools/realdata.py makes one of four images with a longest side of 512 pixels. The paper has no such row.
# There are no overlapping masks here, hence no conflicts: the ranking stays neutral, see oanet_r50.py.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_overfit import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.small import small
    from .._base_.runtime import *
    from .._base_.schedules.overfit import *

from panoptic_heads.common import RankingFusion
from panoptic_heads.oanet import OANet, SpatialRanking, StuffBranch

num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(small)
del small
model.update(
    type=OANet,
    # Cars of 7 x 7 pixels need anchors of 8 and more proposals than scenes with six things.
    rpn_head=dict(anchor_generator=dict(scales=[2, 4])),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=200)),
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(
        type=StuffBranch, num_convs=1, num_things_classes=num_things, num_stuff_classes=num_stuff
    ),
    ranking_head=dict(type=SpatialRanking, num_things_classes=num_things),
    panoptic_fusion_head=dict(
        type=RankingFusion,
        score_thr=0.5,
        mask_overlap=0.5,
        stuff_area_limit=0,  # the paper: 4900; the labelled regions themselves are smaller
    ),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=200)),
)
model["semantic_head"]["loss"].update(loss_weight=0.25)  # table 1
