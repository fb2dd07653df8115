"""Mean IoU of the semantic head, from the same run as PQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from panoptic_core.evaluation.panoptic_quality import TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.metrics import confusion_matrix, mean_iou
from panoptic_core.registry import METRICS

_VOID = 255
_Cells = tuple[NDArray[np.int32], NDArray[np.int64]]  # places and values of a matrix's entries that are not 0


@METRICS.register_module()
class MeanIoU(PerImageMetric):
    """mIoU of ``pred_sem_seg`` against the labels of ``gt_panoptic``; crowds keep their class.

    The values are ``semantic/mIoU`` and ``semantic/pixel_accuracy``, in percent. A model whose semantic head
    does not predict the label space has no ``pred_sem_seg``: the metric says "not available", no value.

    Args:
        classwise: Return each class's value too, as ``semantic/IoU/person``.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "semantic"

    def __init__(self, classwise: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classwise = classwise

    def measure(self, sample: Mapping[str, Any]) -> _Cells | None:
        """Count the pixels of one image; None if there is no semantic prediction."""
        predicted = sample.get("pred_sem_seg")
        if predicted is None:
            return None
        labels = predicted["sem_seg"].squeeze(0)  # (H, W)
        truth = require(sample, "gt_panoptic", TRUTH_CURE).label_map(_VOID).to(labels.device)
        matrix = confusion_matrix(
            labels, truth, self.table.num_classes, ignore_index=_VOID, image=sample.get("img_id")
        ).reshape(-1)
        places = np.flatnonzero(matrix)
        return places.astype(np.int32), matrix[places]

    def summarize(self, records: Sequence[_Cells | None]) -> dict[str, float]:
        """Return mIoU and print it."""
        cells = [record for record in records if record is not None]
        if not cells:
            print_log("mIoU: not available, the model has no semantic map of its own.", logger="current")
            return {}
        table = self.table
        matrix = np.zeros(table.num_classes * (table.num_classes + 1), dtype=np.int64)
        for places, counts in cells:
            matrix[places] += counts
        result = mean_iou(matrix.reshape(table.num_classes, -1), table)
        print_log(
            f"Semantic segmentation of {len(cells)} images (percent): mIoU {result.miou:.2f}, "
            f"pixel accuracy {result.pixel_accuracy:.2f}",
            logger="current",
        )
        values = {"mIoU": float(result.miou), "pixel_accuracy": float(result.pixel_accuracy)}
        if self.classwise:
            values |= {f"IoU/{name}": float(value) for name, value in result.per_class.items()}
        return values
