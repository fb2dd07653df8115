"""Panoptic data sets on MMEngine's base: files as downloaded, COCO-panoptic files, generated scenes."""

from panoptic_data.datasets.ade20k import ADE20KPanoptic
from panoptic_data.datasets.base import PanopticDataset
from panoptic_data.datasets.cityscapes import Cityscapes
from panoptic_data.datasets.coco_panoptic import CocoPanoptic
from panoptic_data.datasets.generated_scenes import GeneratedScenes
from panoptic_data.datasets.vistas import Vistas

__all__ = ["ADE20KPanoptic", "Cityscapes", "CocoPanoptic", "GeneratedScenes", "PanopticDataset", "Vistas"]
