"""PQ, SQ and RQ of a data set from memory: nothing is written on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.metrics import PQCounts, count_segments, sum_counts, summarize
from panoptic_core.metrics.pairing import Mode
from panoptic_core.registry import METRICS

_GROUPS = (("", "all"), ("_th", "things"), ("_st", "stuff"))
TRUTH_CURE = "Put LoadPanoptic before the packing transform of the test pipeline."
PREDICTION_CURE = "The model's `predict` has to set it."


@METRICS.register_module()
class PanopticQuality(PerImageMetric):
    """PQ of ``pred_panoptic`` against ``gt_panoptic``.

    The values are ``panoptic/PQ``, ``PQ_th``, ``PQ_st`` and the same for SQ and RQ, in percent; NaN where no
    class of the group occurs.

    Args:
        mode: ``"default"`` or ``"exact"``, see :func:`panoptic_core.metrics.count_segments`.
        classwise: Return each class's values too, as ``panoptic/PQ/person``.
        print_classes: Show a row for each class in the table.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "panoptic"

    def __init__(
        self, mode: Mode = "default", classwise: bool = False, print_classes: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mode = mode
        self.classwise = classwise
        self.print_classes = print_classes

    def measure(self, sample: Mapping[str, Any]) -> PQCounts:
        """Count the segments of one image."""
        return count_segments(
            require(sample, "pred_panoptic", PREDICTION_CURE),
            require(sample, "gt_panoptic", TRUTH_CURE),
            self.table.num_classes,
            mode=self.mode,
            image=sample.get("img_id"),
        )

    def summarize(self, records: Sequence[PQCounts]) -> dict[str, float]:
        """Return PQ, SQ, RQ and print them as a table."""
        result = summarize(sum_counts(records, self.table.num_classes), self.table)
        title = f"Panoptic quality of {len(records)} images (percent)"
        print_log(f"{title}\n{result.to_table(per_class=self.print_classes)}", logger="current")
        values = {
            f"{name.upper()}{suffix}": float(getattr(getattr(result, group), name))
            for suffix, group in _GROUPS
            for name in ("pq", "sq", "rq")
        }
        if self.classwise:
            for row in result.per_class:
                values |= {f"{name.upper()}/{row.name}": getattr(row, name) for name in ("pq", "sq", "rq")}
                values |= {
                    f"{name.upper()}/{row.name}": float(getattr(row, name)) for name in ("tp", "fp", "fn")
                }
        return values
