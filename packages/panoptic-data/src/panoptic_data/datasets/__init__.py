"""Panoptic data sets on MMEngine's base: COCO-panoptic files, native Cityscapes."""

from panoptic_data.datasets.base import PanopticDataset
from panoptic_data.datasets.cityscapes import Cityscapes
from panoptic_data.datasets.coco_panoptic import CocoPanoptic

__all__ = ["Cityscapes", "CocoPanoptic", "PanopticDataset"]
