"""COCO's encoding, there and back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import PanopticSegmentation, coco_to_segmentation, segmentation_to_coco
from panoptic_fusion.testing import example_segmentation


def test_two_segments_by_hand() -> None:
    # 65536 * 1 + 256 * 2 + 3 = 66051, red first.
    id_map = torch.tensor([[66051, 0], [66051, 9]])
    seg = PanopticSegmentation.from_id_map(id_map, [9, 66051], [1, 0], [False, True], iscrowd=[False, True])
    rgb, segments_info = segmentation_to_coco(seg, category_ids=[18, 200])
    assert rgb.dtype == np.uint8
    assert rgb.tolist() == [[[3, 2, 1], [0, 0, 0]], [[3, 2, 1], [9, 0, 0]]]
    assert segments_info == [
        {"id": 9, "category_id": 200, "area": 1, "bbox": [1, 1, 1, 1], "iscrowd": 0},
        {"id": 66051, "category_id": 18, "area": 2, "bbox": [0, 0, 1, 2], "iscrowd": 1},
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_round_trip(seed: int, mapped: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 2**21, (6,), generator=generator) * 8 + torch.arange(6)
    id_map = torch.cat([ids, torch.zeros(1, dtype=torch.int64)])[
        torch.randint(0, 7, (9, 11), generator=generator)
    ]
    labels = torch.randint(0, 4, (6,), generator=generator)
    crowd = torch.rand(6, generator=generator) < 0.3
    seg = PanopticSegmentation.from_id_map(id_map, ids, labels, labels < 2, iscrowd=crowd)
    table = [7, 90, 3, 200] if mapped else None
    rgb, segments_info = segmentation_to_coco(seg, category_ids=table)
    back = coco_to_segmentation(rgb, segments_info, num_things=2, category_ids=table)
    assert torch.equal(back.id_map, seg.id_map)
    assert back.segments == seg.segments
    decoded = coco_to_segmentation(seg.id_map, segments_info, num_things=2, category_ids=table)
    assert decoded.segments == seg.segments


def test_crowd_void_and_scores_survive() -> None:
    seg = example_segmentation()
    rgb, segments_info = segmentation_to_coco(seg)
    back = coco_to_segmentation(rgb, [{**info, "score": 0.5} for info in segments_info], num_things=2)
    assert torch.equal(back.iscrowd, seg.iscrowd)
    assert bool(back.iscrowd.any())
    assert torch.equal(back.id_map == 0, seg.id_map == 0)
    assert set(back.scores.tolist()) == {0.5}


def test_no_segments() -> None:
    rgb, segments_info = segmentation_to_coco(PanopticSegmentation.empty(2, 3))
    assert segments_info == []
    assert len(coco_to_segmentation(rgb, [], num_things=2)) == 0


def test_rejects_what_does_not_fit() -> None:
    seg = PanopticSegmentation.from_id_map(torch.tensor([[2**24]]), [2**24], [3], [False])
    with pytest.raises(ValueError, match=r"ids below 2\*\*24 = 16777216 \(three bytes\), got 16777216"):
        segmentation_to_coco(seg)
    small = PanopticSegmentation.from_id_map(torch.tensor([[5]]), [5], [3], [False])
    with pytest.raises(ValueError, match=r"labels below the 2 `category_ids`, got 3"):
        segmentation_to_coco(small, category_ids=[1, 2])
    rgb, segments_info = segmentation_to_coco(small)
    with pytest.raises(ValueError, match=r"`category_id` of segment 5 to be one of the 2 .* got 3"):
        coco_to_segmentation(rgb, segments_info, num_things=2, category_ids=[1, 2])
    with pytest.raises(ValueError, match=r"1 of its ids are missing: 5"):
        coco_to_segmentation(rgb, [], num_things=2)
    with pytest.raises(TypeError, match=r"`rgb` to be uint8"):
        coco_to_segmentation(rgb.astype(np.int32), segments_info, num_things=2)
    with pytest.raises(ValueError, match=r"`rgb` to have the shape \(H, W, 3\) or \(H, W\), got \(1, 1, 4\)"):
        coco_to_segmentation(np.zeros((1, 1, 4), np.uint8), segments_info, num_things=2)
