"""COCO instance JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panoptic_data.cli import main
from panoptic_data.converting import Segments, convert
from panoptic_data.converting.coco_instances import plan_coco_instances


def square(x0: int, y0: int, x1: int, y1: int) -> list[list[int]]:
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


BIG, SMALL = square(0, 0, 6, 6), square(4, 4, 8, 6)


def write(root: Path, rows: list[dict[str, Any]], **replace: Any) -> Path:
    """A set of one 8 x 8 image; categories 3 (car) and 7 (sky)."""
    (root / "val").mkdir(exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(root / "val/a.jpg")
    content = {
        "images": [{"id": 4, "file_name": "a.jpg", "width": 8, "height": 8}],
        "annotations": [{"image_id": 4, "category_id": 3, **row} for row in rows],
        "categories": [{"id": 3, "name": "car"}, {"id": 7, "name": "sky"}],
    }
    path = root / "annotations/instances_val.json"
    path.write_text(json.dumps(content | replace))
    return path


def read(path: Path, **options: Any) -> Segments:
    plan = plan_coco_instances(path, **options)
    return plan.read(plan.splits[0].items[0])


def areas(segments: Segments) -> list[tuple[int, int, bool]]:
    return [
        (category, int((segments.id_map == i).sum()), crowd)
        for i, category, crowd in zip(segments.ids, segments.category_ids, segments.iscrowd, strict=True)
    ]


@pytest.mark.parametrize(
    ("overlap", "order", "expected"),
    [
        # The big one has 36 pixels, the small one 8, 4 are common (x 4-5, y 4-5).
        ("small", (BIG, SMALL), {36 - 4, 8}),
        ("small", (SMALL, BIG), {36 - 4, 8}),
        ("first", (BIG, SMALL), {36, 8 - 4}),
        ("last", (BIG, SMALL), {36 - 4, 8}),
        ("first", (SMALL, BIG), {36 - 4, 8}),
        ("last", (SMALL, BIG), {36, 8 - 4}),
    ],
)
def test_who_wins(tmp_path: Path, overlap: str, order: tuple[Any, Any], expected: set[int]) -> None:
    path = write(tmp_path, [{"id": i, "segmentation": one} for i, one in enumerate(order)])
    assert {area for _, area, _ in areas(read(path, overlap=overlap))} == expected


def test_of_equals_the_first_wins(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [{"id": 1, "segmentation": square(0, 0, 4, 4)}, {"id": 2, "segmentation": square(2, 0, 6, 4)}],
    )
    segments = read(path)
    assert sorted(area for _, area, _ in areas(segments)) == [8, 16]
    assert segments.id_map[0, 0] == segments.id_map[0, 3] != segments.id_map[0, 4]


def test_crowds_lie_under_instances_and_stuff_under_crowds(tmp_path: Path) -> None:
    everything = {"size": [8, 8], "counts": [0, 64]}
    path = write(
        tmp_path,
        [
            {"id": 1, "segmentation": SMALL},
            {"id": 2, "segmentation": {"size": [8, 8], "counts": [0, 32, 32]}, "iscrowd": 1},
            {"id": 3, "segmentation": everything, "category_id": 7},
            {"id": 4, "segmentation": everything, "category_id": 7, "iscrowd": 1},
        ],
    )
    segments = read(path, things=["car"])
    # The crowd has columns 0-3, the small car columns 4-7 of two rows.
    assert sorted(areas(segments)) == [(3, 8, False), (3, 32, True), (7, 24, False)]
    assert segments.notes == ("annotation 4 is stuff, so its iscrowd means nothing",)


def test_what_has_no_pixels_is_noted(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        [
            {"id": 1, "segmentation": []},
            {"id": 2, "bbox": [0, 0, 3, 3]},
            {"id": 3, "segmentation": square(0, 0, 4, 4)},
            {"id": 4, "segmentation": square(20, 0, 24, 4)},
        ],
    )
    segments = read(path)
    assert areas(segments) == [(3, 16, False)]
    assert segments.notes == (
        "annotation 1 has no mask and is left out",
        "annotation 2 has no mask and is left out",
        "annotation 4 covers no pixel and is left out",
    )


def test_stuff_pngs(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": 1, "segmentation": SMALL}])
    (tmp_path / "stuff").mkdir()
    values = np.full((8, 8), 9, dtype=np.uint8)
    values[0] = 0
    values[1] = 3  # a thing's value: instances say where things are
    Image.fromarray(values).save(tmp_path / "stuff/a.png")
    classes = tmp_path / "c.csv"
    classes.write_text("id,name,isthing\n3,car,1\n7,sky,0\n9,road,0\n")
    options = {"classes": classes, "stuff_folder": tmp_path / "stuff"}
    assert sorted(areas(read(path, **options))) == [(3, 8, False), (9, 48 - 8, False)]
    with pytest.raises(ValueError, match=r"categories of c.csv, got 0. Add them .* --void"):
        read(path, **options, void=["255"])
    with pytest.raises(ValueError, match="Expected stuff classes for"):
        read(path, stuff_folder=tmp_path / "stuff")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"segmentation": [[1, 2, 3]]}, "annotation 1 of a.jpg: .*at least three points"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, r"image's size \[8, 8\].*got \[9, 9\]"),
    ],
)
def test_bad_masks_fail_their_image(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path, [{"id": 1, **row}])
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ({"categories": []}, "id and name, got none"),
        ({"categories": [{"id": 3, "name": "car"}, {"id": 4, "name": "car"}]}, "got car more than once"),
        ({"categories": [{"id": 5, "name": "car"}]}, "have a category of instances_val.json"),
        ({"annotations": [{"id": 1, "image_id": 4}]}, "to have category_id"),
        ({"images": [{"id": 4, "file_name": "a.jpg"}]}, "to have width, height"),
        ({"annotations": None}, "got no annotations"),
    ],
)
def test_bad_json(tmp_path: Path, replace: dict[str, Any], message: str) -> None:
    path = write(tmp_path, [{"id": 1, "segmentation": SMALL}], **replace)
    with pytest.raises(ValueError, match=message):
        plan_coco_instances(path)


def test_the_first_photograph_may_be_missing(tmp_path: Path) -> None:
    images = [
        {"id": i, "file_name": name, "width": 8, "height": 8} for i, name in ((1, "z.jpg"), (4, "a.jpg"))
    ]
    path = write(tmp_path, [{"id": 1, "segmentation": SMALL}], images=images)
    (outcome,) = convert(plan_coco_instances(path), tmp_path / "out", workers=1)
    assert outcome.num_images == 1
    assert "z.jpg" in outcome.failures[0][1]


def test_annotations_of_no_image_are_noted(tmp_path: Path) -> None:
    plan = plan_coco_instances(write(tmp_path, [{"id": 1, "image_id": 99, "segmentation": SMALL}]))
    assert plan.notes == ("1 annotations are of images that instances_val.json does not list: 1",)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [{"id": 1, "segmentation": SMALL}])
    words = ["convert", "coco-instances", str(path), str(tmp_path / "out"), "--workers", "1"]
    assert main([*words, "--things", "car"]) == 0
    assert "Split val: 1 images, 1 segments, 87.5% void" in capsys.readouterr().out
    assert main(words) == 1  # sky is a thing now
    assert "classes: " in capsys.readouterr().err
    assert main([*words, "--things", "bus"]) == 1
    assert "of instances_val.json (car, sky), got bus" in capsys.readouterr().err
    # Another annotation: the JSON has changed, and everything hangs on it.
    write(tmp_path, [{"id": 1, "segmentation": BIG}])
    assert main([*words, "--things", "car"]) == 1
    assert "files: " in capsys.readouterr().err
    (tmp_path / "val/a.jpg").unlink()
    assert main([*words, "--things", "car", "--restart"]) == 1
    assert "Name the folder of the photographs by --image-folder" in capsys.readouterr().err


def test_into_coco_itself(tmp_path: Path) -> None:
    path = write(tmp_path, [{"id": 1, "segmentation": SMALL}])
    convert(plan_coco_instances(path), tmp_path, workers=1)
    assert (tmp_path / "annotations/panoptic_val/a.png").is_file()
    assert not (tmp_path / "val/a.jpg").is_symlink()
