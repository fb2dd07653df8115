# torchrun --nproc_per_node=8 tools/train.py configs/cityscapes/panoptic_deeplab_x71_from_vistas.py \
#     --launcher pytorch --data-root DATA/cityscapes \
#     --load-from work_dirs/vistas_panoptic_deeplab_x71/iter_150000.pth
#
# As panoptic_deeplab_x71.py, started from configs/vistas/panoptic_deeplab_x71.py; layers that depend on the
# classes start anew and are listed. The paper: PQ 65.3, AP 38.8, mIoU 82.5 (table 2, "MV").
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.center_crops import cityscapes_crops
    from .._base_.datasets.cityscapes_panoptic import *
    from .._base_.models.deeplab_backbones import xception71
    from .._base_.models.panoptic_deeplab import *
    from .._base_.runtime import *
    from .._base_.schedules.panoptic_deeplab import *

work_dir = "work_dirs/cityscapes_panoptic_deeplab_x71_from_vistas"
num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

model.update(xception71)
model["head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
train_dataloader.update(batch_size=4)  # section 4: 32 images; 8 GPUs x 4
train_dataloader["dataset"].update(pipeline=cityscapes_crops)
train_dataloader["dataset"]["pipeline"][2].update(pad_value=(127.5, 127.5, 127.5))  # zero, as normalised
del cityscapes_crops, xception71

# --tta; section 4
tta = dict(scales=[0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0], flip=True)
