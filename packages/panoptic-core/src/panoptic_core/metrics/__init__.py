"""Metrics as pure functions: panoptic quality and what is beside it, mean IoU, average precision; percent."""

from panoptic_core.metrics._errors import FALSES, MISSES
from panoptic_core.metrics._sizes import SIZES
from panoptic_core.metrics.average_precision import APResult, Detections, GroundTruth, coco_ap
from panoptic_core.metrics.confusion import IoUResult, confusion_matrix, mean_iou
from panoptic_core.metrics.extended import (
    MEASURES,
    ExtendedCounts,
    ExtendedSum,
    count_extended,
)
from panoptic_core.metrics.extended_result import (
    ClassMeans,
    ErrorKinds,
    ExtendedResult,
    summarize_extended,
)
from panoptic_core.metrics.matching import Matches, match_segments
from panoptic_core.metrics.pairing import Mode, SegmentTable
from panoptic_core.metrics.panoptic_quality import count_maps, count_segments
from panoptic_core.metrics.pq_counts import CountsSum, PQCounts, sum_counts
from panoptic_core.metrics.pq_summary import PQClass, PQGroup, PQResult, summarize
from panoptic_core.metrics.stuff_quality import (
    StuffCounts,
    StuffQuality,
    StuffSum,
    TrimmingResult,
    compare_trimming,
    count_stuff,
    count_trimming,
    summarize_stuff,
)
from panoptic_core.metrics.thing_stuff import ThingStuffConfusion, thing_stuff_confusion

__all__ = [
    "FALSES",
    "MEASURES",
    "MISSES",
    "SIZES",
    "APResult",
    "ClassMeans",
    "CountsSum",
    "Detections",
    "ErrorKinds",
    "ExtendedCounts",
    "ExtendedResult",
    "ExtendedSum",
    "GroundTruth",
    "IoUResult",
    "Matches",
    "Mode",
    "PQClass",
    "PQCounts",
    "PQGroup",
    "PQResult",
    "SegmentTable",
    "StuffCounts",
    "StuffQuality",
    "StuffSum",
    "ThingStuffConfusion",
    "TrimmingResult",
    "coco_ap",
    "compare_trimming",
    "confusion_matrix",
    "count_extended",
    "count_maps",
    "count_segments",
    "count_stuff",
    "count_trimming",
    "match_segments",
    "mean_iou",
    "sum_counts",
    "summarize",
    "summarize_extended",
    "summarize_stuff",
    "thing_stuff_confusion",
]
