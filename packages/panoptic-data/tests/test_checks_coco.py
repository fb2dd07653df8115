import json
from pathlib import Path
from typing import Any

import pytest

from panoptic_core.categories import CategoryTable
from panoptic_data.checks_coco import check_categories, check_keys, find_label, read_instances, read_panoptic


def write(tmp_path: Path, content: dict[str, Any]) -> Path:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    return path


def test_categories_in_any_order_are_fine(table: CategoryTable) -> None:
    check_categories(table.to_json()[::-1], table, "a.json")
    check_categories([{"id": 2, "name": "sky"}], table, "a.json")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (
            {"id": 9, "name": "dog", "isthing": 1},
            r"a\.json to be in table 'three', got id 9 \('dog'\)\. .*table='json'",
        ),
        (
            {"id": 3, "name": "road", "isthing": 1},
            r"category 3 of a\.json to be 'car' .* got 'road'\. .*train ids",
        ),
        (
            {"id": 2, "name": "sky", "isthing": 1},
            r"`isthing` of category 2 \('sky'\) of a\.json to be 0 .* got 1",
        ),
    ],
    ids=["unknown", "renamed", "thing"],
)
def test_categories_that_disagree(table: CategoryTable, row: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_categories([row], table, "a.json")


def test_missing_lists() -> None:
    with pytest.raises(
        ValueError, match=r"a\.json to have the lists images, annotations, got no annotations\. Fix"
    ):
        check_keys({"images": [], "annotations": {}}, ("images", "annotations"), "a.json", "Fix it.")


def test_unknown_category_names_segment_and_file(table: CategoryTable) -> None:
    assert find_label(table, 2, "a.json", "Segment 5") == 2
    with pytest.raises(
        ValueError, match=r"Segment 5 of a\.json: Expected a category id of table 'three' .* got 77"
    ):
        find_label(table, 77, "a.json", "Segment 5")


@pytest.mark.parametrize(
    ("images", "match"),
    [
        ([], r"to list its images with id and file_name, got no list `images`"),
        ([{"id": 1}], r"to list its images with id and file_name, got \{'id': 1\}"),
        (
            [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}],
            r"Expected unique image ids in .*file\.json",
        ),
    ],
    ids=["none", "no file_name", "twice"],
)
def test_panoptic_images(tmp_path: Path, images: list[dict[str, Any]], match: str) -> None:
    path = write(tmp_path, {"images": images, "annotations": []})
    with pytest.raises(ValueError, match=match):
        read_panoptic(path)


def test_panoptic_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    with pytest.raises(
        FileNotFoundError,
        match=r"the panoptic annotations at .*x\.json, .* holds annotations/\. Set data_root",
    ):
        read_panoptic(tmp_path / "x.json")


def test_instances_by_image(tmp_path: Path, table: CategoryTable) -> None:
    row = {"id": 5, "image_id": 10, "category_id": 1, "segmentation": [[0, 0, 1, 0, 1, 1]]}
    crowd = {**row, "id": 6, "iscrowd": 1, "segmentation": {"size": [2, 2], "counts": [4]}}
    found = read_instances(write(tmp_path, {"annotations": [row, crowd]}), table)
    assert list(found) == [10]
    assert [annotation["label"] for annotation in found[10]] == [1, 1]
    assert [annotation["iscrowd"] for annotation in found[10]] == [False, True]
    assert found[10][0]["segmentation"][0].tolist() == [0, 0, 1, 0, 1, 1]
    assert found[10][1]["segmentation"] == crowd["segmentation"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"category_id": 2}, r"annotation 5 of .*file\.json to be a thing, got category 2 \('sky'\)"),
        ({"category_id": 8}, r"Annotation 5 of .*file\.json: Expected a category id of table 'three'"),
        ({"segmentation": None}, r"got no segmentation in .*Take a COCO instance JSON"),
    ],
    ids=["stuff", "unknown", "no mask"],
)
def test_bad_instances(tmp_path: Path, table: CategoryTable, change: dict[str, Any], match: str) -> None:
    row = {"id": 5, "image_id": 10, "category_id": 1, "segmentation": []} | change
    row = {key: value for key, value in row.items() if value is not None}
    with pytest.raises(ValueError, match=match):
        read_instances(write(tmp_path, {"annotations": [row]}), table)
