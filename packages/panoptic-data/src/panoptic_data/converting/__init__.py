"""Converters: other people's formats to COCO-panoptic files."""

from panoptic_data.converting.plan import Item, Plan, Segments, SplitPlan
from panoptic_data.converting.writer import SplitOutcome, convert

__all__ = ["Item", "Plan", "Segments", "SplitOutcome", "SplitPlan", "convert"]
