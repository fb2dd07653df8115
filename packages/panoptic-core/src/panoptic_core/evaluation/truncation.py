"""How much of the instances comes back where their boxes were cut on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from panoptic_core.evaluation.panoptic_quality import PREDICTION_CURE, TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.registry import METRICS
from panoptic_core.truncation import Recovery, recover

_CURE = "Test with `tools/test.py --truncate-boxes 0.25`, which cuts them."


@METRICS.register_module()
class TruncationRecovery(PerImageMetric):
    """What the panoptic maps show outside of boxes that were cut (:mod:`panoptic_core.truncation`).

    - ``truncation/instances``: true instances that a detection stands for.
    - ``truncation/shown``: of these, the percentage that the maps show.
    - ``truncation/recovered``: of the pixels of the shown ones outside of their cut boxes, the percentage
      that the maps give to the instance.
    - ``truncation/precision``: of all pixels that the maps give to them out there, the percentage that is
      theirs.

    NaN where there is nothing to count, such as no pixel outside of any box.
    """

    default_prefix = "truncation"

    def measure(self, sample: Mapping[str, Any]) -> Recovery:
        """Count one image."""
        truncated = require(sample, "truncated", _CURE)
        return recover(
            require(sample, "gt_panoptic", TRUTH_CURE),
            require(sample, "pred_panoptic", PREDICTION_CURE),
            truncated,
        )

    def summarize(self, records: Sequence[Recovery]) -> dict[str, float]:
        """Return the values and print them."""
        total = Recovery(*(sum(column) for column in zip(*records, strict=True)))
        values = {
            "instances": total.instances,
            "shown": _percentage(total.shown, total.instances),
            "recovered": _percentage(total.recovered, total.lost),
            "precision": _percentage(total.recovered, total.claimed),
        }
        print_log(
            f"Cut boxes: {total.shown} of {total.instances} instances are shown; of {total.lost} pixels "
            f"outside of their boxes {values['recovered']:.1f} % come back; of {total.claimed} that they "
            f"have there {values['precision']:.1f} % are theirs.",
            logger="current",
        )
        return values


def _percentage(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")
