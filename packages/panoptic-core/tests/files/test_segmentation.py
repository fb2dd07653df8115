"""PNG and segment list together: areas, order, and lists that do not fit the PNG."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.files import PanopticFileError, read_segmentation, write_panoptic_png

TABLE = CategoryTable(
    "two", (Category(26, "car", True, (0, 0, 142)), Category(23, "sky", False, (70, 130, 180)))
)
IDS = np.array([[9, 9, 300], [0, 9, 300]], dtype=np.int32)
SEGMENTS: list[dict[str, Any]] = [
    {"id": 300, "category_id": 26, "iscrowd": 1, "area": 77},
    {"id": 9, "category_id": 23, "area": 3.0},
]


@pytest.fixture
def png(tmp_path: Path) -> Path:
    write_panoptic_png(tmp_path / "a.png", IDS)
    return tmp_path / "a.png"


def test_six_pixels_by_hand(png: Path) -> None:
    # 300 owns two pixels and is a crowd of cars (label 0); 9 owns three and is sky (label 1); one is void.
    seg = read_segmentation(png, SEGMENTS, TABLE)
    assert seg.id_map.tolist() == IDS.tolist()
    assert seg.ids.tolist() == [300, 9]
    assert seg.labels.tolist() == [0, 1]
    assert seg.is_thing.tolist() == [True, False]
    assert seg.areas.tolist() == [2, 3]
    assert seg.iscrowd.tolist() == [True, False]
    assert seg.scores.tolist() == [1.0, 1.0]
    assert seg.label_map().tolist() == [[1, 1, 0], [255, 1, 0]]


def test_areas_of_the_json_on_request(png: Path) -> None:
    assert read_segmentation(png, SEGMENTS, TABLE, areas="json").areas.tolist() == [77, 3]
    with pytest.raises(PanopticFileError, match="segment 9: expected `area` to be a number, got None"):
        read_segmentation(png, [SEGMENTS[0], {"id": 9, "category_id": 23}], TABLE, areas="json")


def test_all_void(tmp_path: Path) -> None:
    write_panoptic_png(tmp_path / "void.png", np.zeros((2, 3), np.int32))
    seg = read_segmentation(tmp_path / "void.png", [], TABLE)
    assert (len(seg), seg.shape) == (0, (2, 3))


def test_scores_are_kept(png: Path) -> None:
    seg = read_segmentation(png, [SEGMENTS[0] | {"score": 0.25}, SEGMENTS[1]], TABLE)
    torch.testing.assert_close(seg.scores, torch.tensor([0.25, 1.0]))


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (SEGMENTS[:1], r"a\.png: 1 segment ids \(9\) are in the PNG but not in `segments_info`"),
        (
            [*SEGMENTS, {"id": 8, "category_id": 23}],
            r"a\.png: 1 segment ids \(8\) are in `segments_info` but own no",
        ),
        ([SEGMENTS[0], {"id": 9, "category_id": 24}], "segment 9: category id 24 is not among the 2"),
        ([*SEGMENTS, SEGMENTS[0]], "segment id 300 is listed twice"),
    ],
    ids=["not listed", "not drawn", "unknown category", "twice"],
)
def test_lists_that_do_not_fit_are_named(png: Path, segments: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PanopticFileError, match=message):
        read_segmentation(png, segments, TABLE)


def test_size_is_held_against_the_image(png: Path) -> None:
    assert read_segmentation(png, SEGMENTS, TABLE, size=(2, 3)).shape == (2, 3)
    with pytest.raises(PanopticFileError, match=r"\(height, width\) = \(3, 2\), got \(2, 3\)"):
        read_segmentation(png, SEGMENTS, TABLE, size=(3, 2))
