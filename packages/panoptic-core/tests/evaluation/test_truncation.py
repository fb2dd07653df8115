"""The metric of cut boxes over several images."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from panoptic_core.evaluation import TruncationRecovery
from panoptic_core.oracles import true_instances
from panoptic_core.truncation import Truncated, recover

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": TruncationRecovery}


def _with_cut(made: dict[str, Any], share: float) -> dict[str, Any]:
    boxes, labels = true_instances(made["gt_panoptic"])
    cut = boxes.clone()
    cut[:, 0] += share * (boxes[:, 2] - boxes[:, 0])
    return {**made, "truncated": Truncated(boxes, cut, labels, torch.ones(len(boxes)))}


def test_pixels_of_all_images_together(sample: SampleMaker, evaluate: Evaluate, logged: list[str]) -> None:
    samples = [_with_cut(sample(number, shift=number), 0.25 * number) for number in range(3)]
    counts = [recover(each["gt_panoptic"], each["pred_panoptic"], each["truncated"]) for each in samples]
    instances, shown, lost, recovered, claimed = (sum(column) for column in zip(*counts, strict=True))
    values = evaluate(METRIC, [*samples, samples[1]], size=3)  # one image again
    assert values == {
        "truncation/instances": instances,
        "truncation/shown": 100 * shown / instances,
        "truncation/recovered": 100 * recovered / lost,
        "truncation/precision": 100 * recovered / claimed,
    }
    assert 0 < values["truncation/recovered"] < 100
    assert f"of {lost} pixels outside" in logged[0]


def test_nothing_lost(sample: SampleMaker, evaluate: Evaluate) -> None:
    values = evaluate(METRIC, [_with_cut(sample(0), 0.0)])
    assert (values["truncation/instances"], values["truncation/shown"]) == (3, 100)
    assert math.isnan(values["truncation/recovered"])
    assert math.isnan(values["truncation/precision"])


def test_boxes_that_were_not_cut(sample: SampleMaker, evaluate: Evaluate) -> None:
    with pytest.raises(KeyError, match=r"`truncated`.*--truncate-boxes"):
        evaluate(METRIC, [sample(0)])
