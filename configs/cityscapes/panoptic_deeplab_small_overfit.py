# python tools/train.py configs/cityscapes/panoptic_deeplab_small_overfit.py --data-root FOLDER
#
# A check, not a recipe: the small Panoptic-DeepLab, from random weights, learns the images of one folder by
# heart and is evaluated on them. FOLDER holds images/, panoptic.json and panoptic/ with Cityscapes'
# categories; tools/realdata.py makes one of four crops of 513 x 257 pixels. The paper has no such row.
from mmcv.transforms import LoadImageFromFile
from mmengine.config import read_base

with read_base():
    from .._base_.datasets.cityscapes_overfit import *
    from .._base_.models.panoptic_deeplab_small import *
    from .._base_.runtime import *
    from .._base_.schedules.overfit import *

from panoptic_data.transforms import LoadPanoptic, MakeCenterTargets, PackPanopticInputs

num_things, num_stuff = 8, 11  # Cityscapes' evaluated classes

train_dataloader["dataset"].update(
    pipeline=[
        dict(type=LoadImageFromFile),
        dict(type=LoadPanoptic, use_instance_file=False),
        dict(type=MakeCenterTargets, sigma=3.0, small_area=256, small_weight=3.0),
        dict(type=PackPanopticInputs, with_instances=False),
    ],
)
model["head"].update(num_things_classes=num_things, num_stuff_classes=num_stuff)
model["panoptic_fusion_head"].update(nms_kernel=5, stuff_area_limit=0)
# As in configs/panoptic_deeplab.py: the layer of the offsets may grow faster than the rest.
optim_wrapper["paramwise_cfg"].update(
    custom_keys={"head.offset_head.score": dict(lr_mult=10.0, decay_mult=0.0)}
)
