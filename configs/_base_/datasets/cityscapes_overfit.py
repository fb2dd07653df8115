# One folder of images with Cityscapes' categories, learnt by heart: what is trained on is what is tested on.
# FOLDER (--data-root) holds images/, panoptic.json and panoptic/; tools/realdata.py makes one of four images.
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import DefaultSampler, InfiniteSampler

from panoptic_core.evaluation import InstanceAP, MeanIoU, PanopticQuality
from panoptic_data.datasets import CocoPanoptic
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

folder = dict(
    type=CocoPanoptic,
    data_root="data/overfit",
    ann_file="panoptic.json",
    data_prefix=dict(img="images", seg="panoptic"),
    table="cityscapes",
)
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type=InfiniteSampler, shuffle=True),
    dataset=dict(
        **folder,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            dict(type=PackPanopticInputs),  # no flip: what is to be learnt is what is tested
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        **folder,
        test_mode=True,
        pipeline=[
            dict(type=LoadImageFromFile),
            dict(type=LoadPanoptic),
            dict(type=PackPanopticInputs, test_mode=True),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = [dict(type=PanopticQuality), dict(type=MeanIoU), dict(type=InstanceAP)]
test_evaluator = val_evaluator
