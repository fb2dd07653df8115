import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from panoptic_core.metrics import StuffSum, compare_trimming, count_trimming
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation, drop_small_stuff

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": "panoptic_core.StuffTrimming", "area_limit": 300}
NAMES = ("PQ", "SQ", "RQ", "IoU")


@pytest.fixture
def untrimmed(sample: SampleMaker) -> SampleMaker:
    """Make a sample whose fusion has dropped stuff below 300 pixels, as its detector says."""

    def make(number: int, **more: Any) -> dict[str, Any]:
        made = sample(number, shift=number, **more)
        before = made["pred_panoptic"]
        return made | {"pred_panoptic_untrimmed": before, "pred_panoptic": drop_small_stuff(before, 300)}

    return make


@pytest.mark.parametrize("by_region", [False, True], ids=["segments", "regions"])
def test_equals_the_pure_functions(untrimmed: SampleMaker, evaluate: Evaluate, by_region: bool) -> None:
    samples = [untrimmed(number) for number in range(4)]
    sums = StuffSum(5), StuffSum(5)
    for made in samples:
        pair = made["pred_panoptic_untrimmed"], made["gt_panoptic"]
        for running, part in zip(
            sums, count_trimming(*pair, 5, area_limit=300, by_region=by_region), strict=True
        ):
            running.add(part)
    expected = compare_trimming(*(each.total() for each in sums), tiny_scene().table, area_limit=300)
    values = evaluate({**METRIC, "by_region": by_region}, [*samples, samples[0]], size=4)  # one image again
    assert values == {
        f"stuff/{name}_{state}": getattr(quality, name.lower())
        for state, quality in (("untrimmed", expected.before), ("trimmed", expected.after))
        for name in NAMES
    }
    assert values["stuff/IoU_trimmed"] < values["stuff/IoU_untrimmed"]


def test_trimmed_is_what_pq_measures_in_the_same_run(untrimmed: SampleMaker, evaluate: Evaluate) -> None:
    values = evaluate(
        [METRIC, {"type": "panoptic_core.PanopticQuality"}], [untrimmed(number) for number in range(4)]
    )
    for name in NAMES[:3]:
        assert values[f"stuff/{name}_trimmed"] == values[f"panoptic/{name}_st"]
        assert values[f"stuff/{name}_trimmed"] != values[f"stuff/{name}_untrimmed"]


def test_the_table_and_what_was_trimmed(
    untrimmed: SampleMaker, evaluate: Evaluate, logged: list[str]
) -> None:
    evaluate([METRIC, {**METRIC, "by_region": True, "prefix": "regions"}], [untrimmed(0)])
    segments, regions = (text.splitlines() for text in logged)
    assert segments[0] == "Stuff of 1 final maps (percent), segments below 300 pixels trimmed"
    assert regions[0] == "Stuff of 1 final maps (percent), regions below 300 pixels trimmed"
    assert [line.split()[0] for line in segments[1:]] == ["PQ_st", "all", "trimmed", "change"]


def test_not_available_without_the_untrimmed_map(
    sample: SampleMaker, evaluate: Evaluate, logged: list[str]
) -> None:
    assert evaluate(METRIC, [sample(0)]) == {}
    assert evaluate(METRIC, []) == {}
    assert logged[0] == "Stuff before and after trimming: not available, the model keeps no untrimmed map."


def test_no_stuff_is_nan(evaluate: Evaluate) -> None:
    car = PanopticSegmentation.from_id_map(torch.ones(4, 4, dtype=torch.int32), [1], [1], [True])
    values = evaluate(METRIC, [{"img_id": 1, "gt_panoptic": car, "pred_panoptic_untrimmed": car}])
    assert len(values) == 8
    assert all(math.isnan(value) for value in values.values())


def test_what_is_missing_is_named(untrimmed: SampleMaker, evaluate: Evaluate) -> None:
    made = untrimmed(5)
    del made["gt_panoptic"]
    with pytest.raises(KeyError, match=r"`gt_panoptic` in the sample of image 5.*LoadPanoptic"):
        evaluate(METRIC, [made])
