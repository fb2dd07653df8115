# torchrun --nproc_per_node=8 tools/train.py configs/coco/oanet_r50_pano_instances.py --launcher pytorch \
#     --data-root DATA/coco
#
# Table 3, "w/pano-instance GT": boxes and masks learn instances cut out of the panoptic map, which do not
# overlap, in two separate networks and without ranking. The paper, on val: PQ 36.1, PQ_th 43.5, PQ_st 24.9.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.oanet import oanet
    from .._base_.runtime import *
    from .._base_.schedules.coco_100k import *

work_dir = "work_dirs/coco_oanet_r50_pano_instances"
num_things, num_stuff = 80, 53

model.update(oanet)
del oanet
model.update(
    sharing="none",
    ranking_head=None,
    panoptic_fusion_head=dict(order="score"),
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)

# Mask R-CNN's single scale: "for other details, we employ the experience from Mask-RCNN" (section 4.2)
train_dataloader["dataset"]["pipeline"][2].update(scale=[(1333, 800), (1333, 800)])
train_dataloader["dataset"].update(instances_file=None)  # average precision is still of the overlapping masks
