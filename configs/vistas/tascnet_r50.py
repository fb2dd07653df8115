# torchrun --nproc_per_node=8 tools/train.py configs/vistas/tascnet_r50.py --launcher pytorch \
#     --data-root DATA/vistas
#
# TASCNet, ResNet-50, ImageNet weights, Mapillary Vistas val. The paper: PQ 32.6, PQ_th 31.1, PQ_st 34.4,
# AP 18.5 (table 2); with --tta 34.3, 34.8, 33.6, 20.4. The stuff head knows all things as one class: there is
# no mean IoU. One GPU: --cfg-options train_dataloader.batch_size=8, or --auto-scale-lr.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.vistas import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.tascnet import tascnet, tascnet_vistas_head
    from .._base_.runtime import *
    from .._base_.schedules.tascnet_vistas_180k import *

work_dir = "work_dirs/vistas_tascnet_r50"
num_things, num_stuff = 37, 28  # Vistas' evaluated classes

model.update(tascnet)
model["semantic_head"].update(tascnet_vistas_head)
del tascnet, tascnet_vistas_head
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)

# --tta; section 4.2 prints no scales. Of the test pipeline's 1024: short sides 768 to 1536
tta = dict(scales=[0.75, 1.0, 1.25, 1.5], flip=True)
