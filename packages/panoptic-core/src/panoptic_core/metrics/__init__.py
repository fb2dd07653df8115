"""Metrics as pure functions: panoptic quality, mean IoU, COCO's average precision. Values are in percent."""

from panoptic_core.metrics.panoptic_quality import (
    PQCounts,
    SegmentTable,
    count_maps,
    count_segments,
    sum_counts,
)
from panoptic_core.metrics.pq_summary import PQClass, PQGroup, PQResult, summarize

__all__ = [
    "PQClass",
    "PQCounts",
    "PQGroup",
    "PQResult",
    "SegmentTable",
    "count_maps",
    "count_segments",
    "sum_counts",
    "summarize",
]
