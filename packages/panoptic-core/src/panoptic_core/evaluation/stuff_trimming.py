"""The stuff of the final panoptic maps before and after small stuff becomes void, from the same run as PQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from panoptic_core.evaluation.panoptic_quality import TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.metrics import StuffCounts, StuffSum, compare_trimming, count_trimming
from panoptic_core.metrics.pairing import Mode
from panoptic_core.registry import METRICS

_Record = tuple[StuffCounts, StuffCounts]


@METRICS.register_module()
class StuffTrimming(PerImageMetric):
    """PQ, SQ, RQ and IoU of stuff in ``pred_panoptic_untrimmed``, as it is and trimmed.

    A detector sets that map, the fusion's with all its stuff, if its ``keep_untrimmed`` is true; a model
    without has no values. With the fusion's own limit, the trimmed map is ``pred_panoptic``, whose values
    :class:`~panoptic_core.evaluation.panoptic_quality.PanopticQuality` measures. See
    :mod:`panoptic_core.metrics.stuff_quality`.

    The values are ``stuff/PQ_untrimmed``, ``stuff/PQ_trimmed`` and the same for SQ, RQ and IoU, in percent;
    NaN where no stuff class occurs.

    Args:
        area_limit: Pixels; stuff with fewer becomes void.
        by_region: Judge each connected region of a stuff segment by itself, as OANet does.
        mode: As of :class:`~panoptic_core.evaluation.panoptic_quality.PanopticQuality`.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "stuff"

    def __init__(
        self, area_limit: int, by_region: bool = False, mode: Mode = "default", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.area_limit = area_limit
        self.by_region = by_region
        self.mode = mode

    def measure(self, sample: Mapping[str, Any]) -> _Record | None:
        """Count one image before and after; None if the model does not keep the map."""
        untrimmed = sample.get("pred_panoptic_untrimmed")
        if untrimmed is None:
            return None
        return count_trimming(
            untrimmed,
            require(sample, "gt_panoptic", TRUTH_CURE),
            self.table.num_classes,
            area_limit=self.area_limit,
            by_region=self.by_region,
            mode=self.mode,
            image=sample.get("img_id"),
        )

    def summarize(self, records: Sequence[_Record | None]) -> dict[str, float]:
        """Return the values before and after, and print them as a table."""
        pairs = [record for record in records if record is not None]
        if not pairs:
            print_log(
                "Stuff before and after trimming: not available, the model keeps no untrimmed map.",
                logger="current",
            )
            return {}
        sums = StuffSum(self.table.num_classes), StuffSum(self.table.num_classes)
        for pair in pairs:
            for running, part in zip(sums, pair, strict=True):
                running.add(part)
        before, after = (running.total() for running in sums)
        result = compare_trimming(
            before, after, self.table, area_limit=self.area_limit, by_region=self.by_region
        )
        what = "regions" if self.by_region else "segments"
        title = f"Stuff of {len(pairs)} final maps (percent), {what} below {self.area_limit} pixels trimmed"
        print_log(f"{title}\n{result.to_table()}", logger="current")
        return {
            f"{key}_{state}": float(getattr(quality, key.lower()))
            for state, quality in (("untrimmed", result.before), ("trimmed", result.after))
            for key in ("PQ", "SQ", "RQ", "IoU")
        }
