"""Oracles: by hand on tiny maps, and what a model has to offer."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_core.oracles import (
    OracleError,
    apply_oracles,
    parse_oracles,
    true_classes,
    true_instances,
    true_semantics,
)
from panoptic_fusion import AffinityMaps, BoxMasks, PanopticSegmentation, RawOutputs

Sample = dict[str, Any]


def _sample() -> Sample:
    # Two instances of class 0 and 1, a crowd of class 1, stuff of class 3, void at the right.
    ids = torch.tensor([[1, 1, 2, 0], [1, 5, 2, 0], [9, 9, 5, 0]])
    return {
        "gt_panoptic": PanopticSegmentation.from_id_map(
            ids,
            [1, 2, 9, 5],
            [0, 1, 1, 3],
            [True, True, True, False],
            iscrowd=[False, False, True, False],
        )
    }


def _raw(**parts: Any) -> RawOutputs:
    return RawOutputs(size=(3, 4), num_things=2, num_classes=4, **parts)


def test_instances_are_tight_and_no_crowds() -> None:
    boxes, labels = true_instances(_sample()["gt_panoptic"])
    assert boxes.tolist() == [[0, 0, 2, 2], [2, 0, 3, 2]]
    assert boxes.dtype == torch.float32
    assert labels.tolist() == [0, 1]
    boxes, labels = true_instances(PanopticSegmentation.empty(2, 2))
    assert (boxes.shape, labels.shape) == ((0, 4), (0,))


def test_the_semantic_map_says_the_truth_and_keeps_its_word_in_void() -> None:
    own = torch.full((3, 4), 2)
    raw = true_semantics(_raw(sem_seg=own), _sample())
    assert raw.semantic_labels().tolist() == [[0, 0, 1, 2], [0, 3, 1, 2], [1, 1, 3, 2]]
    assert (own == 2).all()


def test_of_logits_the_true_channel_rises() -> None:
    logits = torch.arange(4.0)[:, None, None].expand(4, 3, 4).contiguous()  # 3 is the best everywhere
    raw = true_semantics(_raw(sem_logits=logits), _sample())
    assert raw.sem_logits[:, 0, 0].tolist() == [103, 1, 2, 3]  # class 0: 100 above the best
    assert raw.sem_logits[:, 0, 3].tolist() == [0, 1, 2, 3]  # void
    assert raw.sem_logits.argmax(0)[:, :3].tolist() == [[0, 0, 1], [0, 3, 1], [1, 1, 3]]


@pytest.mark.parametrize("void", [[0.0, 1.0, 5.0], [7.0, 1.0, 5.0]])
def test_a_head_that_knows_all_things_as_one(void: list[float]) -> None:
    logits = torch.tensor(void)[:, None, None].expand(3, 3, 4).contiguous()
    raw = true_semantics(_raw(sem_logits=logits), _sample())
    # Both thing classes are channel 0; stuff 2 and 3 are channels 1 and 2.
    assert raw.sem_logits.argmax(0)[:, :3].tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert raw.sem_logits[:, 0, 3].tolist() == void


def test_logits_of_a_grid_say_the_truth_of_each_centre() -> None:
    # Cells of 2 x 2 on 3 x 4 pixels: centres at y = 1, 3 (beyond) and x = 1, 3: the pixels (1, 1), stuff 3,
    # and (1, 3), void.
    logits = torch.arange(4.0)[:, None, None].expand(4, 2, 2).contiguous()
    phi = torch.ones(5, 2, 2)
    maps = AffinityMaps(logits.flip(0), phi, phi, gamma=0.5, stride=(2.0, 2.0))
    raw = true_semantics(_raw(affinity=maps), _sample())
    assert raw.affinity.sem_logits[:, 0, 0].tolist() == [3, 2, 1, 103]
    for row, column in ((0, 1), (1, 0), (1, 1)):
        assert raw.affinity.sem_logits[:, row, column].tolist() == [3, 2, 1, 0]
    assert raw.affinity.phi0 is phi
    assert (raw.affinity.gamma, raw.affinity.stride) == (0.5, (2.0, 2.0))
    assert maps.sem_logits[3, 0, 0] == 0


def test_a_detection_takes_the_class_of_the_box_that_it_meets() -> None:
    def labels_of(*boxes: list[float]) -> list[int]:
        found = torch.tensor(boxes).reshape(-1, 4)
        masks = BoxMasks.from_logits(torch.zeros(len(found), 2, 2), found)
        labels = torch.ones(len(found), dtype=torch.int64)
        raw = _raw(masks=masks, labels=labels, scores=torch.ones(len(found)))
        return true_classes(raw, _sample()).labels.tolist()

    # The box (0, 0, 2, 2) of class 0: IoU 1; 2 / 4 is enough; 1 / 4 is not; the crowd has no class to give.
    assert labels_of([0, 0, 2, 2], [0, 0, 1, 2], [0, 0, 1, 1], [0, 2, 2, 3]) == [0, 0, 1, 1]
    assert labels_of() == []


class _Model:
    def __init__(self) -> None:
        self.raw_transforms: list[Any] = ["own"]
        self.asked: list[bool] = []


class _BoxModel(_Model):
    def use_true_boxes(self, *, with_classes: bool) -> None:
        self.asked.append(with_classes)


def test_what_a_model_is_asked_for() -> None:
    cases: list[tuple[str, list[bool], list[Any]]] = [
        ("boxes", [False], ["own"]),
        ("boxes+classes", [True], ["own"]),
        ("semantics", [], [true_semantics, "own"]),
        ("semantics+classes", [], [true_classes, true_semantics, "own"]),
        ("semantics+classes+boxes", [True], [true_semantics, "own"]),
    ]
    for text, asked, transforms in cases:
        model = _BoxModel()
        apply_oracles(model, parse_oracles(text))
        assert (model.asked, model.raw_transforms) == (asked, transforms), text


@pytest.mark.parametrize("text", ["", "boxes+", "box", "boxes+boxes", "boxes,classes"])
def test_unknown_oracles(text: str) -> None:
    with pytest.raises(ValueError, match=r"some of boxes, classes, semantics joined by `\+`, got"):
        parse_oracles(text)


def test_models_that_cannot() -> None:
    with pytest.raises(OracleError, match=r"predicts in given boxes \(`use_true_boxes`\), got _Model"):
        apply_oracles(_Model(), ["boxes"])
    with pytest.raises(OracleError, match="with `raw_transforms` for oracles, got Linear"):
        apply_oracles(torch.nn.Linear(1, 1), ["semantics"])
    with pytest.raises(OracleError, match="`masks` and `labels` for the oracle `classes`"):
        true_classes(_raw(), _sample())
    with pytest.raises(OracleError, match="`sem_seg` or `sem_logits` for the oracle `semantics`"):
        true_semantics(_raw(), _sample())


def test_truth_that_is_missing_or_of_another_size() -> None:
    sem_seg: Tensor = torch.zeros(3, 4, dtype=torch.int64)
    with pytest.raises(OracleError, match=r"samples with `gt_panoptic` for oracles, got none\. Put"):
        true_semantics(_raw(sem_seg=sem_seg), {})
    with pytest.raises(OracleError, match=r"predictions' size \(3, 4\), got \(2, 2\)"):
        true_semantics(_raw(sem_seg=sem_seg), {"gt_panoptic": PanopticSegmentation.empty(2, 2)})
