"""Row runs, tight boxes and connected components."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panoptic_fusion import PanopticSegmentation, connected_components, segment_boxes
from panoptic_fusion.regions import row_runs
from panoptic_fusion.testing import example_segmentation


def flood(values: Tensor, connectivity: int) -> Tensor:
    """Number regions by spreading from pixel to pixel."""
    height, width = values.shape
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    if connectivity == 8:
        steps += [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    numbers = torch.full_like(values, -1)
    count = 0
    for start in range(height * width):
        if numbers.view(-1)[start] >= 0:
            continue
        waiting = [divmod(start, width)]
        numbers[waiting[0]] = count
        while waiting:
            y, x = waiting.pop()
            for dy, dx in steps:
                near = y + dy, x + dx
                inside = 0 <= near[0] < height and 0 <= near[1] < width
                if inside and numbers[near] < 0 and values[near] == values[y, x]:
                    numbers[near] = count
                    waiting.append(near)
        count += 1
    return numbers


def test_corners_join_or_not_by_hand() -> None:
    values = torch.tensor([[4, 9, 4], [9, 4, 9]])
    numbers, areas = connected_components(values, connectivity=4)
    assert numbers.tolist() == [[0, 1, 2], [3, 4, 5]]
    numbers, areas = connected_components(values, connectivity=8)
    assert numbers.tolist() == [[0, 1, 0], [1, 0, 1]]
    assert areas.tolist() == [3, 3]


@pytest.mark.parity
@pytest.mark.parametrize("connectivity", [4, 8])
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), height=st.integers(1, 9), width=st.integers(1, 9), classes=st.integers(1, 3)
)
def test_components_match_flooding(
    seed: int, height: int, width: int, classes: int, connectivity: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(0, classes, (height, width), generator=generator)
    numbers, areas = connected_components(values, connectivity=connectivity)
    expected = flood(values, connectivity)
    assert torch.equal(numbers, expected)
    assert areas.tolist() == expected.view(-1).bincount().tolist()


def test_a_spiral_is_one_component() -> None:
    values = torch.zeros(41, 41, dtype=torch.int32)
    low, high = 0, 40
    while low < high:
        values[low, low : high + 1] = values[high, low : high + 1] = 1
        values[low : high + 1, high] = values[low + 2 : high + 1, low] = 1
        values[low + 2, low : low + 2] = 1
        low, high = low + 2, high - 2
    numbers, areas = connected_components(values, connectivity=4)
    assert len(areas) == int(flood(values, 4).max()) + 1
    assert int(areas[numbers[0, 0]]) == int(values.sum())


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1)])
def test_components_of_the_smallest_maps(shape: tuple[int, int]) -> None:
    numbers, areas = connected_components(torch.zeros(shape, dtype=torch.int32).numpy())
    assert numbers.shape == shape
    assert areas.tolist() == ([1] if shape == (1, 1) else [])


def test_runs_cover_every_pixel_once() -> None:
    values = example_segmentation().id_map
    runs = row_runs(values)
    assert int(runs.lengths.sum()) == values.numel()
    again = torch.full_like(values, -1)
    for value, row, start, end in zip(*(column.tolist() for column in runs), strict=True):
        assert (again[row, start:end] == -1).all()
        again[row, start:end] = value
    assert torch.equal(again, values)


@pytest.mark.parity
def test_boxes_match_a_loop() -> None:
    seg = example_segmentation()
    for segment_id, box in zip(seg.ids.tolist(), segment_boxes(seg).tolist(), strict=True):
        y, x = seg.mask(segment_id).nonzero(as_tuple=True)
        assert box == [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]


def test_boxes_of_nothing() -> None:
    assert segment_boxes(PanopticSegmentation.empty(3, 4)).shape == (0, 4)
    kept = PanopticSegmentation.from_id_map(torch.tensor([[3]]), [2, 3], [0, 0], [True] * 2, keep=True)
    assert segment_boxes(kept).tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]


def test_rejects_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"`connectivity` to be 4 or 8, got 6"):
        connected_components(torch.zeros(2, 2, dtype=torch.int32), connectivity=6)
    with pytest.raises(TypeError, match=r"`values` to hold integers"):
        connected_components(torch.zeros(2, 2))
