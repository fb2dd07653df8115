# torchrun --nproc_per_node=8 tools/train.py configs/cityscapes/panoptic_deeplab_mnv3.py --launcher pytorch \
#     --data-root DATA/cityscapes
#
# Panoptic-DeepLab, MobileNetV3-Large, ImageNet weights, Cityscapes val. The paper: PQ 55.4 (table 9).
# Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 32 images in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.center_crops import cityscapes_crops
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.deeplab_backbones import mobilenet_v3
    from .._base_.models.panoptic_deeplab import *
    from .._base_.runtime import *
    from .._base_.schedules.panoptic_deeplab import *

work_dir = "work_dirs/cityscapes_panoptic_deeplab_mnv3"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(mobilenet_v3)
model["head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
train_dataloader.update(batch_size=4)  # section 4: 32 images; 8 GPUs x 4
train_dataloader["dataset"].update(pipeline=cityscapes_crops)
del cityscapes_crops, mobilenet_v3

# --tta; section 4
tta = dict(scales=[0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0], flip=True)
