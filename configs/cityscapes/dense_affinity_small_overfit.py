# python tools/train.py configs/cityscapes/dense_affinity_small_overfit.py --data-root FOLDER
#
# A check, not a recipe: the small dense-affinity network, from random weights, learns the images of one
# folder by heart and is evaluated on them. FOLDER holds images/, panoptic.json and panoptic/ with Cityscapes'
# categories; tools/realdata.py makes one of four crops of 513 x 257 pixels. The paper has no such row.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_overfit import *
    from .._base_.models.dense_affinity import dense_affinity, full_detection, hinge
    from .._base_.models.dense_affinity_small import dense_affinity_small
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.small import small
    from .._base_.runtime import *
    from .._base_.schedules.overfit import *

num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(dense_affinity)
model.update(full_detection)  # from random weights: with a quarter boxes are not learnt in minutes
model.update(small)
model.update(dense_affinity_small)
model.update(
    upsample=2,  # a quarter of the crop's side is two to four cells of a car
    # Cars of 7 x 7 pixels need anchors of 8 and more proposals than scenes with six things.
    rpn_head=dict(anchor_generator=dict(scales=[2, 4])),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=200)),
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
    panoptic_loss=dict(loss_weight=1.0),  # Cityscapes', as variant B
    potential=dict(num_things=num_things, form="product"),
    panoptic_fusion_head=dict(form="product", stuff_area_limit=0),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=200)),
)
model["roi_head"]["mask_head"]["loss_mask"] = dict(hinge, loss_weight=1.0)
del dense_affinity, dense_affinity_small, full_detection, hinge, small
