"""Our NMS gives mmcv's indices, in mmcv's order."""

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_core.ops import nms as ours


def _random(seed: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clustered boxes, some without extent, some on whole pixels; distinct scores; classes."""
    generator = torch.Generator().manual_seed(seed)
    objects = max(1, count // (1 + seed % 9))
    centre = 400 * torch.rand(objects, 2, generator=generator)
    middle = centre[torch.randint(0, objects, (count,), generator=generator)]
    middle = middle + 6 * torch.randn(count, 2, generator=generator)
    half = 1 + 30 * torch.rand(count, 2, generator=generator)
    boxes = torch.cat([middle - half, middle + half], 1)
    boxes[::11, 2:] = boxes[::11, :2]
    boxes[3::5] = boxes[3::5].round()
    boxes[5::7] = boxes[5::7].clamp(0, 300)
    scores = torch.randperm(count, generator=generator) / max(1, count)
    return boxes, scores, torch.randint(0, 80, (count,), generator=generator)


def _without_ties(scores: Tensor) -> Tensor:
    """Distinct scores in the order of `scores`, equal ones in input order.

    mmcv sorts with torch's unstable sort, so that its order of equal scores depends on the processor. Ours is
    one of the orders that it may choose: the stable one, as torchvision's.
    """
    order = scores.sort(descending=True, stable=True).indices
    return torch.empty(len(scores)).index_copy_(0, order, torch.arange(len(scores), 0, -1.0))


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("count", [0, 1, 2, 17, 64, 65, 200, 700, 2500])
def test_nms(compiled: ModuleType, same: Any, count: int, threshold: float, offset: int) -> None:
    for seed in range(10):
        boxes, scores, _ = _random(seed, count)
        theirs = compiled.nms(boxes, scores, iou_threshold=threshold, offset=offset)
        same("NMS", theirs, ours(boxes, scores, threshold, offset))


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("offset", [0, 1])
def test_ties_and_whole_numbers(compiled: ModuleType, same: Any, threshold: float, offset: int) -> None:
    # Equal scores, IoUs equal to the threshold, identical boxes, touching boxes, swapped corners.
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        boxes = torch.randint(0, 14, (150, 4), generator=generator).float()
        boxes += 15 * torch.randint(0, 1 + seed % 20, (150, 1), generator=generator)
        scores = torch.randint(0, 5, (150,), generator=generator).float()
        theirs = compiled.nms(boxes, _without_ties(scores), iou_threshold=threshold, offset=offset)
        same("NMS, ties", theirs, ours(boxes, scores, threshold, offset))


@pytest.mark.parametrize("count", [1, 30, 1000, 12000])
@pytest.mark.parametrize("class_agnostic", [False, True])
def test_batched_nms(both: Any, same: Any, close: Any, count: int, class_agnostic: bool) -> None:
    from mmcv.ops import batched_nms

    config = {"type": "nms", "iou_threshold": 0.6}
    for seed in range(3):
        inputs = _random(seed, count)
        (their_dets, theirs), (my_dets, mine) = both(
            lambda inputs=inputs: batched_nms(*inputs, config, class_agnostic)
        )
        same("batched NMS of 80 classes", theirs, mine)
        close("batched NMS, boxes and scores", their_dets, my_dets, 0.0)


def test_score_threshold_and_limit(both: Any, same: Any) -> None:
    from mmcv.ops import nms

    boxes, scores, _ = _random(0, 500)
    (_, theirs), (_, mine) = both(lambda: nms(boxes, scores, 0.5, score_threshold=0.3, max_num=40))
    same("NMS, score threshold", theirs, mine)
