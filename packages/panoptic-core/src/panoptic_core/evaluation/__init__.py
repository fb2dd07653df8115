"""MMEngine metrics over :mod:`panoptic_core.metrics`: from memory, each image once, right across ranks."""

from panoptic_core.evaluation.extended import ExtendedPanopticQuality
from panoptic_core.evaluation.instance_ap import InstanceAP
from panoptic_core.evaluation.label_writer import LabelWriter
from panoptic_core.evaluation.mean_iou import MeanIoU, SemanticMetric, ThingStuffConfusion
from panoptic_core.evaluation.panoptic_quality import PanopticQuality
from panoptic_core.evaluation.per_image import PerImageMetric
from panoptic_core.evaluation.report_writer import ReportWriter
from panoptic_core.evaluation.stuff_trimming import StuffTrimming
from panoptic_core.evaluation.truncation import TruncationRecovery
from panoptic_core.evaluation.writer import PanopticWriter

__all__ = [
    "ExtendedPanopticQuality",
    "InstanceAP",
    "LabelWriter",
    "MeanIoU",
    "PanopticQuality",
    "PanopticWriter",
    "PerImageMetric",
    "ReportWriter",
    "SemanticMetric",
    "StuffTrimming",
    "ThingStuffConfusion",
    "TruncationRecovery",
]
