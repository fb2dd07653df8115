"""``--fix``: what is mended, what is left, and that no pixel changes its class."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from panoptic_core.files import read_panoptic_png
from panoptic_data.checking import Mended, check_splits, fix_splits
from panoptic_data.cli import main
from panoptic_data.datasets import CocoPanoptic
from panoptic_data.splits import find_splits

Sample = Any  # conftest.Sample


def fix(sample: Sample, out: Path, **options: Any) -> Mended:
    sample.save()
    return fix_splits(find_splits(sample.root), out, **options)


def read(root: Path) -> dict[str, Any]:
    return json.loads((root / "annotations" / "panoptic_val.json").read_text())


def classes(root: Path, index: int) -> NDArray[np.int64]:
    """Return the category of each pixel of a map."""
    annotation = read(root)["annotations"][index]
    id_map = read_panoptic_png(root / "annotations" / "panoptic_val" / annotation["file_name"])
    result = np.zeros(id_map.shape, int)
    for row in annotation["segments_info"]:
        result[id_map == row["id"]] = row["category_id"]
    return result


def damage(s: Sample) -> None:
    """Plant everything that can be mended."""
    del s.content["categories"][1]["isthing"]
    s.content["categories"] = [
        {"id": 3, "name": "car", "isthing": 1, "color": [0, 0, 999]},
        {"id": 1, "name": "person"},
        {"id": 187, "name": "sky-other-merged", "isthing": 0},
        {"id": 149, "name": "road", "isthing": 0},
    ]
    s.content["categories"].append(s.content["categories"][3])
    other = {s.CAR: 3, s.PERSON: 1, s.SKY: 187, s.ROAD: 149}
    for annotation in s.content["annotations"]:
        for row in annotation["segments_info"]:
            row["category_id"] = other[row["category_id"]]
    s.segment(0, s.A)["area"] = 100
    del s.segment(0, s.B)["area"]
    s.segment(0, s.C)["bbox"] = [0, 0, 1, 1]
    del s.segment(0, s.E)["bbox"], s.segment(0, s.E)["iscrowd"]
    s.segment(0, s.E)["isthing"] = 0
    rows = s.content["annotations"][0]["segments_info"]
    rows += [dict(s.segment(0, s.B)), s.segment(0, s.A) | {"id": 5}]
    # The road of the second image in two, its map written B G R.
    id_map = s.id_map(1)
    id_map[2, :2] = 88
    s.content["annotations"][1]["segments_info"].append(s.segment(1, s.D) | {"id": 88})
    s.write_map(1, id_map)
    pixels = np.asarray(Image.open(s.maps / "1.png"))
    Image.fromarray(np.ascontiguousarray(pixels[..., ::-1])).save(s.maps / "1.png")
    s.content["images"][1] |= {"height": 5, "width": 3}
    del s.content["images"][2]["height"]
    s.content["images"].append(s.content["images"][0])
    s.content["annotations"].append(s.content["annotations"][0])


MENDED = {
    "category-color": 1,
    "category-twice": 1,
    "isthing-absent": 1,
    "image-id-twice": 1,
    "annotation-twice": 1,
    "size-differs": 1,
    "size-absent": 1,
    "map-bgr": 1,
    "stuff-split": 1,
    "segment-twice": 1,
    "segment-no-pixel": 1,
    "crowd-absent": 1,
    "isthing-segment": 1,
    "area-wrong": 1,
    "area-absent": 1,
    "box-wrong": 1,
    "box-absent": 1,
}


def test_everything_that_can_be_mended_is(sample: Sample, tmp_path: Path) -> None:
    damage(sample)
    before = check_splits(find_splits(sample.root) if not sample.save() else [])
    assert before.log.mendable == len(before.log)
    assert set(before.log.by_rule) == set(MENDED)
    original = {path: path.read_bytes() for path in sample.root.rglob("*") if path.is_file()}
    mended = fix(sample, tmp_path / "out")
    assert dict(mended.log.by_rule) == MENDED
    assert mended.left_out == []
    assert check_splits(mended.splits).log.kept == []
    assert check_splits(find_splits(tmp_path / "out")).log.kept == []
    assert original == {path: path.read_bytes() for path in sample.root.rglob("*") if path.is_file()}
    [person] = [row for row in read(tmp_path / "out")["categories"] if row["id"] == 1]
    assert person == {"id": 1, "name": "person", "isthing": 1}


def test_no_pixel_changes_its_class(sample: Sample, tmp_path: Path) -> None:
    drawn = [classes(sample.root, index) for index in range(3)]
    damage(sample)
    fix(sample, tmp_path / "out")
    other = np.zeros(5, int)
    other[[sample.CAR, sample.PERSON, sample.SKY, sample.ROAD]] = 3, 1, 187, 149
    for index, expected in enumerate(drawn):
        np.testing.assert_array_equal(classes(tmp_path / "out", index), other[expected])


def test_the_road_is_one_segment(sample: Sample, tmp_path: Path) -> None:
    damage(sample)
    mended = fix(sample, tmp_path / "out")
    [mend] = [one for one in mended.log.kept if one.rule.name == "stuff-split"]
    # Row 1 holds 3 pixels of the road, row 2 four, of which two have the id 88: 2 are joined with 5.
    assert mend.what == f"2 pixels of segments 88 joined with segment {sample.D} of their class"
    [road] = [
        row for row in read(tmp_path / "out")["annotations"][1]["segments_info"] if row["category_id"] == 149
    ]
    assert (road["id"], road["area"], road["bbox"]) == (sample.D, 7, [0, 1, 5, 2])


def test_a_clean_set_is_copied_as_it_is(sample: Sample, tmp_path: Path) -> None:
    (sample.root / "annotations" / "instances_val.json").write_text("{}")
    mended = fix(sample, tmp_path / "out")
    assert len(mended.log) == 0
    copied = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert copied == {path.relative_to(sample.root) for path in sample.root.rglob("*") if path.is_file()}
    for path in copied - {Path("annotations/panoptic_val.json")}:
        assert (tmp_path / "out" / path).read_bytes() == (sample.root / path).read_bytes()
    assert read(tmp_path / "out") == sample.content
    assert (tmp_path / "out" / "val" / "0.jpg").is_symlink()


def test_images_may_be_copied(sample: Sample, tmp_path: Path) -> None:
    fix(sample, tmp_path / "out", copy_images=True)
    assert not (tmp_path / "out" / "val" / "0.jpg").is_symlink()
    assert (tmp_path / "out" / "val" / "0.jpg").read_bytes() == (sample.images / "0.jpg").read_bytes()


def test_what_needs_a_decision_stays(sample: Sample, tmp_path: Path) -> None:
    sample.segment(0, sample.C)["iscrowd"] = 1  # a crowd of sky
    sample.segment(0, sample.A)["category_id"] = 77  # no such class
    rows = sample.content["annotations"][1]["segments_info"]
    rows.append(sample.segment(1, sample.D) | {"category_id": 1})  # road or car?
    (sample.maps / "2.png").unlink()
    sample.save()
    before = check_splits(find_splits(sample.root)).log
    mended = fix(sample, tmp_path / "out")
    assert len(mended.log) == 0
    after = check_splits(mended.splits).log
    assert after.by_rule == before.by_rule
    assert set(after.by_rule) == {"crowd-on-stuff", "category-unknown", "segment-twice", "map-missing"}


def test_a_map_of_two_images_is_not_redrawn(sample: Sample, tmp_path: Path) -> None:
    rows = sample.content["annotations"][0]["segments_info"]
    id_map = sample.id_map(0)
    id_map[0, 0] = 88
    rows.append({"id": 88, "category_id": sample.SKY, "iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1]})
    sample.write_map(0, id_map)
    sample.content["annotations"][1] |= {"file_name": "0.png"}
    mended = fix(sample, tmp_path / "out")
    assert "stuff-split" not in mended.log.by_rule
    assert (mended.splits[0].files.maps / "0.png").read_bytes() == (sample.maps / "0.png").read_bytes()


def test_names_cannot_leave_the_new_folder(sample: Sample, tmp_path: Path) -> None:
    outside = sample.root / "annotations" / "1.png"
    (sample.maps / "1.png").rename(outside)
    sample.content["annotations"][1]["file_name"] = "../1.png"
    rows = sample.content["annotations"][1]["segments_info"]
    rows.append(sample.segment(1, sample.D) | {"id": 5})
    mended = fix(sample, tmp_path / "out")
    assert mended.left_out == [f"{sample.maps / '../1.png'}: its name '../1.png' leaves the folder"]
    assert not (tmp_path / "out" / "annotations" / "1.png").exists()


def test_the_folder_must_be_new(sample: Sample, native: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(FileExistsError, match=r"a new or empty folder .* holds mine\.txt\. Name another"):
        fix(sample, tmp_path / "out")
    with pytest.raises(ValueError, match="COCO-panoptic files to mend, got split 'val' in another layout"):
        fix_splits(find_splits(native({"ulm_000000_000019": [[23, 26001]]})), tmp_path / "new")


def test_the_command(sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(sample)
    sample.save()
    report = tmp_path / "report.json"
    words = ["check", str(sample.root), "--strict", "--fix", str(tmp_path / "out"), "--json", str(report)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Mended: 17 changes. The original is as it was." in printed
    assert (
        "area-wrong: 1\n  annotations/panoptic_val.json, image 10, segment 70001: `area` 100 -> 4" in printed
    )
    assert printed.rstrip().endswith("Clean.")
    content = json.loads(report.read_text())
    assert content["counts"]["error"] > 5
    assert content["mends_by_rule"] == MENDED
    assert content["after"]["counts"] == {"error": 0, "warning": 0, "note": 0}


def test_an_unreadable_json_is_told(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sample.root / "annotations" / "panoptic_val.json").write_text("{")
    assert main(["check", str(sample.root), "--fix", str(tmp_path / "out")]) == 1
    assert "Left out: split val: it cannot be read" in capsys.readouterr().out


def test_the_copy_can_be_trained_on(sample: Sample, tmp_path: Path) -> None:
    damage(sample)
    fix(sample, tmp_path / "out")
    dataset = CocoPanoptic(
        str(tmp_path / "out"),
        ann_file="annotations/panoptic_val.json",
        data_prefix={"img": "val"},
        table="json",
    )
    assert len(dataset) == 3
    assert dataset.table.num_things == 2
