# torchrun --nnodes=2 --nproc_per_node=8 tools/train.py configs/cityscapes/upsnet_r50.py --launcher pytorch \
#     --data-root DATA/cityscapes
#
# UPSNet, ResNet-50, ImageNet weights, Cityscapes val. The paper: PQ 59.3, PQ_th 54.6, PQ_st 62.7 (table 3);
# with --tta 60.1, 55.0, 63.7. Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 16 images in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.mask_rcnn_r50 import *
    from .._base_.models.upsnet import upsnet
    from .._base_.runtime import *
    from .._base_.schedules.upsnet_cityscapes_12k import *

work_dir = "work_dirs/cityscapes_upsnet_r50"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

# The loss weights of _base_/models/upsnet.py are those of Cityscapes.
model.update(upsnet)
del upsnet
model.update(
    roi_head=dict(bbox_head=dict(num_classes=num_things), mask_head=dict(num_classes=num_things)),
    semantic_head=dict(num_things_classes=num_things, num_stuff_classes=num_stuff),
)

# Section 6.1: short side 800-1024; the long side follows, images are 1:2.
train_dataloader["dataset"]["pipeline"][2].update(scale=[(2048, 800), (2048, 1024)])

# --tta; section 6.1: short sides 704 to 1344, of semantic logits alone; factors of the test pipeline's 1024
tta = dict(
    scales=[short / 1024 for short in range(704, 1345, 64)], flip=True, semantics_only=True, space="logits"
)
