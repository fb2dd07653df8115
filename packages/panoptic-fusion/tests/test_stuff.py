"""Dropping small stuff, by segment and by region."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_fusion import PanopticSegmentation, connected_components, drop_small_stuff
from panoptic_fusion.testing import example_segmentation


def test_by_segment_by_hand() -> None:
    # Stuff 1 has 3 pixels, stuff 2 has 1, the thing 3 has 1 and stays.
    id_map = torch.tensor([[1, 1, 2], [1, 0, 3]])
    seg = PanopticSegmentation.from_id_map(
        id_map, [1, 2, 3], [5, 6, 0], [False, False, True], scores=[1, 1, 0.5]
    )
    small = drop_small_stuff(seg, 2)
    assert small.id_map.tolist() == [[1, 1, 0], [1, 0, 3]]
    assert [segment.id for segment in small.segments] == [1, 3]
    assert drop_small_stuff(seg, 4).id_map.tolist() == [[0, 0, 0], [0, 0, 3]]
    assert drop_small_stuff(seg, 0).segments == seg.segments


@pytest.mark.parity
@pytest.mark.parametrize("connectivity", [4, 8])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), limit=st.integers(0, 20))
def test_by_region_matches_a_loop(seed: int, limit: int, connectivity: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    id_map = torch.randint(0, 4, (12, 14), generator=generator) * 70
    id_map[3:8, 3:9] = 140
    seg = PanopticSegmentation.from_id_map(
        id_map, [210, 70, 140], [0, 4, 3], [True, False, False], scores=[0.5, 1, 1]
    )
    before = seg.id_map.clone()
    out = drop_small_stuff(seg, limit, connected=True, connectivity=connectivity)
    expected = seg.id_map.clone()
    numbers, areas = connected_components(seg.id_map, connectivity=connectivity)
    for number, area in enumerate(areas.tolist()):
        region = numbers == number
        if area < limit and int(seg.id_map[region][0]) in (70, 140):
            expected[region] = 0
    assert torch.equal(out.id_map, expected)
    assert torch.equal(seg.id_map, before)
    for segment in out.segments:
        assert segment.area == int((expected == segment.id).sum())
        assert segment.area > 0
    assert [segment.id for segment in out.segments] == [i for i in (210, 70, 140) if (expected == i).any()]
    assert out.segments[0].score == 0.5


def test_no_segments_and_no_limit() -> None:
    for connected in (False, True):
        assert len(drop_small_stuff(PanopticSegmentation.empty(3, 4), 9, connected=connected)) == 0
        seg = example_segmentation()
        assert drop_small_stuff(seg, 1, connected=connected).segments == seg.segments


def test_rejects_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"`area_limit` to be a whole number >= 0, got -1"):
        drop_small_stuff(example_segmentation(), -1)
    with pytest.raises(ValueError, match=r"`connectivity` to be 4 or 8, got 5"):
        drop_small_stuff(example_segmentation(), 1, connected=True, connectivity=5)
