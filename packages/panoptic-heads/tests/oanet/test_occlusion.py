"""Which of two overlapping instances is surer, and which one is shown."""

from typing import Any

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from panoptic_fusion import BoxMasks, PanopticSegmentation
from panoptic_heads.registry import METRICS

SIZE = (6, 10)


def _sample(scores: list[float], shown: int, *, iscrowd: bool = False) -> dict[str, Any]:
    """A person (0) at columns 0-5; a bag (1) on top, columns 3-4, rows 2-3; a far person at columns 5-8."""
    masks = torch.zeros(3, *SIZE, dtype=torch.bool)
    masks[0, :, :6], masks[1, 2:4, 3:5], masks[2, :, 5:9] = True, True, True
    ids = torch.full(SIZE, 9)
    for segment, mask in zip((3, 1, 2), (masks[2], masks[0], masks[1]), strict=True):
        ids[mask] = segment
    labels = [0, 1, 0, 5]
    target = PanopticSegmentation.from_id_map(ids, [1, 2, 3, 9], labels, [True, True, True, False])
    drawn = ids.clone()
    drawn[2:4, 3:5] = shown
    boxes = torch.tensor([[0.0, 0, 6, 6], [3, 2, 5, 4], [5, 0, 9, 6]])
    sample = DetDataSample(metainfo={"img_id": len(scores)})
    sample.gt_panoptic = target
    sample.pred_panoptic = PanopticSegmentation.from_id_map(drawn, [1, 2, 3, 9], labels, [True] * 3 + [False])
    sample.gt_instances = InstanceData(
        bboxes=boxes,
        labels=torch.tensor(labels[:3]),
        masks=BoxMasks.from_full(masks),
        iscrowd=torch.tensor([False, iscrowd, False]),
    )
    count = len(scores)
    sample.pred_instances = InstanceData(
        bboxes=boxes[:count], labels=torch.tensor(labels[:count]), scores=torch.tensor(scores)
    )
    return sample.to_dict()


@pytest.mark.parametrize(
    ("scores", "shown", "expected"),
    [
        ([0.9, 0.6, 0.8], 2, [(True, True)]),  # two persons overlap, too: one class, no pair
        ([0.9, 0.6, 0.8], 1, [(True, False)]),
        ([0.5, 0.6], 2, [(False, True)]),
        ([0.9], 2, []),  # the bag is not detected
        ([], 2, []),
    ],
    ids=str,
)
def test_by_hand(scores: list[float], shown: int, expected: list[tuple[bool, bool]]) -> None:
    metric = METRICS.build({"type": "panoptic_heads.OcclusionOrder"})
    assert metric.measure(_sample(scores, shown)) == expected


def test_a_crowd_is_no_instance() -> None:
    metric = METRICS.build({"type": "panoptic_heads.OcclusionOrder"})
    assert metric.measure(_sample([0.9, 0.6, 0.8], 2, iscrowd=True)) == []


def test_values() -> None:
    metric = METRICS.build({"type": "panoptic_heads.OcclusionOrder"})
    values = metric.summarize([[(True, True), (True, False)], [], [(False, True), (True, True)]])
    assert values == {"pairs": 4, "upper_scores_lower": 75.0, "upper_shown": 75.0}
    assert str(metric.summarize([[]])) == "{'pairs': 0, 'upper_scores_lower': nan, 'upper_shown': nan}"
