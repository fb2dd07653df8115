"""PQ from counts: means over classes that occur, NaN where none does."""

import json
import math

import numpy as np
import pytest

from panoptic_core.metrics import PQCounts, summarize
from panoptic_core.testing import tiny_scene

TABLE = tiny_scene().table  # person, car | road, building, sky


def counts(iou: list[float], tp: list[int], fp: list[int], fn: list[int]) -> PQCounts:
    return PQCounts(np.array(iou), np.array(tp), np.array(fp), np.array(fn))


def test_three_classes_by_hand() -> None:
    # person: PQ = 1.5 / (2 + 0.5 * 1 + 0.5 * 3) = 1.5 / 4 = 37.5, SQ = 1.5 / 2 = 75, RQ = 2 / 4 = 50.
    # car: no match, PQ = SQ = RQ = 0, but it counts. road: PQ = 0.9 / 1 = 90. building, sky: absent.
    result = summarize(counts([1.5, 0, 0.9, 0, 0], [2, 0, 1, 0, 0], [1, 4, 0, 0, 0], [3, 0, 0, 0, 0]), TABLE)
    person, car, road, building, _ = result.per_class
    assert (person.name, person.is_thing, person.pq, person.sq, person.rq) == ("person", True, 37.5, 75, 50)
    assert (car.pq, car.sq, car.rq, car.fp) == (0, 0, 0, 4)
    assert (road.pq, road.sq, road.rq, road.is_thing) == (90, 90, 100, False)
    assert all(math.isnan(value) for value in (building.pq, building.sq, building.rq))
    # The mean of the class values, not a value of summed counts: (37.5 + 0 + 90) / 3.
    assert result.all.pq == pytest.approx(42.5)
    assert (result.all.n, result.all.tp, result.all.fp, result.all.fn) == (3, 3, 5, 3)
    assert (result.things.pq, result.things.sq, result.things.rq, result.things.n) == (18.75, 37.5, 25, 2)
    assert (result.stuff.pq, result.stuff.n) == (90, 1)


def test_no_class_occurs() -> None:
    result = summarize(PQCounts.zeros(5), TABLE)
    for group in (result.all, result.things, result.stuff):
        assert group.n == 0
        assert math.isnan(group.pq)
        assert math.isnan(group.sq)
        assert math.isnan(group.rq)
    content = result.to_dict()
    assert content["all"]["pq"] is None
    assert json.loads(json.dumps(content, allow_nan=False)) == content


@pytest.mark.parity
def test_agrees_with_the_official_average() -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
    rng = np.random.default_rng(0)
    tp = rng.integers(0, 5, 5)
    ours = counts((tp * rng.uniform(0.5, 1, 5)).tolist(), tp.tolist(), [3, 0, 1, 0, 0], [1, 2, 0, 0, 0])
    stat = official.PQStat()
    for label in range(5):
        row = stat[label]
        row.iou, row.tp, row.fp, row.fn = (getattr(ours, name)[label] for name in ("iou", "tp", "fp", "fn"))
    categories = {label: {"isthing": int(flag)} for label, flag in enumerate(TABLE.is_thing)}
    expected = official.average_pq(stat, categories)
    result = summarize(ours, TABLE)
    for theirs, group in (("All", result.all), ("Things", result.things), ("Stuff", result.stuff)):
        for name in ("pq", "sq", "rq"):
            assert getattr(group, name) == pytest.approx(100 * expected[theirs][name], rel=1e-12)
        assert group.n == expected[theirs]["n"]
    for label, row in enumerate(result.per_class):
        if row.tp + row.fp + row.fn:
            assert row.pq == pytest.approx(100 * expected["per_class"][label]["pq"], rel=1e-12)


def test_table_for_people() -> None:
    result = summarize(counts([1.5, 0, 0.9, 0, 0], [2, 0, 1, 0, 0], [1, 4, 0, 0, 0], [3, 0, 0, 0, 0]), TABLE)
    assert result.to_table() == (
        "           PQ     SQ      RQ  N  TP  FP  FN\n"
        "-------------------------------------------\n"
        "All     42.50  55.00   50.00  3   3   5   3\n"
        "Things  18.75  37.50   25.00  2   2   5   3\n"
        "Stuff   90.00  90.00  100.00  1   1   0   0"
    )
    lines = result.to_table(per_class=True).splitlines()
    assert lines[2].split() == ["person", "37.50", "75.00", "50.00", "2", "1", "3"]
    assert lines[5].split() == ["building", "-", "-", "-", "0", "0", "0"]
    assert lines[-3].startswith("All")


def test_classes_may_be_flags() -> None:
    result = summarize(counts([1, 0], [1, 0], [0, 0], [0, 0]), [True, False])
    assert [row.name for row in result.per_class] == ["0", "1"]
    with pytest.raises(ValueError, match=r"as counts \(2\), got 5 classes and 5 names"):
        summarize(counts([1, 0], [1, 0], [0, 0], [0, 0]), TABLE)
