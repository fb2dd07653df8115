"""Each fault, planted alone in a set without any: it is found, and nothing else is."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC
from panoptic_data.checking import RULES, Checkup, Finding, Severity, check_splits
from panoptic_data.splits import PanopticFiles, files_split, find_splits

Sample = Any  # conftest.Sample
FAULTS: dict[str, tuple[Callable[[Sample], None], dict[str, Any]]] = {}


def fault(name: str, **expected: Any) -> Callable[[Callable[[Sample], None]], None]:
    """Register what plants a fault; the name is the rule's, what follows a blank tells variants apart."""

    def register(plant: Callable[[Sample], None]) -> None:
        assert name not in FAULTS
        FAULTS[name] = (plant, expected)

    return register


def check(sample: Sample) -> Checkup:
    sample.save()
    return check_splits(find_splits(sample.root))


def test_a_clean_set_is_clean(sample: Sample) -> None:
    checkup = check(sample)
    assert checkup.log.kept == []
    [split] = checkup.splits
    assert (split.name, split.num_images, split.num_segments, split.num_classes) == ("val", 3, 11, 4)


def test_other_spellings_are_no_faults(sample: Sample) -> None:
    for row in (*sample.content["images"], *sample.content["annotations"]):
        row["file_name"] = "./" + row["file_name"]
    assert check(sample).log.kept == []


def test_two_label_sets_of_the_same_images_are_no_fault(sample: Sample) -> None:
    content = json.loads(json.dumps(sample.content))
    for row in content["categories"]:
        row["name"] += " in other words"
    (sample.root / "words.json").write_text(json.dumps(content))
    files = [
        files_split(path.stem, PanopticFiles(path, sample.maps, sample.images), sample.root)
        for path in (sample.root / "annotations/panoptic_val.json", sample.root / "words.json")
    ]
    assert check_splits(files).log.kept == []


@pytest.mark.parametrize("quick", [False, True])
def test_quick_is_clean_too(sample: Sample, quick: bool) -> None:
    assert check_splits(find_splits(sample.root), quick=quick, workers=1).log.kept == []


# Files


@fault("image-missing", file="val/1.jpg", image=11, what=r"no such file \(.*val holds 0\.jpg, 2\.jpg\)")
def _(s: Sample) -> None:
    (s.images / "1.jpg").unlink()


@fault("image-missing letters", file="val/photo.jpg", image=11, what=r"no such file; there is PHOTO\.jpg")
def _(s: Sample) -> None:
    (s.images / "1.jpg").rename(s.images / "PHOTO.jpg")
    s.content["images"][1]["file_name"] = "photo.jpg"
    s.allowed = {"file-unused"}


@fault("image-unreadable", file="val/1.jpg", image=11, what="bytes that cannot be decoded: .*truncated")
def _(s: Sample) -> None:
    path = s.write_image("1.jpg", (3, 5), 1)
    path.write_bytes(path.read_bytes()[:-3])


@fault("image-unreadable text", file="val/1.jpg", image=11, what="9 bytes that .*: no image is recognised")
def _(s: Sample) -> None:
    (s.images / "1.jpg").write_text("not found")


@fault("image-rotated", file="val/1.jpg", image=11, what=r"EXIF orientation is 3 \(1 is upright\)")
def _(s: Sample) -> None:
    exif = Image.Exif()
    exif[274] = 3
    s.write_image("1.jpg", (3, 5), 1, exif=exif)


@fault("map-missing", file="annotations/panoptic_val/1.png", image=11, what="no such file")
def _(s: Sample) -> None:
    (s.maps / "1.png").unlink()


@fault("map-unreadable", file="annotations/panoptic_val/1.png", image=11, what="decoding stops")
def _(s: Sample) -> None:
    path = s.maps / "1.png"
    path.write_bytes(path.read_bytes()[:-30])


@fault("map-encoding grey", file="annotations/panoptic_val/1.png", what=r"it is a grey image \(mode L\)")
def _(s: Sample) -> None:
    Image.fromarray(np.ones((3, 5), np.uint8)).save(s.maps / "1.png")


@fault("map-encoding palette", file="annotations/panoptic_val/1.png", what="a palette image")
def _(s: Sample) -> None:
    Image.fromarray(np.ones((3, 5), np.uint8)).convert("P").save(s.maps / "1.png")


@fault("map-encoding", file="annotations/panoptic_val/1.png", what="it is a JPEG file")
def _(s: Sample) -> None:
    Image.open(s.maps / "1.png").convert("RGB").save(s.maps / "1.png", format="JPEG")


@fault("map-bgr", file="annotations/panoptic_val/0.png", image=10, what="5 ids .* red and blue", mends=True)
def _(s: Sample) -> None:
    pixels = np.asarray(Image.open(s.maps / "0.png"))
    Image.fromarray(np.ascontiguousarray(pixels[..., ::-1])).save(s.maps / "0.png")


@fault("map-void", file="annotations/panoptic_val/1.png", image=11, what="all pixels are 0")
def _(s: Sample) -> None:
    s.relist(1, np.zeros((3, 5), int))


@fault("map-of-another", image=12, what=r"1b?\.png is the map of 2\.jpg; by its name it is that of image 11")
def _(s: Sample) -> None:
    (s.maps / "1.png").rename(s.maps / "first.png")
    (s.maps / "2.png").rename(s.maps / "1.png")
    for index, name in ((1, "first.png"), (2, "1.png")):
        s.content["annotations"][index]["file_name"] = name


@fault("map-shared", image=10, what=r"0\.png is the map of images 10, 11")
def _(s: Sample) -> None:
    first, second = s.content["annotations"][:2]
    second |= {"file_name": "0.png", "segments_info": first["segments_info"]}
    (s.maps / "1.png").unlink()
    s.write_image("1.jpg", (4, 6), 1)
    s.content["images"][1] |= {"height": 4, "width": 6}


@fault("file-unused", file="val", what=r"2 files: old\.jpg, spare\.PNG")
def _(s: Sample) -> None:
    s.write_image("old.jpg", (2, 2), 4)
    s.write_image("spare.PNG", (2, 2), 4)
    (s.images / "notes.txt").write_text("is no image")


@fault("file-unused maps", file="annotations/panoptic_val", what=r"1 files: 9\.png")
def _(s: Sample) -> None:
    s.write_map(9, s.id_map(0))


# Lists


@fault("json-unreadable", file="annotations/panoptic_val.json", what="cannot be read: Expecting")
def _(s: Sample) -> None:
    s.save = lambda: (s.root / "annotations" / "panoptic_val.json").write_text("{]")


@fault("json-unreadable list", what="its top level is a list")
def _(s: Sample) -> None:
    s.content = []


@fault("list-absent", what="no list `categories`; it has annotations, images")
def _(s: Sample) -> None:
    del s.content["categories"]


@fault("list-absent images", what="no list `images`")
def _(s: Sample) -> None:
    del s.content["images"]


@fault("list-absent empty images", what="`images` is empty")
def _(s: Sample) -> None:
    s.content["images"] = []


@fault("list-absent empty categories", what="`categories` is empty")
def _(s: Sample) -> None:
    s.content["categories"] = []


@fault("category-malformed", what=r'the entry is \{"id": "5", "name": "dog", "isthing": 1\}')
def _(s: Sample) -> None:
    s.content["categories"].append({"id": "5", "name": "dog", "isthing": 1})


@fault("category-twice", category=1, what="2 entries have this id: 'car', 'dog'", mends=False)
def _(s: Sample) -> None:
    s.content["categories"].append({"id": 1, "name": "dog", "isthing": 1})


@fault("category-twice equal", category=1, mends=True)
def _(s: Sample) -> None:
    s.content["categories"].append(s.content["categories"][0])


@fault("category-name-twice", what="'car' is the name of categories 1, 2", severity="warning")
def _(s: Sample) -> None:
    s.content["categories"][1]["name"] = "car"


@fault("category-color", category=1, what=r"`color` of 'car' is \[0, 0, 300\]", mends=True)
def _(s: Sample) -> None:
    s.content["categories"][0]["color"] = [0, 0, 300]


@fault("isthing-absent", category=3, what="'sky' has no `isthing`", mends=False)
def _(s: Sample) -> None:
    del s.content["categories"][2]["isthing"]


@fault("isthing-absent known", category=1, what="no `isthing`; COCO panoptic says 1", mends=True)
def _(s: Sample) -> None:
    use_coco(s)
    del s.content["categories"][0]["isthing"]


@fault("isthing-value", category=3, what="'sky' has `isthing` \"no\"")
def _(s: Sample) -> None:
    s.content["categories"][2]["isthing"] = "no"


@fault("isthing-differs", category=44, what="'bottle' has `isthing` 0, but .* COCO panoptic's, .* it has 1")
def _(s: Sample) -> None:
    use_coco(s)
    s.content["categories"][39]["isthing"] = 0


def use_coco(s: Sample) -> None:
    """Let the set have COCO's classes; sky and road take their ids."""
    s.content["categories"] = COCO_PANOPTIC.to_json()
    other = {s.CAR: 3, s.PERSON: 1, s.SKY: 187, s.ROAD: 149}
    for annotation in s.content["annotations"]:
        for row in annotation["segments_info"]:
            row["category_id"] = other[row["category_id"]]
    s.allowed = {"class-unseen"}


@fault("image-malformed", what=r'the entry is \{"id": 13\}')
def _(s: Sample) -> None:
    s.content["images"].append({"id": 13})


@fault("image-id-twice", image=10, what=r"2 entries have this id: 0\.jpg, 3\.jpg", mends=False)
def _(s: Sample) -> None:
    s.write_image("3.jpg", (4, 6), 3)
    s.content["images"].append(s.content["images"][0] | {"file_name": "3.jpg"})


@fault("image-id-twice equal", image=10, what="the same entry", mends=True)
def _(s: Sample) -> None:
    s.content["images"].append(s.content["images"][0])


@fault("image-listed-twice", image=10, what=r"0\.jpg is the file of images 10, 13")
def _(s: Sample) -> None:
    s.content["images"].append(s.content["images"][0] | {"id": 13})
    s.write_map(3, s.id_map(0))
    s.content["annotations"].append(s.content["annotations"][0] | {"image_id": 13, "file_name": "3.png"})


@fault("image-unannotated", image=11, what=r"1\.jpg has no annotation")
def _(s: Sample) -> None:
    del s.content["annotations"][1]
    (s.maps / "1.png").unlink()


@fault("size-absent", image=11, what="no `height` and no `width`", severity="warning", mends=True)
def _(s: Sample) -> None:
    del s.content["images"][1]["height"], s.content["images"][1]["width"]


@fault("size-differs", image=11, what=r"`height` x `width` is 5x3, the file is 3x5 \(exchanged\)", mends=True)
def _(s: Sample) -> None:
    s.content["images"][1] |= {"height": 5, "width": 3}


@fault(
    "image-map-size", file="annotations/panoptic_val/1.png", image=11, what="the map is 3x5, the image 6x10"
)
def _(s: Sample) -> None:
    s.write_image("1.jpg", (6, 10), 1)


@fault("annotation-malformed", what="the entry is .*bbox")
def _(s: Sample) -> None:
    s.content["annotations"].append({"id": 1, "image_id": 10, "bbox": [0, 0, 1, 1], "category_id": 1})


@fault("annotation-twice", image=10, what=r"2 annotations: 0\.png, 3\.png", mends=False)
def _(s: Sample) -> None:
    s.write_map(3, s.id_map(0))
    s.content["annotations"].append(s.content["annotations"][0] | {"file_name": "3.png"})


@fault("annotation-twice equal", image=10, mends=True)
def _(s: Sample) -> None:
    s.content["annotations"].append(s.content["annotations"][0])


@fault("annotation-unknown-image", image=99, what=r"3\.png has an `image_id` that no image has")
def _(s: Sample) -> None:
    s.write_map(3, s.id_map(0))
    s.content["annotations"].append(s.content["annotations"][0] | {"image_id": 99, "file_name": "3.png"})


@fault("annotation-unknown-image text", image="11", what="of another type")
def _(s: Sample) -> None:
    s.content["annotations"][1]["image_id"] = "11"


# Segments


@fault("segment-malformed", image=11, what=r'the entry is \{"id": 5\}')
def _(s: Sample) -> None:
    s.content["annotations"][1]["segments_info"].append({"id": 5})


@fault("segment-id", image=11, what="`id` is 0")
def _(s: Sample) -> None:
    s.content["annotations"][1]["segments_info"].append(s.segment(1, s.D) | {"id": 0})


@fault("segment-id large", image=11, what="`id` is 16777216")
def _(s: Sample) -> None:
    s.content["annotations"][1]["segments_info"].append(s.segment(1, s.D) | {"id": 256**3})


@fault("segment-twice", image=11, what="2 entries .* of categories 4, 1", mends=False)
def _(s: Sample) -> None:
    s.content["annotations"][1]["segments_info"].append(s.segment(1, s.D) | {"category_id": 1})


@fault("segment-twice equal", image=11, what="all of one class", mends=True)
def _(s: Sample) -> None:
    s.content["annotations"][1]["segments_info"].append(s.segment(1, s.D))


@fault(
    "segment-no-pixel",
    file="annotations/panoptic_val/1.png",
    image=11,
    segment=5,
    what="'car' is listed and owns no pixel",
    mends=True,
)
def _(s: Sample) -> None:
    s.content["annotations"][1]["segments_info"].append(s.segment(1, s.A) | {"id": 5})


@fault("id-unlisted", file="annotations/panoptic_val/1.png", image=11, segment=77, what="1 ids with 1 pixels")
def _(s: Sample) -> None:
    id_map = s.id_map(1)
    id_map[2, 4] = 77
    s.write_map(1, id_map)


@fault("id-unlisted resized", image=11, what="60 ids with 60 pixels, .* interpolation")
def _(s: Sample) -> None:
    id_map = np.full((8, 10), s.D)
    id_map[0, :5], id_map[0, 5:] = s.C, s.A
    s.relist(1, id_map)
    id_map[1:7] = np.arange(60).reshape(6, 10) + 5000
    rows = s.content["annotations"][1]["segments_info"]
    rows[:] = [row | {"area": 10, "bbox": [0, 7, 10, 1]} if row["id"] == s.D else row for row in rows]
    s.write_map(1, id_map)
    s.write_image("1.jpg", (8, 10), 1)
    s.content["images"][1] |= {"height": 8, "width": 10}


@fault("category-unknown", image=11, category=99, what="`category_id` is 99, not one of 4 categories")
def _(s: Sample) -> None:
    s.segment(1, 70_001)["category_id"] = 99


@fault("category-unknown train id", image=11, category=2, what="it looks like a train id")
def _(s: Sample) -> None:
    s.content["categories"] = CITYSCAPES.to_json()
    other = {s.CAR: 26, s.PERSON: 24, s.SKY: 23, s.ROAD: 7}
    for annotation in s.content["annotations"]:
        for row in annotation["segments_info"]:
            row["category_id"] = other[row["category_id"]]
    s.segment(1, s.A)["category_id"] = 2
    s.allowed = {"class-unseen"}


@fault("crowd-absent", image=11, what="no `iscrowd`", severity="warning", mends=True)
def _(s: Sample) -> None:
    del s.segment(1, s.A)["iscrowd"]


@fault("crowd-value", image=11, what="`iscrowd` is 2")
def _(s: Sample) -> None:
    s.segment(1, s.A)["iscrowd"] = 2


@fault("crowd-on-stuff", image=11, category=3, what="`iscrowd` is 1 and 'sky' is stuff", mends=False)
def _(s: Sample) -> None:
    s.segment(1, s.C)["iscrowd"] = 1


@fault("isthing-segment", image=11, what="`isthing` is 0, that of 'car' is 1", severity="warning", mends=True)
def _(s: Sample) -> None:
    s.segment(1, s.A)["isthing"] = 0


@fault("stuff-split", image=11, category=4, what="stuff 'road' has 2 segments: 88, 196615", mends=True)
def _(s: Sample) -> None:
    id_map = s.id_map(1)
    id_map[2, :2] = s.D
    s.relist(1, id_map)
    id_map[2, :2] = 88
    rows = s.content["annotations"][1]["segments_info"]
    rows[:] = [row for row in rows if row["id"] != s.D]
    rows += [
        {"id": 88, "category_id": s.ROAD, "iscrowd": 0, "area": 2, "bbox": [0, 2, 2, 1]},
        {"id": s.D, "category_id": s.ROAD, "iscrowd": 0, "area": 5, "bbox": [0, 1, 5, 2]},
    ]
    s.write_map(1, id_map)


@fault("area-absent", image=11, what="no `area`", severity="warning", mends=True)
def _(s: Sample) -> None:
    del s.segment(1, s.A)["area"]


@fault("area-wrong", image=11, segment=70_001, what="`area` is 100, the map has 2 pixels", mends=True)
def _(s: Sample) -> None:
    s.segment(1, s.A)["area"] = 100


@fault("area-wrong null", image=11, segment=70_001, what="`area` is null", mends=True)
def _(s: Sample) -> None:
    s.segment(1, s.A)["area"] = None


@fault("box-absent", image=11, what="no `bbox`", severity="warning", mends=True)
def _(s: Sample) -> None:
    del s.segment(1, s.A)["bbox"]


@fault("box-wrong", image=11, what=r"\[0, 0, 1, 1\], the tight box is \[1, 1, 2, 1\] \(x, y, w", mends=True)
def _(s: Sample) -> None:
    s.segment(1, s.A)["bbox"] = [0, 0, 1, 1]


@fault("box-wrong corners", image=10, what="these are two corners", mends=True)
def _(s: Sample) -> None:
    s.segment(0, s.A)["bbox"] = [1, 2, 3, 4]


@fault("box-wrong one", image=10, what=r"the \+ 1 is forgotten", severity="warning", mends=True)
def _(s: Sample) -> None:
    s.segment(0, s.A)["bbox"] = [1, 2, 1, 1]


# Whole splits


@fault("class-unseen", what="1 of 5 classes: dog", severity="note")
def _(s: Sample) -> None:
    s.content["categories"].append({"id": 9, "name": "dog", "isthing": 1})


def add_train(s: Sample, image: int, name: str) -> dict[str, Any]:
    """Write one image of val as split train, under another name; return its JSON."""
    (s.root / "train").mkdir()
    (s.root / "train" / name).write_bytes((s.images / f"{image}.jpg").read_bytes())
    maps = s.root / "annotations" / "panoptic_train"
    maps.mkdir()
    (maps / f"{image}.png").write_bytes((s.maps / f"{image}.png").read_bytes())
    s.allowed = {"class-unseen"}  # one image has not all classes
    return {
        "categories": [dict(row) for row in s.content["categories"]],
        "images": [s.content["images"][image] | {"file_name": name}],
        "annotations": [s.content["annotations"][image]],
    }


def save_train(s: Sample, content: dict[str, Any]) -> None:
    (s.root / "annotations" / "panoptic_train.json").write_text(json.dumps(content))


@fault(
    "categories-differ",
    file="annotations/panoptic_train.json",
    what=r"2 ids are not as in .*panoptic_val\.json: 3 is 'road', stuff here and 'sky', stuff there",
)
def _(s: Sample) -> None:
    content = add_train(s, 2, "other.jpg")
    (s.root / "train/other.jpg").write_bytes(s.write_image("new.jpg", (4, 3), 5).read_bytes())
    (s.images / "new.jpg").unlink()
    for row, name in zip(content["categories"][2:], ("road", "sky"), strict=True):
        row["name"] = name
    save_train(s, content)


@fault("image-content-twice", file="val/1.jpg", what=r"the same bytes as val/0\.jpg")
def _(s: Sample) -> None:
    (s.images / "1.jpg").write_bytes((s.images / "0.jpg").read_bytes())
    s.relist(1, s.id_map(0))
    s.content["images"][1] |= {"height": 4, "width": 6}


@fault(
    "split-leak",
    file="train/copy.jpg",
    what=r"the same image as val/2\.jpg of split val, here in split train",
)
def _(s: Sample) -> None:
    save_train(s, add_train(s, 2, "copy.jpg"))


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, sample: Sample) -> None:
    plant, expected = FAULTS[name]
    sample.allowed = set()
    plant(sample)
    checkup = check(sample)
    findings = [one for one in checkup.log.kept if one.rule.name not in sample.allowed]
    rule = name.partition(" ")[0]
    assert [one.rule.name for one in findings] == [rule], [(one.rule.name, one.what) for one in findings]
    expect(findings[0], **({"severity": str(RULES[rule].severity)} | expected))
    assert checkup.log.fails() == (findings[0].severity is Severity.ERROR)


def expect(finding: Finding, what: str = "", mends: bool = False, **columns: Any) -> None:
    for column, value in columns.items():
        assert str(getattr(finding, column)) == str(value), column
    if what:
        assert re.search(what, finding.what), finding.what
    assert finding.mendable == mends


def test_every_rule_has_a_fault() -> None:
    planted = {name.partition(" ")[0] for name in FAULTS}
    assert set(RULES) - planted == {name for name in RULES if name.startswith("cityscapes")}  # test_native.py
