# torchrun --nproc_per_node=8 tools/train.py configs/coco/panoptic_deeplab_r50_641.py --launcher pytorch \
#     --data-root DATA/coco
#
# Panoptic-DeepLab, ResNet-50, ImageNet weights, COCO val, 641 pixels. The paper: PQ 35.1 (table 9).
# Fewer GPUs: --cfg-options train_dataloader.batch_size=..., 64 images in all.
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.center_crops import coco_crops
    from .._base_.datasets.coco_panoptic import *
    from .._base_.models.deeplab_backbones import resnet50
    from .._base_.models.panoptic_deeplab import *
    from .._base_.runtime import *
    from .._base_.schedules.panoptic_deeplab import *

work_dir = "work_dirs/coco_panoptic_deeplab_r50_641"
num_things, num_stuff = 80, 53  # COCO's panoptic classes
size = (641, 641)  # table 9

model.update(resnet50)
model["head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model["panoptic_fusion_head"].update(stuff_area_limit=4096)  # section 4

coco_crops[2].update(size=size, fit=size)
train_dataloader.update(batch_size=8, batch_sampler=None)  # section 4: 64 crops; 8 GPUs x 8
train_dataloader["dataset"].update(pipeline=coco_crops, instances_file=None)  # not read: appendix D
val_dataloader["dataset"]["pipeline"][1].update(scale=size)  # at the longest side
test_dataloader = val_dataloader
del coco_crops, resnet50

train_cfg.update(max_iters=200_000, val_interval=20_000)  # section 4
param_scheduler[0].update(end=200_000)
auto_scale_lr.update(base_batch_size=64)

tta = dict(scales=[0.5, 0.75, 1.0, 1.25, 1.5], flip=True)  # --tta; section 4
