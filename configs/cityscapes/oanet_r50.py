# torchrun --nproc_per_node=8 tools/train.py configs/cityscapes/oanet_r50.py --launcher pytorch \
#     --data-root DATA/cityscapes
#
# OANet, ResNet-50, ImageNet weights, Cityscapes val. Ours, not the paper's, which is about COCO alone; the
# schedule is TASCNet's. Cityscapes' masks do not overlap: no pixel is in conflict, the ranking module stays
# as it starts, with equal ranks, and detection scores order the instances.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.oanet import oanet
    from .._base_.runtime import *
    from .._base_.schedules.cityscapes_20k import *

work_dir = "work_dirs/cityscapes_oanet_r50"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(oanet)
del oanet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
    ranking_head=dict(num_things_classes=num_things),
    panoptic_fusion_head=dict(stuff_area_limit=2048),  # UPSNet's and Panoptic-DeepLab's on Cityscapes
)
