"""Stuff before and after trimming: by hand, against the functions that it joins, and in empty cases."""

import json
import math
from functools import reduce
from operator import add

import numpy as np
import pytest
import torch

from panoptic_core.metrics import (
    StuffSum,
    compare_trimming,
    confusion_matrix,
    count_segments,
    count_stuff,
    count_trimming,
    mean_iou,
    sum_counts,
    summarize,
    summarize_stuff,
)
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation, drop_small_stuff

IS_THING = [True, False, False]


def _segmentation(row: list[int], labels: dict[int, int]) -> PanopticSegmentation:
    """Return a map of one row; labels by segment id; class 0 is a thing, 1 and 2 are stuff."""
    return PanopticSegmentation.from_id_map(
        torch.tensor([row]), list(labels), list(labels.values()), [label == 0 for label in labels.values()]
    )


def _scene(seed: int) -> tuple[PanopticSegmentation, PanopticSegmentation]:
    """Return the tiny scene and a prediction of it: moved, and with false specks of stuff."""
    truth = tiny_scene().segmentation
    rng = np.random.default_rng(seed)
    ids = torch.roll(truth.id_map, int(rng.integers(0, 4)), dims=1).clone()
    for speck in rng.integers(0, [32, 48], (20, 2)).tolist():
        ids[speck[0], speck[1]] = int(rng.integers(1, 4))  # sky, building or road
    return PanopticSegmentation.from_id_map(ids, truth.ids, truth.labels, truth.is_thing), truth


def test_ten_pixels_by_hand() -> None:
    # target  A A A | 1 1 1 1 | 2 2 | V      things A (class 0), stuff of class 1 and 2, void
    # pred    A B 2 | 1 1 1 2 | . . | 2      two things A and B of one class; class 2 has 3 pixels, 1 on void
    target = _segmentation([1, 1, 1, 2, 2, 2, 2, 3, 3, 0], {1: 0, 2: 1, 3: 2})
    pred = _segmentation([1, 4, 3, 2, 2, 2, 3, 0, 0, 3], {1: 0, 4: 0, 2: 1, 3: 2})
    before, after = count_trimming(pred, target, 3, area_limit=4)
    # Class 1 has 3 pixels too: a limit of 4 drops both stuff segments, and A and B stay.
    assert [each.pq.tp.tolist() for each in (before, after)] == [[0, 1, 0], [0, 0, 0]]
    assert [each.pq.fn.tolist() for each in (before, after)] == [[1, 0, 1], [1, 1, 1]]
    assert [each.pq.fp.tolist() for each in (before, after)] == [[2, 0, 1], [2, 0, 0]]
    # Pixels of the thing class: A and B are joined, 2 of 3 hit.
    assert before.hits.tolist() == [2, 3, 0]
    assert before.annotated.tolist() == [3, 4, 2]
    assert before.predicted.tolist() == [2, 3, 2]  # the pixel on void does not count
    assert after.predicted.tolist() == [2, 0, 0]
    quality = summarize_stuff(before, IS_THING)
    # Class 1: IoU 3/4. Class 2: nothing hit.
    assert (quality.pq, quality.sq, quality.rq) == (75 / 2, 75 / 2, 50)
    assert quality.iou == 75 / 2
    assert (quality.n, quality.tp, quality.fp, quality.fn) == (2, 1, 1, 1)


def test_a_false_speck_costs_pq_and_hardly_iou() -> None:
    # First image: 100 pixels of class 2, all right. Second: 100 of class 1, 2 of them predicted as class 2.
    first = _segmentation([2] * 100, {2: 2})
    second = _segmentation([1] * 100, {1: 1}), _segmentation([1] * 98 + [2] * 2, {1: 1, 2: 2})
    sums = StuffSum(3), StuffSum(3)
    for target, pred in ((first, first), second):
        for running, part in zip(sums, count_trimming(pred, target, 3, area_limit=3), strict=True):
            running.add(part)
    before, after = (summarize_stuff(each.total(), IS_THING) for each in sums)
    assert before.pq == pytest.approx((98 + 100 / 1.5) / 2)  # class 2: one TP, one FP
    assert after.pq == pytest.approx((98 + 100) / 2)
    assert before.iou == pytest.approx((98 + 100 * 100 / 102) / 2)
    assert after.iou == pytest.approx((98 + 100) / 2)


def test_equals_the_functions_that_it_joins() -> None:
    pairs = [_scene(seed) for seed in range(4)]
    found = reduce(add, [count_stuff(pred, truth, 5) for pred, truth in pairs])
    table = tiny_scene().table
    quality = summarize_stuff(found, table)
    expected = summarize(sum_counts([count_segments(*pair, 5) for pair in pairs], 5), table).stuff
    assert (quality.pq, quality.sq, quality.rq, quality.n) == (
        expected.pq, expected.sq, expected.rq, expected.n,
    )  # fmt: skip
    maps = [[each.label_map(255) for each in pair] for pair in pairs]
    iou = mean_iou(sum(confusion_matrix(*labels, 5) for labels in maps), table).per_class
    assert quality.iou == np.mean([iou[name] for name in ("road", "building", "sky")])
    assert 0 < quality.iou < quality.pq < 100


@pytest.mark.parametrize("by_region", [False, True], ids=["segments", "regions"])
def test_trimmed_is_dropped(by_region: bool) -> None:
    pred, truth = _scene(0)
    before, after = count_trimming(pred, truth, 5, area_limit=300, by_region=by_region)
    trimmed = drop_small_stuff(pred, 300, connected=by_region)
    expected = count_stuff(trimmed, truth, 5)
    for name in ("hits", "annotated", "predicted"):
        assert getattr(after, name).tolist() == getattr(expected, name).tolist()
    assert after.pq.fn.tolist() == expected.pq.fn.tolist()
    assert after.predicted.sum() < before.predicted.sum()
    assert after.annotated.tolist() == before.annotated.tolist()  # the truth is never trimmed
    assert after.pq.tp[:2].tolist() == before.pq.tp[:2].tolist()  # nor are things


def test_regions_and_segments_differ() -> None:
    pred, truth = _scene(0)
    segments, regions = (
        count_trimming(pred, truth, 5, area_limit=20, by_region=each)[1] for each in (False, True)
    )
    assert (
        segments.predicted.sum() > regions.predicted.sum()
    )  # specks go, the segments that they belong to stay


@pytest.mark.parametrize("limit", [0, 1])
def test_no_limit_changes_nothing(limit: int) -> None:
    before, after = count_trimming(*_scene(1), 5, area_limit=limit)
    result = compare_trimming(before, after, tiny_scene().table, area_limit=limit)
    assert result.before == result.after
    assert set(result.change.values()) == {0.0}


def test_the_running_sum_does_not_depend_on_the_order() -> None:
    parts = [count_stuff(*_scene(seed), 5) for seed in range(6)]
    totals = []
    for order in (parts, parts[::-1]):
        running = StuffSum(5)
        for part in order:
            running.add(part)
        totals.append(summarize_stuff(running.total(), tiny_scene().table))
    assert totals[0] == totals[1]
    assert totals[0].iou == summarize_stuff(reduce(add, parts), tiny_scene().table).iou


def test_nothing_to_measure_is_nan() -> None:
    empty = StuffSum(3).total()
    result = compare_trimming(empty, empty, IS_THING, area_limit=5)
    assert all(math.isnan(getattr(result.before, name)) for name in ("pq", "sq", "rq", "iou"))
    assert result.before.n == 0
    content = json.loads(json.dumps(result.to_dict()))
    assert content["before"]["pq"] is content["change"]["iou"] is None
    assert result.to_table().splitlines()[1].split()[2:] == ["-", "-", "-", "-", "0", "0", "0", "0"]


def test_no_prediction_and_no_stuff() -> None:
    target = _segmentation([1, 1, 2, 2], {1: 0, 2: 1})
    nothing = summarize_stuff(count_stuff(PanopticSegmentation.empty(1, 4), target, 3), IS_THING)
    assert (nothing.pq, nothing.iou, nothing.fn) == (0, 0, 1)
    things = _segmentation([1, 1], {1: 0})
    assert math.isnan(summarize_stuff(count_stuff(things, things, 3), IS_THING).iou)
    void = PanopticSegmentation.empty(1, 4)
    assert math.isnan(summarize_stuff(count_stuff(void, void, 3), IS_THING).pq)


def test_crowds_keep_their_class_and_excuse() -> None:
    target = PanopticSegmentation.from_id_map(
        torch.tensor([[1, 1, 2, 2]]), [1, 2], [0, 1], [True, False], iscrowd=[True, False]
    )
    counts = count_stuff(target, target, 3)
    assert counts.annotated.tolist() == counts.hits.tolist() == [2, 2, 0]


def test_the_table() -> None:
    target = _segmentation([1] * 100, {1: 1})
    pred = _segmentation([1] * 98 + [2] * 2, {1: 1, 2: 2})
    result = compare_trimming(*count_trimming(pred, target, 3, area_limit=3), IS_THING, area_limit=3)
    assert result.to_table() == (
        "             PQ_st   SQ_st   RQ_st  IoU_st   N    TP    FP    FN\n"
        "all stuff    49.00   49.00   50.00   49.00   2     1     1     0\n"
        "trimmed      98.00   98.00  100.00   98.00   1     1     0     0\n"
        "change      +49.00  +49.00  +50.00  +49.00"
    )
    assert (result.area_limit, result.by_region) == (3, False)


def test_wrong_input_is_named() -> None:
    pred, truth = _scene(0)
    with pytest.raises(ValueError, match=r"Image 'a.png': expected prediction and ground truth of one size"):
        count_stuff(PanopticSegmentation.empty(2, 2), truth, 5, image="a.png")
    with pytest.raises(ValueError, match=r"`area_limit`.*-1"):
        count_trimming(pred, truth, 5, area_limit=-1)
    with pytest.raises(ValueError, match=r"as the counts have, 5, got 3"):
        summarize_stuff(count_stuff(pred, truth, 5), IS_THING)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    pred, truth = _scene(2)
    for by_region in (False, True):
        expected = count_trimming(pred, truth, 5, area_limit=300, by_region=by_region)
        found = count_trimming(pred.to("cuda"), truth.to("cuda"), 5, area_limit=300, by_region=by_region)
        for one, other in zip(expected, found, strict=True):
            assert one.predicted.tolist() == other.predicted.tolist()
            assert one.pq.iou.tolist() == other.pq.iou.tolist()
