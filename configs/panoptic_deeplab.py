# python tools/train.py configs/panoptic_deeplab.py
#
# Panoptic-DeepLab (arXiv:1911.10194), small, on generated scenes: it runs anywhere, from random weights. The
# paper has no such row; configs/cityscapes/panoptic_deeplab_r50.py and its siblings are the paper's recipes.
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import RandomFlip
from mmengine.config import read_base

with read_base():
    from ._base_.datasets.generated import *
    from ._base_.models.panoptic_deeplab_small import *
    from ._base_.runtime import *
    from ._base_.schedules.quick import *

from panoptic_data.transforms import LoadPanoptic, MakeCenterTargets, PackPanopticInputs
from panoptic_heads.panoptic_deeplab import CenterPicturesHook

train_dataloader["dataset"].update(
    pipeline=[
        dict(type=LoadImageFromFile),
        dict(type=LoadPanoptic, use_instance_file=False),  # targets are the visible segments
        dict(type=RandomFlip, prob=0.5),
        # The paper: Gaussians of 8 pixels in images of 1025 x 2049, and only 64 x 64 is small.
        dict(type=MakeCenterTargets, sigma=3.0, small_area=160 * 160, small_weight=3.0),
        dict(type=PackPanopticInputs, with_instances=False),
    ],
)

train_cfg.update(max_iters=2200, val_interval=2200)  # cheaper ones than those of the box-based models
param_scheduler[1].update(end=2200)
# Offsets are tens of pixels, and the layer that says them begins near zero: it may grow faster than the rest.
optim_wrapper["paramwise_cfg"].update(
    custom_keys={"head.offset_head.score": dict(lr_mult=10.0, decay_mult=0.0)}
)

custom_hooks = [*custom_hooks, dict(type=CenterPicturesHook, num_images=8)]

tta = dict(scales=[0.75, 1.0, 1.25], flip=True)  # --tta; the scales are ours
