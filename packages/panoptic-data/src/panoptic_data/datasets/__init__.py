"""Panoptic data sets on MMEngine's base: COCO-panoptic files, native Cityscapes, generated scenes."""

from panoptic_data.datasets.base import PanopticDataset
from panoptic_data.datasets.cityscapes import Cityscapes
from panoptic_data.datasets.coco_panoptic import CocoPanoptic
from panoptic_data.datasets.generated_scenes import GeneratedScenes

__all__ = ["Cityscapes", "CocoPanoptic", "GeneratedScenes", "PanopticDataset"]
