# torchrun --nproc_per_node=8 tools/train.py configs/vistas/panoptic_deeplab_r50.py \
#     --launcher pytorch --data-root DATA/vistas
#
# Panoptic-DeepLab, ResNet-50, ImageNet weights, Mapillary Vistas val.
# The paper: PQ 33.3 (table 9).
# Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 64 crops in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.vistas_center_crops import *
    from .._base_.models.deeplab_backbones import resnet50
    from .._base_.models.panoptic_deeplab import *
    from .._base_.runtime import *
    from .._base_.schedules.panoptic_deeplab_vistas_150k import *

work_dir = "work_dirs/vistas_panoptic_deeplab_r50"
num_things, num_stuff = 37, 28  # Vistas' evaluated classes

model.update(resnet50)
model["head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model["panoptic_fusion_head"].update(stuff_area_limit=4096)  # section 4
del resnet50

# --tta; section 4
tta = dict(scales=[0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0], flip=True)
