"""The measures beside PQ in MMEngine's loops."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

from panoptic_core.metrics import MEASURES, ExtendedSum, count_extended, summarize_extended
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": "panoptic_core.ExtendedPanopticQuality"}
TABLE = tiny_scene().table


def test_equals_the_pure_functions(sample: SampleMaker, evaluate: Evaluate) -> None:
    samples = [sample(number, shift=number) for number in range(4)]
    total = ExtendedSum(len(TABLE))
    for made in samples:
        total.add(count_extended(made["pred_panoptic"], made["gt_panoptic"], TABLE))
    expected = summarize_extended(total.total(), TABLE).values()
    values = evaluate(METRIC, [*samples, samples[0]], size=4)  # one image again, as a sampler pads
    assert values.keys() == {f"extended/{name}" for name in expected}
    for name, value in expected.items():
        assert values[f"extended/{name}"] == pytest.approx(value, abs=0, nan_ok=True)
    assert 0 < values["extended/PQ_boundary"] < values["extended/PQ_dagger"] < 100


def test_beside_pq_in_one_run(sample: SampleMaker, evaluate: Evaluate) -> None:
    values = evaluate(
        [METRIC, {"type": "panoptic_core.PanopticQuality", "classwise": True}],
        [sample(number, shift=4 * number) for number in range(3)],
    )
    for side, name in (("FN", "fn"), ("FP", "fp")):
        kinds = sum(value for key, value in values.items() if key.startswith(f"extended/{side}_"))
        classes = (values[f"panoptic/{name.upper()}/{one}"] for one in TABLE.names)
        assert kinds == sum(classes)
        assert kinds > 0
    assert values["extended/PQ_dagger_th"] == values["panoptic/PQ_th"]


def test_single_measures_and_the_table(sample: SampleMaker, evaluate: Evaluate, logged: list[str]) -> None:
    values = evaluate({**METRIC, "measures": ["covering"]}, [sample(0)])
    assert values == {"extended/PC": 100.0, "extended/PC_th": 100.0, "extended/PC_st": 100.0}
    assert logged[0].splitlines()[0] == "Beside PQ, of 1 images (percent, counts of errors)"
    assert logged[0].splitlines()[2].split() == ["Parsing", "Covering", "100.00", "100.00", "100.00"]


def test_records_hold_only_the_classes_of_their_image(evaluate: Evaluate) -> None:
    car = PanopticSegmentation.from_id_map(torch.ones(4, 4, dtype=torch.int32), [1], [1], [True])
    counts = count_extended(car, car, TABLE)
    assert counts.labels.tolist() == [1]
    assert all(len(part.sums) == len(part.counts) == 1 for part in counts.parts.values())
    wide = count_extended(car, car, [True] * 1000)
    assert len(pickle.dumps(wide)) == pytest.approx(len(pickle.dumps(counts)), rel=0.02)
    values = evaluate(METRIC, [{"img_id": 1, "gt_panoptic": car, "pred_panoptic": car}])
    assert math.isnan(values["extended/PC_st"])


def test_not_available_without_panoptic_maps(
    sample: SampleMaker, evaluate: Evaluate, logged: list[str]
) -> None:
    made = sample(0)
    del made["pred_panoptic"]
    assert evaluate(METRIC, [made]) == {}
    assert logged == ["Beside PQ: not available, the model makes no panoptic maps."]


def test_what_is_missing_or_wrong_is_named(sample: SampleMaker, evaluate: Evaluate) -> None:
    made = sample(5)
    del made["gt_panoptic"]
    with pytest.raises(KeyError, match=r"`gt_panoptic` in the sample of image 5.*LoadPanoptic"):
        evaluate(METRIC, [made])
    with pytest.raises(ValueError, match=f"among {', '.join(MEASURES)}, got pc"):
        evaluate({**METRIC, "measures": ["pc"]}, [sample(0)])
