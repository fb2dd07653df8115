"""Category tables: the shared label order (things first), names, colours and the data sets' own ids."""

from panoptic_core.categories.cityscapes import CITYSCAPES
from panoptic_core.categories.coco import COCO_PANOPTIC
from panoptic_core.categories.table import Category, CategoryTable

__all__ = ["CITYSCAPES", "COCO_PANOPTIC", "Category", "CategoryTable"]
