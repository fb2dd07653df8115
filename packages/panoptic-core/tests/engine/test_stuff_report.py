"""``--stuff-report``: which limit is taken, and what a model must have."""

from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.evaluator import Evaluator

from panoptic_core.categories import ADE20K, CITYSCAPES, COCO_PANOPTIC, VISTAS, CategoryTable
from panoptic_core.engine.arguments import evaluation_parser
from panoptic_core.engine.config import ConfigError
from panoptic_core.engine.stuff_report import report_stuff
from panoptic_core.evaluation import MeanIoU, PanopticQuality, StuffTrimming, ThingStuffConfusion

NO_LIMIT = SimpleNamespace(stuff_area_limit=0)


def _runner(fusion: Any, table: CategoryTable = CITYSCAPES, **parts: Any) -> Any:
    """Return what is asked of a runner: a model with a fusion, and metrics."""
    model = SimpleNamespace(**{"keep_untrimmed": False, "panoptic_fusion_head": fusion, **parts})
    evaluator = Evaluator([MeanIoU()])
    evaluator.dataset_meta = table.to_metainfo()
    return SimpleNamespace(model=model, test_evaluator=evaluator)


def _trimming(runner: Any) -> StuffTrimming:
    (metric,) = (each for each in runner.test_evaluator.metrics if isinstance(each, StuffTrimming))
    return metric


@pytest.mark.parametrize(
    ("own", "table", "given", "limit"),
    [
        (100, CITYSCAPES, None, 100),
        (100, ADE20K, None, 100),
        (100, CITYSCAPES, 7, 7),
        (0, CITYSCAPES, None, 2048),
        (1, COCO_PANOPTIC, None, 4096),  # 1 drops nothing either
        (0, VISTAS, None, 4096),
        (0, ADE20K, 9, 9),
    ],
)
def test_the_limit_is_the_given_the_fusions_or_the_usual(
    own: int, table: CategoryTable, given: int | None, limit: int
) -> None:
    runner = _runner(SimpleNamespace(stuff_area_limit=own), table)
    report_stuff(runner, "c.py", given)
    assert _trimming(runner).area_limit == limit
    assert not _trimming(runner).by_region
    assert runner.model.keep_untrimmed
    assert [type(each) for each in runner.test_evaluator.metrics] == [
        MeanIoU, ThingStuffConfusion, StuffTrimming,
    ]  # fmt: skip
    assert _trimming(runner).table.names == table.names


def test_stuff_is_counted_as_the_runs_own_pq_is() -> None:
    runner = _runner(SimpleNamespace(stuff_area_limit=100))
    runner.test_evaluator.metrics.append(PanopticQuality(mode="exact"))
    report_stuff(runner, "c.py")
    assert _trimming(runner).mode == "exact"


def test_no_limit_to_be_had() -> None:
    with pytest.raises(ConfigError, match=r"(?s)`c\.py`.*is usual on 'ADE20K panoptic'.*--stuff-limit"):
        report_stuff(_runner(NO_LIMIT, ADE20K), "c.py")


@pytest.mark.parametrize(("by", "regions"), [("component", True), ("class", False)])
def test_connected_regions_are_the_fusions_way(by: str, regions: bool) -> None:
    runner = _runner(SimpleNamespace(stuff_area_limit=4900, stuff_area_by=by))
    report_stuff(runner, "c.py", 64)
    assert (_trimming(runner).area_limit, _trimming(runner).by_region) == (64, regions)


@pytest.mark.parametrize("fusion", [None, object()], ids=["no fusion", "no limit of its own"])
def test_a_model_without_final_maps_has_one_table(fusion: Any) -> None:
    runner = _runner(fusion)
    report_stuff(runner, "c.py")
    assert [type(each) for each in runner.test_evaluator.metrics] == [MeanIoU, ThingStuffConfusion]
    assert not runner.model.keep_untrimmed


def test_a_metric_of_the_config_is_not_doubled() -> None:
    runner = _runner(NO_LIMIT)
    runner.test_evaluator.metrics.append(ThingStuffConfusion(prefix="mine"))
    report_stuff(runner, "c.py")
    assert sum(isinstance(each, ThingStuffConfusion) for each in runner.test_evaluator.metrics) == 1


def test_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    parse = evaluation_parser().parse_args
    assert not parse(["c.py", "w.pth"]).stuff_report
    given = parse(["--stuff-report", "c.py", "w.pth", "--stuff-limit", "9"])
    assert (given.stuff_report, given.stuff_limit, given.config) == (True, 9, "c.py")
    with pytest.raises(SystemExit):
        parse(["c.py", "w.pth", "--stuff-limit", "0"])
    assert "--stuff-limit" in capsys.readouterr().err
