"""Mean IoU of the semantic head, and what it confuses, from the same run as PQ."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from panoptic_core.evaluation.panoptic_quality import TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.metrics import confusion_matrix, mean_iou, thing_stuff_confusion
from panoptic_core.registry import METRICS

_VOID = 255
_Cells = tuple[NDArray[np.int32], NDArray[np.int64]]  # places and values of a matrix's entries that are not 0


class SemanticMetric(PerImageMetric):
    """A metric of the confusion matrix of ``pred_sem_seg`` and the labels of ``gt_panoptic``.

    Crowds keep their class there. A model whose semantic head does not predict the label space has no
    ``pred_sem_seg``: the metric says "not available", and has no value.

    Attributes:
        title: What the metric is called where it is not available.
    """

    default_prefix = "semantic"
    title: ClassVar[str]

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
        """Return the values of the summed matrix and print them."""
        cells = [record for record in records if record is not None]
        if not cells:
            print_log(
                f"{self.title}: not available, the model has no semantic map of its own.", logger="current"
            )
            return {}
        classes = self.table.num_classes
        matrix = np.zeros(classes * (classes + 1), dtype=np.int64)
        for places, counts in cells:
            matrix[places] += counts
        return self.report(matrix.reshape(classes, -1), len(cells))

    @abstractmethod
    def report(self, confusion: NDArray[np.int64], num_images: int) -> dict[str, float]:
        """Return the values of the matrix ``(C, C + 1)`` of so many images and print them."""


@METRICS.register_module()
class MeanIoU(SemanticMetric):
    """mIoU of ``pred_sem_seg`` against the labels of ``gt_panoptic``, see :class:`SemanticMetric`.

    The values are ``semantic/mIoU`` and ``semantic/pixel_accuracy``, in percent.

    Args:
        classwise: Return each class's value too, as ``semantic/IoU/person``.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    title = "mIoU"

    def __init__(self, classwise: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classwise = classwise

    def report(self, confusion: NDArray[np.int64], num_images: int) -> dict[str, float]:
        """Return mIoU and print it."""
        result = mean_iou(confusion, self.table)
        print_log(
            f"Semantic segmentation of {num_images} images (percent): mIoU {result.miou:.2f}, "
            f"pixel accuracy {result.pixel_accuracy:.2f}",
            logger="current",
        )
        values = {"mIoU": float(result.miou), "pixel_accuracy": float(result.pixel_accuracy)}
        if self.classwise:
            values |= {f"IoU/{name}": float(value) for name, value in result.per_class.items()}
        return values


@METRICS.register_module()
class ThingStuffConfusion(SemanticMetric):
    """How often the semantic head takes things for stuff and stuff for things, see :class:`SemanticMetric`.

    The values are ``semantic/thing_as_thing``, ``thing_as_stuff``, ``thing_as_void`` and the same of stuff:
    shares of the thing and of the stuff pixels in percent, NaN if there are none. From the same labels as
    mIoU; see :func:`panoptic_core.metrics.thing_stuff_confusion`.

    Args:
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    title = "Things and stuff of the semantic head"

    def report(self, confusion: NDArray[np.int64], num_images: int) -> dict[str, float]:
        """Return the shares and print them."""
        result = thing_stuff_confusion(confusion, self.table)
        title = f"{self.title}, {num_images} images (percent of each row's pixels)"
        print_log(f"{title}\n{result.to_table()}", logger="current")
        return result.to_dict()
