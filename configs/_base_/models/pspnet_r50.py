"""PSPNet with ResNet-50 (arXiv:1612.01105), as UPSNet's two-network baseline has it (arXiv:1901.03784).

Class counts and windows are set by the leaf. "UPSNet" and "PSPNet" name the papers.
"""

from mmdet.models import DetDataPreprocessor, ResNet
from mmengine.model import PretrainedInit
from torch.nn import BatchNorm2d

from panoptic_heads.common import SemanticCrossEntropy
from panoptic_heads.pspnet import AuxiliaryHead, PSPNet, PyramidPoolingHead

PAD_VALUE = (103.530, 116.280, 123.675)  # the mean colour: zero after normalisation

model = dict(
    type=PSPNet,
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[103.530, 116.280, 123.675],  # of MSRA's weights (UPSNet, section 6.1): BGR, no division
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_mask=False,
        pad_seg=True,
        seg_pad_value=255,
        pad_size_divisor=1,  # crops have one size; windows are cut from the image without padding
    ),
    backbone=dict(
        type=ResNet,
        depth=50,  # UPSNet, section 4
        num_stages=4,
        strides=(1, 2, 1, 1),  # PSPNet, section 3.2: the last map is 1/8 of the image, by dilation
        dilations=(1, 1, 2, 4),
        out_indices=(2, 3),  # the auxiliary head and the pyramid
        frozen_stages=-1,  # all is trained, batch norm too (PSPNet, section 5.1)
        norm_cfg=dict(type=BatchNorm2d),
        norm_eval=False,
        style="caffe",  # MSRA's: the stride is in the first 1x1 convolution
        init_cfg=dict(type=PretrainedInit, checkpoint="open-mmlab://detectron2/resnet50_caffe"),
    ),
    semantic_head=dict(
        type=PyramidPoolingHead,
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        in_channels=2048,
        feat_channels=512,  # PSPNet, section 3.2: 1/4 of the map's channels for each of four grids
        grids=(1, 2, 3, 6),  # PSPNet, section 3.2
        dropout=0.1,  # not printed: its code
        loss=dict(type=SemanticCrossEntropy, loss_weight=1.0),
    ),
    auxiliary_head=dict(
        type=AuxiliaryHead,
        num_things_classes=0,  # the leaf's
        num_stuff_classes=0,  # the leaf's
        in_channels=1024,  # PSPNet, figure 4: after the fourth stage
        feat_channels=256,  # not printed: its code
        dropout=0.1,  # not printed: its code
        loss=dict(type=SemanticCrossEntropy, loss_weight=0.4),  # PSPNet, section 5.2
    ),
)
