"""What follows a network, on a model that has no network at all."""

from dataclasses import replace
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_fusion import PanopticSegmentation, RawOutputs
from panoptic_heads.common import NetworkOutput, PanopticPrediction, instances_of


def _segmentation() -> PanopticSegmentation:
    ids = torch.tensor([[1, 1, 0, 2], [3, 3, 3, 2]], dtype=torch.int32)
    return PanopticSegmentation.from_id_map(
        ids, [1, 2, 3], labels=[1, 0, 2], is_thing=[True, True, False], scores=[0.4, 0.9, 1.0]
    )


class _Parrot(PanopticPrediction):
    """Says what it was told."""

    def __init__(self, outputs: list[NetworkOutput], every_class: bool = True) -> None:
        self.outputs = outputs
        self.every_class = every_class
        self.init_prediction(lambda raw: _segmentation())  # type: ignore[arg-type]

    @property
    def predicts_every_class(self) -> bool:
        return self.every_class

    def predict_raw(self, *args: Any, **kwargs: Any) -> list[NetworkOutput]:
        return self.outputs


def _raw() -> RawOutputs:
    return RawOutputs((2, 4), 2, 3, sem_seg=torch.full((2, 4), 2))


def _predict(model: _Parrot) -> DetDataSample:
    return model.predict(torch.zeros(1, 3, 2, 4), [DetDataSample()])[0]


def test_things_of_a_map_as_detections() -> None:
    found = instances_of(_segmentation())
    # By falling score: the column at the right (0.9), then the two pixels at the left; no stuff.
    assert found.labels.tolist() == [0, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.4]))
    assert found.bboxes.tolist() == [[3, 0, 4, 2], [0, 0, 2, 1]]
    masks = found.masks.to_full((2, 4))
    assert masks[0].tolist() == [[False, False, False, True]] * 2
    assert masks[1].tolist() == [[True, True, False, False], [False] * 4]


def test_the_map_of_every_class_gives_way_to_that_of_a_transform() -> None:
    every_class, truth = torch.ones(2, 4).long(), torch.zeros(2, 4).long()
    model = _Parrot([NetworkOutput(_raw(), None, sem_seg=every_class)])
    model.raw_transforms = [lambda raw, sample: replace(raw, labels=None)]  # another part
    assert torch.equal(_predict(model).pred_sem_seg.sem_seg[0], every_class)
    model.raw_transforms = [lambda raw, sample: replace(raw, sem_seg=truth)]
    assert torch.equal(_predict(model).pred_sem_seg.sem_seg[0], truth)


def test_no_things_are_no_detections() -> None:
    found = instances_of(PanopticSegmentation.empty(3, 4))
    assert len(found.masks) == len(found.labels) == 0
    assert found.bboxes.shape == (0, 4)


def test_sample_of_a_network_without_detections() -> None:
    sample = _predict(_Parrot([NetworkOutput(_raw(), None)]))
    assert sample.pred_instances.labels.tolist() == [0, 1]
    assert sample.pred_sem_seg.sem_seg.unique().tolist() == [2]
    assert sample.pred_panoptic.ids.tolist() == [1, 2, 3]
    assert sample.pred_panoptic_seg.sem_seg.shape == (1, 2, 4)


def test_detections_of_a_network_are_kept() -> None:
    own = InstanceData(labels=torch.tensor([1]))
    assert _predict(_Parrot([NetworkOutput(_raw(), own)])).pred_instances is own


def test_no_label_map_of_a_head_that_merges_classes() -> None:
    assert "pred_sem_seg" not in _predict(_Parrot([NetworkOutput(_raw(), None)], every_class=False))


def test_transforms_come_in_order_before_the_fusion() -> None:
    seen: list[Tensor] = []
    model = _Parrot([NetworkOutput(_raw(), None)])
    model.raw_transforms = [
        lambda raw, _: RawOutputs((2, 4), 2, 3, sem_seg=raw.sem_seg - 1),
        lambda raw, _: seen.append(raw.sem_seg) or raw,
    ]
    assert _predict(model).pred_sem_seg.sem_seg.unique().tolist() == [1]
    assert seen[0].unique().tolist() == [1]
