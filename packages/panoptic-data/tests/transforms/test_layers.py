import numpy as np
import pytest
from numpy.typing import NDArray

from panoptic_data.transforms.layers import InstanceMasks, lay_instances
from panoptic_data.transforms.tables import InstanceTable, SegmentTable


def make_masks(
    full: list[NDArray], labels: list[int], ids: list[int] | None = None, iscrowd: list[bool] | None = None
) -> InstanceMasks:
    """Cut full masks down to their tight windows."""
    windows, crops = np.zeros((len(full), 4), dtype=np.int64), []
    for i, mask in enumerate(full):
        ys, xs = np.nonzero(mask)
        if len(ys):
            windows[i] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        x0, y0, x1, y1 = windows[i]
        crops.append(np.asarray(mask[y0:y1, x0:x1], dtype=bool))
    return InstanceMasks(
        ids=np.array(ids if ids is not None else range(1001, 1001 + len(full)), dtype=np.int64),
        labels=np.array(labels, dtype=np.int64),
        iscrowd=np.array(iscrowd if iscrowd is not None else [False] * len(full), dtype=bool),
        windows=windows,
        crops=crops,
    )


def unpack(label_map: NDArray, table: InstanceTable) -> list[NDArray]:
    planes = label_map[..., None] if label_map.ndim == 2 else label_map
    return [planes[..., c] == v for c, v in zip(table.channels, table.values, strict=True)]


# One row of six pixels: a person (row 1) with a bag on top (row 2), then sky (row 3), then void.
ROW_MAP = np.array([[1, 2, 1, 3, 3, 0]], dtype=np.int32)
SEGMENTS = SegmentTable.from_columns([70, 80, 90], [0, 1, 2], [False, False, False], num_things=2)
PERSON = np.array([[1, 1, 1, 0, 0, 0]], dtype=bool)
BAG = np.array([[0, 1, 0, 0, 0, 0]], dtype=bool)


def test_worn_object_by_hand() -> None:
    # The bag is exactly its segment and stays on channel 0; the person reaches below it: one more channel.
    label_map, table = lay_instances(ROW_MAP, SEGMENTS, make_masks([PERSON, BAG], [0, 1]))
    assert label_map.shape == (1, 6, 2)
    assert table.channels.tolist() == [1, 0]
    assert table.values.tolist() == [1, 2]
    assert table.segment_ids.tolist() == [70, 80]  # person: IoU 2/3 with its visible part; bag: 1
    assert label_map[0, :, 1].tolist() == [1, 1, 1, 0, 0, 0]


def test_visible_masks_need_no_channel() -> None:
    visible = [ROW_MAP == 1, ROW_MAP == 2]
    label_map, table = lay_instances(ROW_MAP, SEGMENTS, make_masks(visible, [0, 1]))
    assert label_map is ROW_MAP
    assert table.channels.tolist() == [0, 0]
    assert table.values.tolist() == [1, 2]


def test_disjoint_masks_share_a_channel() -> None:
    void = np.zeros((1, 9), dtype=np.int32)
    masks = [np.isin(np.arange(9), span)[None] for span in ([0, 1], [2, 3], [4], [3, 4])]
    none = SegmentTable.from_columns([], [], [], num_things=2)
    label_map, table = lay_instances(void, none, make_masks(masks, [0] * 4))
    assert label_map.shape == (1, 9, 3)
    assert table.channels.tolist() == [1, 1, 1, 2]
    assert table.segment_ids.tolist() == [0, 0, 0, 0]


def test_interlocked_masks_share_a_channel() -> None:
    # Their boxes are the same 2x2 pixels, their pixels are not.
    void = np.zeros((2, 2), dtype=np.int32)
    none = SegmentTable.from_columns([], [], [], num_things=2)
    falling, rising = np.eye(2, dtype=bool), ~np.eye(2, dtype=bool)
    label_map, table = lay_instances(void, none, make_masks([falling, rising], [0, 0]))
    assert label_map[..., 1].tolist() == [[1, 2], [2, 1]]
    assert table.channels.tolist() == [1, 1]


def test_part_of_a_segment_needs_a_channel() -> None:
    # The mask lies inside the person's segment but is smaller: channel 0 would make it too large.
    part = np.array([[1, 0, 0, 0, 0, 0]], dtype=bool)
    label_map, table = lay_instances(ROW_MAP, SEGMENTS, make_masks([part], [0]))
    assert (unpack(label_map, table)[0] == part).all()
    assert table.channels.tolist() == [1]


@pytest.mark.parity
@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_channels_hold_the_masks_exactly(count: int) -> None:
    rng = np.random.default_rng(count)
    row_map = rng.integers(0, 4, (13, 17)).astype(np.int32)
    masks = []
    for _ in range(count):
        mask = np.zeros((13, 17), dtype=bool)
        y, x = rng.integers(0, 9, 2)
        mask[y : y + 5, x : x + 6] = rng.random((5, 6))[: 13 - y, : 17 - x] < 0.7
        masks.append(mask)
    label_map, table = lay_instances(row_map, SEGMENTS, make_masks(masks, rng.integers(0, 2, count).tolist()))
    planes = label_map[..., None] if label_map.ndim == 2 else label_map
    assert (planes[..., 0] == row_map).all()
    assert label_map.dtype == np.int32
    for found, mask in zip(unpack(label_map, table), masks, strict=True):
        assert (found == mask).all()
    most = np.sum(masks, axis=0).max() if masks else 0
    assert planes.shape[-1] - 1 >= most - 1  # a pixel under n masks needs n values, one may be on channel 0


def test_empty_masks_are_left_out() -> None:
    none = np.zeros((1, 6), dtype=bool)
    label_map, table = lay_instances(ROW_MAP, SEGMENTS, make_masks([none, BAG], [0, 1]))
    assert label_map is ROW_MAP
    assert table.labels.tolist() == [1]


def test_no_instances() -> None:
    label_map, table = lay_instances(ROW_MAP, SEGMENTS, make_masks([], []))
    assert label_map is ROW_MAP
    assert len(table) == 0


def test_join_prefers_the_annotation_id() -> None:
    # Two equal masks of one class: only the id can tell which segment belongs to which.
    row_map = np.array([[1, 2]], dtype=np.int32)
    segments = SegmentTable.from_columns([501, 502], [0, 0], [False, False], num_things=2)
    both = np.ones((1, 2), dtype=bool)
    _, table = lay_instances(row_map, segments, make_masks([both, both], [0, 0], ids=[502, 501]))
    assert table.segment_ids.tolist() == [502, 501]


def test_join_by_iou_takes_the_best_pairs_first() -> None:
    # Instance a (5 px) shows 3 px as segment 1; instance b (4 px) shows 4 px as segment 2, under a's 2 px.
    # IoU: a-1 = 3/5, a-2 = 2/7, b-2 = 4/4.
    row_map = np.array([[1, 1, 1, 2, 2, 2, 2]], dtype=np.int32)
    segments = SegmentTable.from_columns([8, 9], [0, 0], [False, False], num_things=2)
    a, b = np.arange(7)[None] < 5, np.arange(7)[None] >= 3
    _, table = lay_instances(row_map, segments, make_masks([a, b], [0, 0]))
    assert table.segment_ids.tolist() == [8, 9]


@pytest.mark.parametrize(
    ("labels", "iscrowd", "expected"),
    [([0], [False], [8]), ([1], [False], [0]), ([0], [True], [0])],
    ids=["same", "other class", "crowd"],
)
def test_join_needs_class_and_crowd(labels: list[int], iscrowd: list[bool], expected: list[int]) -> None:
    row_map = np.array([[1, 1]], dtype=np.int32)
    segments = SegmentTable.from_columns([8], [0], [False], num_things=2)
    _, table = lay_instances(row_map, segments, make_masks([row_map == 1], labels, iscrowd=iscrowd))
    assert table.segment_ids.tolist() == expected


def test_join_refuses_a_tiny_overlap() -> None:
    # 1 pixel in common of 12: IoU 1/12 < 0.1.
    row_map = np.array([[1] * 6 + [0] * 6], dtype=np.int32)
    segments = SegmentTable.from_columns([8], [0], [False], num_things=2)
    _, table = lay_instances(row_map, segments, make_masks([np.arange(12)[None] >= 5], [0]))
    assert table.segment_ids.tolist() == [0]
