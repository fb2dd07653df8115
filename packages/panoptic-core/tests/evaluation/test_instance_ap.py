import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData

from panoptic_core.evaluation import instance_ap
from panoptic_fusion import BoxMasks

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": "panoptic_core.InstanceAP", "classwise": True}


def _instances(made: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the things of the truth as instances."""
    truth = made["gt_panoptic"]
    things = [segment for segment in truth.segments if segment.is_thing]
    masks = BoxMasks.from_full(torch.stack([truth.mask(thing.id) for thing in things]))
    data = InstanceData(
        bboxes=masks.boxes.float(),
        labels=torch.tensor([thing.label for thing in things]),
        masks=masks,
        **{key: torch.as_tensor(value) for key, value in more.items()},
    )
    return dict(data.items())


def _samples(sample: SampleMaker, scores: list[float]) -> list[dict[str, Any]]:
    made = sample(0)
    crowd = [segment.iscrowd for segment in made["gt_panoptic"].segments if segment.is_thing]
    return [
        sample(
            number,
            ori_shape=(32, 48),
            gt_instances=_instances(made, iscrowd=crowd),
            pred_instances=_instances(made, scores=scores),
        )
        for number in range(2)
    ]


def test_truth_against_itself_is_100(sample: SampleMaker, evaluate: Evaluate) -> None:
    # The truth is two cars, a person and a crowd of people; the crowd excuses the detection that lies on it.
    values = evaluate(METRIC, _samples(sample, [0.9, 0.8, 0.7, 0.6]))
    for kind in ("box", "mask"):
        assert round(values[f"instance/{kind}_AP"], 6) == 100.0
        assert round(values[f"instance/{kind}_AP/car"], 6) == 100.0
        assert math.isnan(values[f"instance/{kind}_AP_l"])  # no object is that large


def test_boxes_alone_have_the_box_ap_that_they_have_with_masks(
    sample: SampleMaker, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(instance_ap, "print_log", lambda text, **_: said.append(text))
    samples = _samples(sample, [0.9, 0.8, 0.7, 0.6])
    for made in samples:
        made["pred_instances"]["bboxes"][1] += 3
    whole = evaluate(METRIC, copy.deepcopy(samples))
    for made in samples:
        del made["pred_instances"]["masks"]
    values = evaluate(METRIC, samples)
    assert values.keys() == {name for name in whole if "mask" not in name}
    assert [values[name] for name in values] == pytest.approx([whole[name] for name in values], nan_ok=True)
    assert values["instance/box_AP"] < 100
    assert said[1] == "mask AP: not available, the model predicts boxes alone."
    assert "mask" not in said[2]


def test_a_detection_of_the_wrong_class_costs_its_class(sample: SampleMaker, evaluate: Evaluate) -> None:
    samples = _samples(sample, [0.9, 0.8, 0.7, 0.6])
    for made in samples:
        made["pred_instances"]["labels"][1] = 0  # the second car is called a person, with a higher score
    values = evaluate(METRIC, samples)
    # car: half of the truth is found, at every score: AP 50 or a little more by COCO's 101 recall points.
    assert 50 <= values["instance/mask_AP/car"] < 51
    # person: one false positive in front of the true one in each image: precision 1/2.
    assert abs(values["instance/mask_AP/person"] - 50) < 1e-6


def test_boxes_alone_and_no_instances(sample: SampleMaker, evaluate: Evaluate, logged: list[str]) -> None:
    samples = _samples(sample, [0.9, 0.8, 0.7, 0.6])
    for made in samples:
        for key in ("pred_instances", "gt_instances"):
            del made[key]["masks"]
    assert round(evaluate({**METRIC, "kinds": ["box"]}, samples)["instance/box_AP"], 6) == 100.0
    assert evaluate(METRIC, [sample(0)]) == {}
    assert "not available" in logged[-1]


def test_nothing_found(sample: SampleMaker, evaluate: Evaluate) -> None:
    samples = _samples(sample, [0.9, 0.8, 0.7, 0.6])
    for made in samples:
        found = InstanceData(**made["pred_instances"])
        made["pred_instances"] = dict(found[torch.zeros(4, dtype=torch.bool)].items())
    assert evaluate(METRIC, samples)["instance/mask_AP"] == 0.0
