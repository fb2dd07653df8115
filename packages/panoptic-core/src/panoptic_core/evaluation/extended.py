"""The measures beside PQ from memory: PQ-dagger, Parsing Covering, Boundary PQ, sizes, kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from panoptic_core.evaluation.panoptic_quality import TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.metrics import (
    MEASURES,
    ExtendedCounts,
    ExtendedSum,
    count_extended,
    summarize_extended,
)
from panoptic_core.metrics.extended import check_measures
from panoptic_core.metrics.pairing import Mode
from panoptic_core.registry import METRICS


@METRICS.register_module()
class ExtendedPanopticQuality(PerImageMetric):
    """What ``panoptic-eval --extended`` measures, of ``pred_panoptic`` against ``gt_panoptic``.

    The values are ``extended/PQ_dagger``, ``PC``, ``PQ_boundary``, ``PQ_small``, ``PQ_medium``, ``PQ_large``,
    each also with ``_th`` and ``_st``; ``FN_missed`` and the other kinds of errors; ``map_mIoU``,
    ``thing_as_stuff`` and its siblings. Percent, but the errors are counts; NaN where there is nothing to
    measure.

    Args:
        measures: Names of :data:`panoptic_core.metrics.MEASURES`.
        mode: As of :class:`~panoptic_core.evaluation.panoptic_quality.PanopticQuality`.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.

    Raises:
        ValueError: If a measure does not exist.
    """

    default_prefix = "extended"

    def __init__(self, measures: Sequence[str] = MEASURES, mode: Mode = "default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_measures(measures)
        self.measures = tuple(measures)
        self.mode = mode

    def measure(self, sample: Mapping[str, Any]) -> ExtendedCounts | None:
        """Count one image, the classes that occur in it; None if the model makes no panoptic maps."""
        prediction = sample.get("pred_panoptic")
        if prediction is None:
            return None
        return count_extended(
            prediction,
            require(sample, "gt_panoptic", TRUTH_CURE),
            self.table,
            measures=self.measures,
            mode=self.mode,
            image=sample.get("img_id"),
        )

    def summarize(self, records: Sequence[ExtendedCounts | None]) -> dict[str, float]:
        """Return the values and print them as tables."""
        counts = [record for record in records if record is not None]
        if not counts:
            print_log("Beside PQ: not available, the model makes no panoptic maps.", logger="current")
            return {}
        running = ExtendedSum(self.table.num_classes, self.measures)
        for record in counts:
            running.add(record)
        result = summarize_extended(running.total(), self.table)
        title = f"Beside PQ, of {len(counts)} images (percent, counts of errors)"
        print_log(f"{title}\n{result.to_table()}", logger="current")
        return result.values()
