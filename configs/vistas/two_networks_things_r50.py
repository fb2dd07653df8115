# torchrun --nproc_per_node=8 tools/train.py configs/vistas/two_networks_things_r50.py --launcher pytorch \
#     --data-root DATA/vistas
#
# Mask R-CNN: one half of TASCNet's own two-network baseline "MaskRCNN+FPN Seg." on Mapillary
# Vistas; the other half is two_networks_stuff_r50.py, and panoptic-fuse joins them (docs/panoptic_fuse.md).
# The paper, both together, val: PQ 32.6, PQ_th 31.8, PQ_st 33.7, AP 20.2 (table 2).
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.vistas import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.tascnet import tascnet, tascnet_vistas_head
    from .._base_.runtime import *
    from .._base_.schedules.tascnet_vistas_180k import *

from panoptic_core.engine.hooks import ProgressHook
from panoptic_core.evaluation import InstanceAP

work_dir = "work_dirs/vistas_two_networks_things_r50"
num_things, num_stuff = 37, 28  # Vistas' evaluated classes

model.update(tascnet)
model["semantic_head"].update(tascnet_vistas_head)
del tascnet, tascnet_vistas_head
model.update(
    stage="things",  # the semantic head is there, and neither trained nor asked
    tasc_weight=0.0,
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
    # "generating the panoptic output as in [15]" (section 4.3): Mask R-CNN's own detections are fused
    test_cfg=dict(panoptic=None),
)

val_evaluator = [dict(type=InstanceAP)]
test_evaluator = val_evaluator
custom_hooks = [dict(type=ProgressHook)]  # no pictures: there is no panoptic map
