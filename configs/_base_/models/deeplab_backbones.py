"""The backbones of Panoptic-DeepLab's table 9, each with the normalisation of its weights.

A leaf takes one: ``model.update(resnet50)``.
"""

from mmengine.model import PretrainedInit
from torch.nn import BatchNorm2d

from panoptic_core.backbones import DeepLabResNet, MobileNetV3Large, Xception

resnet50 = dict(
    backbone=dict(
        type=DeepLabResNet,
        depth=50,
        output_stride=16,
        stem="torchvision",  # of public weights; table 9 counts another stem, see docs/panoptic_deeplab.md
        init_cfg=dict(type=PretrainedInit, checkpoint="torchvision://resnet50"),
    ),
    head=dict(in_channels=[256, 512, 1024, 2048]),
)
xception71 = dict(
    # [-1, 1] and eps: TensorFlow's. ImageNet's weights are timm's; docs/panoptic_deeplab.md says how they
    # come to --load-from.
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(type=Xception, depth=71, output_stride=16, norm_cfg=dict(type=BatchNorm2d, eps=1e-3)),
    head=dict(in_channels=[256, 728, 2048]),
)
mobilenet_v3 = dict(
    backbone=dict(
        type=MobileNetV3Large,
        output_stride=16,  # the multiply-adds of table 9
        reduced_tail=True,  # table 9: "channels in last block of MNV3 are reduced by a factor of 2"
        norm_cfg=dict(type=BatchNorm2d, eps=1e-3),  # torchvision's weights were trained with it
        init_cfg=dict(type=PretrainedInit, checkpoint="torchvision://mobilenet_v3_large"),
    ),
    head=dict(in_channels=[72, 120, 672, 480]),
)
