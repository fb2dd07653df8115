import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from panoptic_data.transforms.runs import find_extents, find_runs, index_ids

small_maps = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(0, 4)
)


def test_extents_by_hand() -> None:
    # 0 0 1 1    value 1: columns 2-3, rows 0-1, 3 pixels; value 2: column 1, rows 1-2, 2 pixels;
    # 0 2 0 1    value 3 does not occur.
    # 0 2 0 0
    label_map = np.array([[0, 0, 1, 1], [0, 2, 0, 1], [0, 2, 0, 0]], dtype=np.int32)
    boxes, areas = find_extents(label_map, 4)
    assert boxes.tolist() == [[0, 0, 4, 3], [2, 0, 4, 2], [1, 1, 2, 3], [0, 0, 0, 0]]
    assert areas.tolist() == [7, 3, 2, 0]


def _literal_extents(label_map: NDArray, num_values: int) -> tuple[list[list[int]], list[int]]:
    boxes, areas = [], []
    for value in range(num_values):
        ys, xs = np.nonzero(label_map == value)
        areas.append(len(ys))
        found = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1] if len(ys) else [0] * 4
        boxes.append(found)
    return boxes, areas


@pytest.mark.parity
@given(small_maps)
def test_extents_match_literal_loop(label_map: NDArray) -> None:
    boxes, areas = find_extents(label_map, 5)
    assert (boxes.tolist(), areas.tolist()) == _literal_extents(label_map, 5)


@given(small_maps)
def test_runs_rebuild_the_map(label_map: NDArray) -> None:
    values, rows, starts, stops = find_runs(label_map)
    rebuilt = np.full(label_map.shape, -1)
    for value, row, start, stop in zip(values, rows, starts, stops, strict=True):
        assert (rebuilt[row, start:stop] == -1).all()
        rebuilt[row, start:stop] = value
    assert (rebuilt == label_map).all()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_empty_map(shape: tuple[int, int]) -> None:
    boxes, areas = find_extents(np.zeros(shape, dtype=np.int32), 3)
    assert boxes.tolist() == [[0] * 4] * 3
    assert areas.tolist() == [0, 0, 0]


def test_index_ids_by_hand() -> None:
    id_map = np.array([[0, 900, 900], [7, 7, 16777215]], dtype=np.int32)
    rows, unknown = index_ids(id_map, np.array([900, 16777215, 7, 5], dtype=np.int32))
    assert rows.tolist() == [[0, 1, 1], [3, 3, 2]]
    assert rows.dtype == np.int32
    assert unknown.tolist() == []


def test_index_ids_reports_unknown() -> None:
    id_map = np.array([[4, 9, 2], [9, 0, 1]], dtype=np.int32)
    rows, unknown = index_ids(id_map, np.array([4, 1], dtype=np.int32))
    assert unknown.tolist() == [2, 9]
    assert rows.tolist() == [[1, 0, 0], [0, 0, 2]]


def test_index_ids_without_table() -> None:
    rows, unknown = index_ids(np.zeros((2, 2), dtype=np.int32), np.zeros(0, dtype=np.int32))
    assert not rows.any()
    assert not len(unknown)


@given(small_maps, st.permutations([11, 22, 33, 44]))
def test_index_ids_round_trip(row_map: NDArray, ids: list[int]) -> None:
    table = np.array(ids, dtype=np.int32)
    id_map = np.concatenate([[0], table]).astype(np.int32)[row_map]
    rows, unknown = index_ids(id_map, table)
    assert (rows == row_map).all()
    assert not len(unknown)
