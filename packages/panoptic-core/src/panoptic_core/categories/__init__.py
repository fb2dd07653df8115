"""Category tables: the shared label order (things first), names, colours and the data sets' own ids."""

from panoptic_core.categories.ade20k import ADE20K
from panoptic_core.categories.cityscapes import CITYSCAPES
from panoptic_core.categories.coco import COCO_PANOPTIC
from panoptic_core.categories.table import Category, CategoryTable
from panoptic_core.categories.vistas import VISTAS

KNOWN_TABLES = (COCO_PANOPTIC, CITYSCAPES, VISTAS, ADE20K)
"""The tables that come with this package."""

__all__ = ["ADE20K", "CITYSCAPES", "COCO_PANOPTIC", "KNOWN_TABLES", "VISTAS", "Category", "CategoryTable"]
