"""Targets by hand, held against a mask for each instance, and taken back by grouping."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from panoptic_fusion import PanopticSegmentation, encode_centers, find_centers, group_pixels
from panoptic_fusion.testing import example_segmentation
from panoptic_fusion.testing.literal_centers import encode_centers_literally


def draw_segmentation(seed: int, height: int, width: int, count: int) -> PanopticSegmentation:
    """Draw rectangles over each other: things, stuff, crowds and void."""
    generator = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    id_map = torch.zeros(height, width, dtype=torch.int64)
    ids = (torch.randperm(50, generator=generator)[:count] + 1).tolist()
    for one in ids:
        top, left = whole(0, height), whole(0, width)
        id_map[top : top + whole(1, height + 1), left : left + whole(1, width + 1)] = one
    if whole(0, 2):
        id_map[: height // 3, : width // 2] = 0
    labels = [whole(0, 6) for _ in ids]
    is_thing = [label < 4 for label in labels]
    crowd = [thing and whole(0, 5) == 0 for thing in is_thing]
    return PanopticSegmentation.from_id_map(
        id_map, ids, labels, is_thing, iscrowd=crowd, keep=bool(whole(0, 2))
    )


def test_by_hand() -> None:
    # Thing 5: columns 0 to 3 of both rows but (1, 3): mean y (4 * 0 + 3 * 1) / 7 = 3/7, mean x (0 + 1 + 2 +
    # 3 + 0 + 1 + 2) / 7 = 9/7. Crowd 6 at column 4, stuff 7 at column 5, void at column 6 and (1, 3).
    id_map = torch.tensor([[5, 5, 5, 5, 6, 7, 0], [5, 5, 5, 0, 6, 7, 0]])
    seg = PanopticSegmentation.from_id_map(
        id_map, [7, 6, 5], labels=[2, 0, 1], is_thing=[False, True, True], iscrowd=[False, True, False]
    )
    targets = encode_centers(seg, sigma=1.0)
    torch.testing.assert_close(targets.centers, torch.tensor([[3 / 7, 9 / 7]]))
    assert targets.ids.tolist() == [5]
    down = torch.tensor([[3 / 7] * 4 + [0.0] * 3, [3 / 7 - 1] * 3 + [0.0] * 4])
    right = torch.tensor(
        [[9 / 7 - x for x in range(4)] + [0.0] * 3, [9 / 7 - x for x in range(3)] + [0.0] * 4]
    )
    torch.testing.assert_close(targets.offsets, torch.stack([down, right]))
    assert torch.equal(targets.offset_mask, id_map == 5)
    assert torch.equal(targets.heatmap_mask, (id_map == 5) | (id_map == 7))
    assert torch.equal(targets.semantic_weight, torch.where(id_map == 5, 3.0, 1.0))
    # The peak is pixel (0, 1); 4 pixels further right the Gaussian is exp(-8), and then it is cut off.
    x = torch.arange(7.0) - 1
    row = torch.exp(-(x**2) / 2) * (x <= 4)
    torch.testing.assert_close(targets.heatmap, torch.stack([row, row * torch.exp(torch.tensor(-0.5))])[None])


def test_where_the_peak_stands_and_where_offsets_lead() -> None:
    id_map = torch.tensor([[3, 3, 3, 3, 0, 0, 0, 0]])  # center of mass: 1.5
    seg = PanopticSegmentation.from_id_map(id_map, [3], labels=[0], is_thing=[True])

    def peak(**options: str) -> list[list[int]]:
        heat = encode_centers(seg, **options).heatmap
        return [heat.view(-1).argmax().item(), round(float(heat.max()), 4)]

    assert peak() == [2, 1.0]
    assert peak(peak="floored") == [1, 1.0]
    assert peak(peak="exact") == [1, 0.998]  # exp(-0.25 / 128), on pixels 1 and 2
    assert encode_centers(seg).offsets[1, 0, 0] == 1.5
    assert encode_centers(seg, offset_to="peak").offsets[1, 0, 0] == 2
    assert encode_centers(seg, offset_to="peak").centers.tolist() == [[0, 2]]
    assert encode_centers(seg, peak="floored", offset_to="peak").offsets[1, 0, 0] == 1
    assert encode_centers(seg, small_area=4).semantic_weight.max() == 1
    assert encode_centers(seg, small_area=5, small_weight=2).semantic_weight.max() == 2


@pytest.mark.parity
@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 40),
    width=st.integers(1, 60),
    count=st.integers(0, 8),
    sigma=st.sampled_from([0.5, 3.0, 8.0]),
)
def test_matches_one_mask_after_another(seed: int, height: int, width: int, count: int, sigma: float) -> None:
    seg = draw_segmentation(seed, height, width, count)
    heatmap, offsets, heatmap_mask, offset_mask, weight = encode_centers_literally(seg, sigma)
    targets = encode_centers(seg, sigma=sigma)
    torch.testing.assert_close(targets.heatmap[0], heatmap, rtol=0, atol=1e-6)
    torch.testing.assert_close(targets.offsets, offsets, rtol=0, atol=1e-5)
    assert torch.equal(targets.heatmap_mask, heatmap_mask)
    assert torch.equal(targets.offset_mask, offset_mask)
    assert torch.equal(targets.semantic_weight, weight)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 40),
    width=st.integers(1, 60),
    count=st.integers(0, 12),
    peak=st.sampled_from(["rounded", "floored", "exact"]),
)
def test_grouping_takes_it_back(seed: int, height: int, width: int, count: int, peak: str) -> None:
    seg = draw_segmentation(seed, height, width, count)
    targets = encode_centers(seg, peak=peak)
    groups = group_pixels(targets.centers, targets.offsets, targets.offset_mask)
    distances = torch.cdist(targets.centers.double(), targets.centers.double())
    assume(not ((distances > 0) & (distances < 1e-3)).any())
    # The first instance with the same center; itself, but for centers that fall together.
    first = (distances == 0).to(torch.uint8).argmax(dim=1) if len(distances) else distances.long()
    expected = torch.zeros(seg.shape, dtype=torch.int32)
    for k, one in enumerate(targets.ids.tolist()):
        expected[seg.id_map == one] = int(first[k]) + 1
    assert torch.equal(groups, expected)


def test_a_ring_and_what_it_surrounds_become_one() -> None:
    id_map = torch.full((5, 5), 4)
    id_map[2, 2] = 9
    seg = PanopticSegmentation.from_id_map(id_map, [4, 9], labels=[0, 0], is_thing=[True, True])
    targets = encode_centers(seg)
    assert targets.centers.tolist() == [[2, 2], [2, 2]]
    assert group_pixels(targets.centers, targets.offsets, targets.offset_mask).unique().tolist() == [1]


def test_a_crowd_draws_nothing_and_leaks_nothing() -> None:
    seg = example_segmentation()
    crowd = int(seg.ids[seg.iscrowd])
    without = PanopticSegmentation.from_id_map(
        torch.where(seg.id_map == crowd, 0, seg.id_map),
        seg.ids[~seg.iscrowd],
        seg.labels[~seg.iscrowd],
        seg.is_thing[~seg.iscrowd],
    )
    for ours, theirs in zip(encode_centers(seg), encode_centers(without), strict=True):
        assert torch.equal(ours, theirs)


def test_peaks_are_found_where_they_were_drawn() -> None:
    id_map = torch.zeros(200, 300, dtype=torch.int64)
    for one, (y, x) in enumerate([(3, 4), (60, 50), (61, 58), (150, 299), (199, 0)], start=1):
        id_map[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = one
    seg = PanopticSegmentation.from_id_map(id_map, [1, 2, 3, 4, 5], [0] * 5, [True] * 5)
    targets = encode_centers(seg)
    found = find_centers(targets.heatmap)
    assert sorted(found.positions.tolist()) == sorted(targets.centers.round().long().tolist())
    assert found.scores.tolist() == [1.0] * 5


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0), (3, 4)])
def test_nothing_to_encode(size: tuple[int, int]) -> None:
    targets = encode_centers(PanopticSegmentation.empty(*size))
    assert targets.heatmap.shape == (1, *size)
    assert targets.offsets.shape == (2, *size)
    assert targets.centers.shape == (0, 2)
    assert not targets.heatmap_mask.any()


def test_a_huge_gaussian_stays_within_the_image() -> None:
    id_map = torch.zeros(3, 4, dtype=torch.int64)
    id_map[1, 1] = 1
    seg = PanopticSegmentation.from_id_map(id_map, [1], [0], [True])
    torch.testing.assert_close(encode_centers(seg, sigma=1e4).heatmap, torch.ones(1, 3, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0}, r"`sigma` to be a number in \(0, 10000\], got 0"),
        ({"sigma": float("nan")}, r"`sigma` to be a number"),
        ({"peak": "middle"}, r"`peak` to be one of 'rounded', 'floored', 'exact', got 'middle'"),
        ({"offset_to": "box"}, r"`offset_to` to be one of 'mass', 'peak', got 'box'"),
        ({"small_area": -1}, r"`small_area` to be a whole number >= 0, got -1"),
        ({"small_weight": -1.0}, r"`small_weight` to be a number in \[0, 1e\+06\], got -1.0"),
    ],
)
def test_rejects_what_does_not_fit(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_centers(example_segmentation(), **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_same() -> None:
    seg = draw_segmentation(3, 200, 300, 8)
    for here, there in zip(encode_centers(seg), encode_centers(seg.to("cuda")), strict=True):
        torch.testing.assert_close(there.cpu(), here)
