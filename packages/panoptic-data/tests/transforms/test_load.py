from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from panoptic_core.files import write_panoptic_png
from panoptic_data.transforms import LoadPanoptic, SegmentTable, decode_instances

# Ids 70 (person) and 80 (bag), both things, 90 (sky), stuff.
ID_MAP = np.array([[70, 80, 70], [90, 90, 0]], dtype=np.int32)
SEGMENTS = SegmentTable.from_columns([90, 70, 80], [2, 0, 1], [False, False, True], num_things=2)


def results_for(tmp_path: Path, id_map: NDArray = ID_MAP, **extra: Any) -> dict[str, Any]:
    path = tmp_path / "map.png"
    write_panoptic_png(path, id_map)
    return {"seg_map_path": str(path), "seg_format": "coco", "segments": SEGMENTS, **extra}


def polygon(annotation_id: int, label: int, points: list[float], iscrowd: bool = False) -> dict[str, Any]:
    return {"id": annotation_id, "label": label, "iscrowd": iscrowd, "segmentation": [np.array(points)]}


def test_map_and_tables_by_hand(tmp_path: Path) -> None:
    results = LoadPanoptic()(results_for(tmp_path, ori_shape=(2, 3)))
    assert results["gt_seg_map"].tolist() == [[2, 3, 2], [1, 1, 0]]
    assert results["gt_seg_map"].dtype == np.int32
    assert results["instances"].labels.tolist() == [0, 1]
    assert results["instances"].values.tolist() == [2, 3]
    assert results["instances"].iscrowd.tolist() == [False, True]
    assert results["instances"].segment_ids.tolist() == [70, 80]


def test_overlapping_instances_get_a_channel(tmp_path: Path) -> None:
    # The person's polygon is the whole first row, the bag's segment lies on it.
    person = polygon(70, 0, [0, 0, 3, 0, 3, 1, 0, 1])
    results = LoadPanoptic()(results_for(tmp_path, annotations=[person]))
    assert results["gt_seg_map"].shape == (2, 3, 2)
    assert results["gt_seg_map"][..., 1].tolist() == [[1, 1, 1], [0, 0, 0]]
    assert results["instances"].segment_ids.tolist() == [70]
    assert "annotations" not in results


@pytest.mark.parametrize(
    ("use_instance_file", "annotations", "count"), [(False, True, 2), (True, False, 2), (True, True, 0)]
)
def test_where_instances_come_from(
    tmp_path: Path, use_instance_file: bool, annotations: bool, count: int
) -> None:
    extra = {"annotations": []} if annotations else {}
    results = LoadPanoptic(use_instance_file)(results_for(tmp_path, **extra))
    assert len(results["instances"]) == count


def test_size_mismatch_names_file_and_cure(tmp_path: Path) -> None:
    results = results_for(tmp_path, ori_shape=(3, 2), img_path="a.jpg")
    match = r"map\.png to have its image's size \(3, 2\) \(H, W\), got \(2, 3\)\..*a\.jpg with color_type"
    with pytest.raises(ValueError, match=match):
        LoadPanoptic()(results)


def test_unknown_ids_name_file_and_ids(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"map\.png in its segments_info, got \[5, 6\] \(2 ids\)"):
        LoadPanoptic()(results_for(tmp_path, np.array([[70, 5], [6, 0]])))


def test_unreadable_png_names_file(tmp_path: Path) -> None:
    results = results_for(tmp_path)
    Path(results["seg_map_path"]).write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"map\.png"):
        LoadPanoptic()(results)


def test_decode_polygons_and_runs() -> None:
    masks = decode_instances(
        [
            polygon(1, 0, [1, 1, 4, 1, 4, 3, 1, 3]),
            {"id": 2, "label": 1, "iscrowd": True, "segmentation": {"size": [4, 5], "counts": [0, 2, 18]}},
            {"id": 3, "label": 1, "iscrowd": False, "segmentation": {"size": [4, 5], "counts": [20]}},
        ],
        (4, 5),
        "x.png",
    )
    assert masks.windows.tolist() == [[1, 1, 4, 3], [0, 0, 1, 2], [0, 0, 0, 0]]
    assert [crop.all() for crop in masks.crops[:2]] == [True, True]
    assert masks.crops[2].size == 0
    assert masks.iscrowd.tolist() == [False, True, False]


@pytest.mark.parametrize("segmentation", [{"size": [5, 4], "counts": [20]}, "text", [], {"counts": [3]}])
def test_bad_segmentation_names_annotation_and_image(segmentation: Any) -> None:
    annotation = {"id": 77, "label": 0, "iscrowd": False, "segmentation": segmentation}
    with pytest.raises(ValueError, match=r"Annotation 77 of x\.png: .*instance file"):
        decode_instances([annotation], (4, 5), "x.png")
