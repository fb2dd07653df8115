"""``tools/test.py --stuff-report``: what the semantic head confuses, and what trimming small stuff does.

Two metrics join those of the config, so that one run of the network gives everything: tables G and I of
"Unifying Training and Inference for Panoptic Segmentation" (arXiv:2001.04982), for any detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC, VISTAS, CategoryTable
from panoptic_core.engine.config.errors import ConfigError
from panoptic_core.evaluation import PanopticQuality, PerImageMetric, StuffTrimming, ThingStuffConfusion

# What UPSNet and Panoptic-DeepLab drop, for methods without a limit (TASCNet).
_USUAL_LIMITS = ((CITYSCAPES, 2048), (COCO_PANOPTIC, 4096), (VISTAS, 4096))


def report_stuff(runner: Runner, config: str, area_limit: int | None = None) -> None:
    """Let a run that is about to test measure its stuff too.

    A model that makes no panoptic maps has the semantic head's table alone.

    Args:
        runner: Its model's fusion is asked for its limit, and whether it judges connected regions.
        config: The config file, for errors.
        area_limit: Pixels; by default the fusion's own limit, else the one that is usual on the data set.

    Raises:
        ConfigError: If there is no limit to be had.
    """
    detector: Any = runner.model.module if is_model_wrapper(runner.model) else runner.model
    evaluator = runner.test_evaluator
    added: list[PerImageMetric] = [ThingStuffConfusion()]
    fusion: Any = getattr(detector, "panoptic_fusion_head", None)
    if hasattr(detector, "keep_untrimmed") and hasattr(fusion, "stuff_area_limit"):
        if area_limit is None:
            area_limit = _find_limit(fusion.stuff_area_limit, evaluator.dataset_meta or {}, config)
        by_region = getattr(fusion, "stuff_area_by", "class") == "component"
        detector.keep_untrimmed = True
        modes = [metric.mode for metric in evaluator.metrics if isinstance(metric, PanopticQuality)]
        added.append(StuffTrimming(area_limit, by_region=by_region, mode=modes[0] if modes else "default"))
    there = {type(metric) for metric in evaluator.metrics}
    for metric in added:
        if type(metric) not in there:
            metric.dataset_meta = evaluator.dataset_meta
            evaluator.metrics.append(metric)


def _find_limit(own: int, dataset_meta: Mapping[str, Any], config: str) -> int:
    """Return the limit of a fusion, or where it has none (0 or 1) what is usual on the data set."""
    if own > 1:
        return own
    table = CategoryTable.from_metainfo(dataset_meta)
    usual = [limit for known, limit in _USUAL_LIMITS if known.names == table.names]
    if not usual:
        msg = (
            f"`--stuff-report`: the model's fusion drops no small stuff, and no limit is usual on "
            f"'{table.name}'. Say one by --stuff-limit PIXELS."
        )
        raise ConfigError(config, [msg])
    return usual[0]
