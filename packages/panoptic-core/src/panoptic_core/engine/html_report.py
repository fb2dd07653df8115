"""``tools/test.py --report``: the HTML report of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panoptic_core.evaluation.report_writer import ReportWriter
from panoptic_core.metrics import MEASURES
from panoptic_core.report import REPORTED


def report_writer(
    path: str,
    worst: int | None,
    facts: Mapping[str, str],
    others: Any,
    extended: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the config of the metric that writes the report.

    Args:
        path: The file.
        worst: How many images are shown; by default the metric's.
        facts: What was evaluated, for the heading.
        others: The run's other metrics; PQ is counted as they count it.
        extended: Measures beside PQ that the run was asked for, none for all of them; errors and sizes are
            shown anyway.
    """
    entry: dict[str, Any] = {
        "type": "panoptic_core.ReportWriter",
        "out": path,
        "facts": dict(facts),
        "mode": counting_mode(others),
    }
    if extended is not None:
        entry["measures"] = [name for name in MEASURES if name in {*REPORTED, *(extended or MEASURES)}]
    return entry if worst is None else entry | {"worst": worst}


def counting_mode(metrics: Any) -> str:
    """Return the mode in which PQ is counted by the metrics of a config: one entry, or several."""
    metrics = metrics if isinstance(metrics, Sequence) else [metrics]
    modes = [
        one.get("mode") for one in metrics if str(one.get("type")).rstrip("'>").endswith("PanopticQuality")
    ]
    return next((mode for mode in modes if mode), "default")


def add_values(runner: Any, values: Mapping[str, Any]) -> None:
    """Hand the values of all metrics to the report; where none is written, nothing happens."""
    for metric in runner.test_evaluator.metrics:
        if isinstance(metric, ReportWriter):
            metric.add_values(values)
