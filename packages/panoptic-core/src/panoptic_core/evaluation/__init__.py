"""MMEngine metrics over :mod:`panoptic_core.metrics`: from memory, each image once, right across ranks."""

from panoptic_core.evaluation.panoptic_quality import PanopticQuality
from panoptic_core.evaluation.per_image import PerImageMetric

__all__ = ["PanopticQuality", "PerImageMetric"]
