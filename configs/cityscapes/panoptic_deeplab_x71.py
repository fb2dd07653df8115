# torchrun --nproc_per_node=8 tools/train.py configs/cityscapes/panoptic_deeplab_x71.py --launcher pytorch \
#     --data-root DATA/cityscapes \
#     --load-from IMAGENET_WEIGHTS
#
# Panoptic-DeepLab, Xception-71, ImageNet weights, Cityscapes val. The paper: PQ 63.0, AP 35.3, mIoU 80.5
# (table 1); with --tta 64.1, 38.5, 81.5 (table 2).
# Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 32 images in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.center_crops import cityscapes_crops
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.deeplab_backbones import xception71
    from .._base_.models.panoptic_deeplab import *
    from .._base_.runtime import *
    from .._base_.schedules.panoptic_deeplab import *

work_dir = "work_dirs/cityscapes_panoptic_deeplab_x71"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(xception71)
model["head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
train_dataloader.update(batch_size=4)  # section 4: 32 images; 8 GPUs x 4
train_dataloader["dataset"].update(pipeline=cityscapes_crops)
train_dataloader["dataset"]["pipeline"][2].update(pad_value=(127.5, 127.5, 127.5))  # zero, as normalised
del cityscapes_crops, xception71

# --tta; section 4
tta = dict(scales=[0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0], flip=True)
