"""The dense-affinity network's training pipeline on Cityscapes (arXiv:2001.04982, section B)."""

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import PhotoMetricDistortion, RandomFlip

from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs, RandomScaledCrop

relit_crops = [
    dict(type=LoadImageFromFile),
    dict(type=LoadPanoptic),
    # "resizes the input image by a random factor between 0.5 and 2, takes a random 512 x 1024 crop"; where a
    # small image leaves room: zero after normalisation (BGR)
    dict(
        type=RandomScaledCrop, size=(512, 1024), scale_range=(0.5, 2.0), pad_value=(103.53, 116.28, 123.675)
    ),
    dict(type=RandomFlip, prob=0.5),
    # "image relighting, randomly adjusting the brightness, contrast, hue, and saturation of the image by a
    # small amount, as used in [13]", arXiv:1901.02446, which names SSD's (arXiv:1512.02325): its numbers
    dict(
        type=PhotoMetricDistortion,
        brightness_delta=32,
        contrast_range=(0.5, 1.5),
        saturation_range=(0.5, 1.5),
        hue_delta=18,
    ),
    dict(type=PackPanopticInputs),
]
