"""The backbones of Panoptic-DeepLab's tables 5 and 9, each with the normalisation of its weights.

A leaf takes one: ``model.update(resnet50)``. HRNet-W48 has a head of its own: ``model["head"] = ...``.
"""

from mmengine.model import PretrainedInit
from torch.nn import BatchNorm2d

from panoptic_core.backbones import DeepLabHRNet, DeepLabResNet, MobileNetV3Large, Xception
from panoptic_heads.panoptic_deeplab import PanopticHRNetHead

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
xception65 = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),  # as the next one's
    backbone=dict(type=Xception, depth=65, output_stride=16, norm_cfg=dict(type=BatchNorm2d, eps=1e-3)),
    head=dict(in_channels=[256, 728, 2048]),
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
hrnet_w48 = dict(
    size_divisor=32,  # the coarsest map's stride
    backbone=dict(
        type=DeepLabHRNet,
        init_cfg=dict(type=PretrainedInit, checkpoint="open-mmlab://msra/hrnetv2_w48"),
    ),
)
hrnet_w48_head = dict(
    type=PanopticHRNetHead,  # figure 5 and table 5: "follows the original design"
    num_things_classes=0,  # the leaf's
    num_stuff_classes=0,  # the leaf's
    in_channels=[48, 96, 192, 384],
    align_corners=True,  # section 4: crops of k * stride + 1
)
hrnet_plus = dict(
    size_divisor=32,  # appendix A.2: "the output stride of encoder is now 32"
    # Appendix A.2: the ImageNet head stays. Its weights come by --load-from; see docs/panoptic_deeplab.md.
    backbone=dict(type=DeepLabHRNet, head=True),
    head=dict(
        in_channels=[128, 256, 512, 2048],
        skips=(2, 1, 0),  # appendix A.2: "one more encoder feature map of stride 16"
        aspp=dict(rates=(3, 6, 9)),  # not printed: half of those at stride 16
        semantic=dict(projections=(96, 64, 32)),  # appendix A.2: 96
        instance=dict(projections=(48, 32, 16)),  # not printed: half, as elsewhere
    ),
)
hrnet_plus_atrous = dict(
    size_divisor=16,
    backbone=dict(type=DeepLabHRNet, head=True, atrous=True),  # appendix A.4: no map of stride 32
    head=dict(
        in_channels=[128, 256, 512, 2048],
        skips=(2, 1, 0),
        semantic=dict(projections=(96, 64, 32)),
        instance=dict(projections=(48, 32, 16)),
    ),
)
wider = dict(
    backbone=dict(block="xception", channels=(64, 256, 384, 384))
)  # appendix A.3, after one of these
