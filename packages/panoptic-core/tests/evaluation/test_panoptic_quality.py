import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample

from panoptic_core.evaluation import PanopticQuality
from panoptic_core.metrics import count_segments, sum_counts, summarize
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": "panoptic_core.PanopticQuality"}


def test_truth_against_itself_is_100(sample: SampleMaker, evaluate: Evaluate) -> None:
    values = evaluate(METRIC, [sample(number) for number in range(3)])
    assert values == dict.fromkeys(
        [f"panoptic/{name}{group}" for group in ("", "_th", "_st") for name in ("PQ", "SQ", "RQ")], 100.0
    )
    assert all(type(value) is float for value in values.values())


def test_equals_the_pure_functions(sample: SampleMaker, evaluate: Evaluate) -> None:
    samples = [sample(number, shift=number) for number in range(5)]
    counts = [count_segments(item["pred_panoptic"], item["gt_panoptic"], 5) for item in samples]
    expected = summarize(sum_counts(counts, 5), tiny_scene().table)
    values = evaluate({**METRIC, "classwise": True}, samples)
    assert values["panoptic/PQ"] == expected.all.pq < 100
    assert values["panoptic/RQ_st"] == expected.stuff.rq
    assert values["panoptic/PQ/car"] == expected.per_class[1].pq
    assert values["panoptic/FN/car"] == expected.per_class[1].fn


def test_a_repeated_image_counts_once(sample: SampleMaker, evaluate: Evaluate) -> None:
    # What a distributed sampler does to an odd-sized set: the first images come again at the end.
    samples = [sample(number, shift=2 * number) for number in range(3)]
    assert evaluate(METRIC, [*samples, samples[0], samples[1]], size=3) == evaluate(METRIC, samples)


def test_the_order_does_not_matter_to_the_last_bit(sample: SampleMaker, evaluate: Evaluate) -> None:
    samples = [sample(number, shift=number % 7) for number in range(12)]
    assert evaluate(METRIC, samples) == evaluate(METRIC, samples[::-1])


def test_images_that_nothing_tells_apart_are_reported(
    sample: SampleMaker,
    evaluate: Evaluate,
    logged: list[str],
) -> None:
    samples = [sample(0), sample(0, shift=3)]
    evaluate(METRIC, samples)
    assert any("1 different images of a set of 2" in line for line in logged)


def test_data_samples_as_a_model_returns_them(sample: SampleMaker, evaluate: Evaluate) -> None:
    made = sample(3)
    data_sample = DetDataSample(metainfo={"img_id": 3, "img_path": "3.png"})
    data_sample.gt_panoptic, data_sample.pred_panoptic = made["gt_panoptic"], made["pred_panoptic"]
    assert evaluate(METRIC, [data_sample])["panoptic/PQ"] == 100.0


def test_nothing_predicted_and_no_things_in_the_set(evaluate: Evaluate) -> None:
    # Sky alone in truth and prediction: things do not occur, so their values are NaN, not 0, no error.
    sky = PanopticSegmentation.from_id_map(torch.ones(4, 4, dtype=torch.int32), [1], [4], [False])
    good = {"img_id": 1, "gt_panoptic": sky, "pred_panoptic": sky}
    values = evaluate(METRIC, [good])
    assert values["panoptic/PQ"] == values["panoptic/PQ_st"] == 100.0
    assert math.isnan(values["panoptic/PQ_th"])
    empty = {**good, "pred_panoptic": PanopticSegmentation.empty(4, 4)}
    assert evaluate(METRIC, [empty])["panoptic/PQ"] == 0.0
    assert math.isnan(evaluate(METRIC, [])["panoptic/PQ"])


def test_the_table_is_printed(sample: SampleMaker, evaluate: Evaluate, logged: list[str]) -> None:
    evaluate([METRIC, {**METRIC, "print_classes": False, "prefix": "short"}], [sample(0)])
    long, short = logged
    assert "Panoptic quality of 1 images" in long
    assert "Things" in long
    assert "person" in long
    assert "person" not in short


def test_what_is_missing_is_named(sample: SampleMaker) -> None:
    metric = PanopticQuality()
    metric.dataset_meta = tiny_scene().table.to_metainfo()
    made = sample(5)
    with pytest.raises(KeyError, match=r"`gt_panoptic` in the sample of image 5.*LoadPanoptic"):
        metric.process(None, [{key: made[key] for key in made if key != "gt_panoptic"}])
    with pytest.raises(KeyError, match=r"`img_id` or `img_path`"):
        metric.process(None, [{key: made[key] for key in made if not key.startswith("img")}])
