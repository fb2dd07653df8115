from collections.abc import Callable
from typing import Any

import pytest
import torch

from panoptic_core.metrics import confusion_matrix, mean_iou, thing_stuff_confusion
from panoptic_core.testing import tiny_scene

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": "panoptic_core.MeanIoU", "classwise": True}


def _with_labels(made: dict[str, Any], labels: torch.Tensor) -> dict[str, Any]:
    return {**made, "pred_sem_seg": {"sem_seg": labels[None]}}


def test_equals_the_pure_functions(sample: SampleMaker, evaluate: Evaluate) -> None:
    samples = []
    matrix = 0
    for number in range(3):
        made = sample(number)
        truth = made["gt_panoptic"].label_map()
        labels = torch.roll(truth, number, dims=0)
        labels[labels == 255] = 0
        samples.append(_with_labels(made, labels))
        matrix = matrix + confusion_matrix(labels, truth, 5)
    expected = mean_iou(matrix, tiny_scene().table)
    values = evaluate(METRIC, [*samples, samples[0]], size=3)  # one image again
    assert values["semantic/mIoU"] == expected.miou < 100
    assert values["semantic/pixel_accuracy"] == expected.pixel_accuracy
    assert values["semantic/IoU/car"] == expected.per_class["car"]


def test_crowds_keep_their_class(sample: SampleMaker, evaluate: Evaluate) -> None:
    made = sample(0)
    labels = made["gt_panoptic"].label_map()
    labels[labels == 255] = 3  # void does not count
    assert evaluate(METRIC, [_with_labels(made, labels)])["semantic/mIoU"] == 100.0


def test_not_available_without_a_semantic_map(
    sample: SampleMaker, evaluate: Evaluate, logged: list[str]
) -> None:
    assert evaluate(METRIC, [sample(0)]) == {}
    assert logged == ["mIoU: not available, the model has no semantic map of its own."]


def test_the_wrong_size_names_the_image(sample: SampleMaker, evaluate: Evaluate) -> None:
    with pytest.raises(ValueError, match="Image 7"):
        evaluate(METRIC, [_with_labels(sample(7), torch.zeros(2, 2, dtype=torch.int64))])


CONFUSION = {"type": "panoptic_core.ThingStuffConfusion"}


def test_things_and_stuff_from_the_same_labels(
    sample: SampleMaker, evaluate: Evaluate, logged: list[str]
) -> None:
    samples, matrix = [], 0
    for number in range(3):
        made = sample(number)
        truth = made["gt_panoptic"].label_map()
        labels = torch.roll(truth, number, dims=0)
        matrix = matrix + confusion_matrix(labels, truth, 5)
        samples.append(_with_labels(made, labels))
    expected = thing_stuff_confusion(matrix, tiny_scene().table)
    values = evaluate([METRIC, CONFUSION], [*samples, samples[0]], size=3)  # one image again
    shares = expected.to_dict()
    assert {name: values[f"semantic/{name}"] for name in shares} == shares
    assert 0 < shares["thing_as_stuff"] < 100
    assert shares["stuff_as_void"] > 0  # the void of the truth, moved
    assert sum(shares.values()) == pytest.approx(200)
    title, table = logged[-1].split("\n", 1)
    assert title == "Things and stuff of the semantic head, 3 images (percent of each row's pixels)"
    assert table == expected.to_table()


def test_things_and_stuff_without_a_semantic_map(
    sample: SampleMaker, evaluate: Evaluate, logged: list[str]
) -> None:
    assert evaluate(CONFUSION, [sample(0)]) == {}
    assert logged[0].startswith("Things and stuff of the semantic head: not available, the model has no")
