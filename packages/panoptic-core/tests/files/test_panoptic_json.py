"""Panoptic JSONs: what is checked before any PNG is opened."""

import json
from pathlib import Path
from typing import Any

import pytest

from panoptic_core.categories import KNOWN_TABLES
from panoptic_core.files import PanopticFileError, read_panoptic_json


def content(**changes: Any) -> dict[str, Any]:
    segments = [{"id": 5, "category_id": 1, "iscrowd": 0, "area": 3}, {"id": 9, "category_id": 4}]
    base = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 2, "width": 3}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 4, "name": "sky", "isthing": 0}, {"id": 1, "name": "car", "isthing": 1}],
    }
    return base | changes


def save(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_reads_and_orders_things_first(tmp_path: Path) -> None:
    result = read_panoptic_json(save(tmp_path / "val.json", content()))
    assert result.table.names == ("car", "sky")
    assert result.table.name == "val.json"
    assert result.by_image_id[1]["file_name"] == "a.png"
    assert result.images[0]["width"] == 3


@pytest.mark.parametrize("table", KNOWN_TABLES, ids=lambda table: table.name)
def test_known_sets_get_our_table_whatever_the_order(tmp_path: Path, table: Any) -> None:
    categories = list(reversed(table.to_json()))
    result = read_panoptic_json(save(tmp_path / "x.json", content(categories=categories, annotations=[])))
    assert result.table is table


def test_predictions_may_lack_categories_and_images(tmp_path: Path) -> None:
    path = save(tmp_path / "pred.json", {"annotations": content()["annotations"]})
    assert read_panoptic_json(path).images == []
    assert len(read_panoptic_json(path, category_ids={1, 4}).annotations) == 1
    with pytest.raises(PanopticFileError, match=r"Expected `categories` in .*pred\.json, got none"):
        _ = read_panoptic_json(path).table
    with pytest.raises(PanopticFileError, match="segment 9: category id 4 is not among the 1 categories"):
        read_panoptic_json(path, category_ids={1})


def segment(**changes: Any) -> dict[str, Any]:
    info = {"id": 5, "category_id": 1} | changes
    info = {key: value for key, value in info.items() if value is not None}
    return content(annotations=[{"image_id": "aachen", "file_name": "a.png", "segments_info": [info]}])


ENTRY = content()["annotations"][0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "list `annotations`, got list"),
        ({"images": []}, r"list `annotations`, got \['images'\]"),
        (content(annotations=[{"image_id": 1, "bbox": [0, 0, 1, 1]}]), "`file_name` .*an instances JSON"),
        (
            content(annotations=[{"image_id": 1, "file_name": "a\0.png", "segments_info": []}]),
            "image 1: `file_name` .*NUL byte",
        ),
        (content(annotations=[ENTRY | {"segments_info": None}]), "`segments_info`"),
        (content(annotations=[ENTRY | {"image_id": 1.5}]), r"`image_id` \(int or str\)"),
        (content(annotations=["x"]), "`image_id`"),
        (content(annotations=[ENTRY, ENTRY]), "image id 1 has two annotations"),
        (segment(id=0), r"image 'aachen': expected segment ids in \[1, 16777215\], got 0.*0 is void"),
        (segment(id=1 << 24), "got 16777216"),
        (segment(id="7"), "got '7'"),
        (segment(id=None), "to have `id` and `category_id`"),
        (segment(category_id=None), "to have `id` and `category_id`"),
        (segment(category_id=3), "segment 5: category id 3 is not among the 2 categories.*train ids"),
        (segment(iscrowd=2), "segment 5: expected `iscrowd` to be 0 or 1, got 2"),
        (content(annotations=[ENTRY | {"segments_info": [{"id": 5, "category_id": 1}] * 2}]), "listed twice"),
        (content(categories=[{"id": 1, "name": "car"}]), "got no isthing"),
        (content(categories=[{"id": 1, "name": "car", "isthing": 1}] * 2), "got 1 for both"),
        (segment(category_id=[1]), r"category id \[1\] is not among"),
        (content(categories={"1": "car"}), "expected `categories` to be a list, got dict"),
        (content(categories=["car"]), "to have id, name and isthing, got no .* in 'car'"),
        (content(images=5), "expected `images` to be a list, got int"),
    ],
    ids=[
        "list", "no annotations", "instances", "NUL in a name", "no segments", "odd image id", "not a dict",
        "image twice",
        "void id",
        "large id", "text id", "no id", "no category", "unknown category", "odd crowd", "segment twice",
        "no isthing", "category twice", "list as category", "dict of categories", "names as categories",
        "no list of images",
    ],
)  # fmt: skip
def test_bad_content_is_named(tmp_path: Path, value: Any, message: str) -> None:
    path = save(tmp_path / "panoptic.json", value)
    with pytest.raises(PanopticFileError, match=message) as error:
        read_panoptic_json(path)
    assert "panoptic.json" in str(error.value)


def test_classes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rows = [{"id": i, "name": name, "isthing": 1} for i, name in ((1, "car"), (4, "bus"), (7, "car"))]
    path = save(tmp_path / "gt.json", content(categories=rows))
    assert read_panoptic_json(path).table.names == ("car (1)", "bus", "car (7)")


def test_broken_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(PanopticFileError, match="cannot be parsed: maximum recursion depth"):
        read_panoptic_json(tmp_path / "deep.json")
    (tmp_path / "cut.json").write_text('{"annotations": [')
    with pytest.raises(PanopticFileError, match=r"cut\.json to be a JSON file, but it cannot be parsed"):
        read_panoptic_json(tmp_path / "cut.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PanopticFileError, match="cannot be parsed"):
        read_panoptic_json(tmp_path / "picture.json")
    with pytest.raises(FileNotFoundError, match=r"gone\.json, but there is no such file"):
        read_panoptic_json(tmp_path / "gone.json")
