"""Files that are missing, broken or of other classes: every one is named, with the cure."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC, Category, CategoryTable
from panoptic_core.files import PanopticFileError
from panoptic_core.fusing import LabelReader, SavedOutputs, fuse_folders, read_image_list
from panoptic_core.testing import tiny_scene
from panoptic_fusion import AffinityMaps, BoxMasks, RawOutputs

TABLE = tiny_scene().table


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def fuse(root: Path) -> None:
    outputs = SavedOutputs.open(root / "gt.json", instances=root / "exact.json", semantic=root / "exact")
    fuse_folders(outputs, root / "out.json", workers=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": float("nan")}, r"exact\.json, entry 4: expected `score` to be a finite number, got nan"),
        ({"score": "0.5"}, "finite number, got '0.5'"),
        ({"category_id": 99}, r"entry 4: expected a category id of 'gt\.json', got 99"),
        ({"category_id": 7}, r"the category of a thing, got 7 \('road'\), which is stuff"),
        ({"segmentation": None}, r"expected `segmentation` \(an RLE\), got none\. Boxes alone"),
        ({"segmentation": {"size": [3, 4], "counts": "<"}}, r"image's size \[33, 49\] .*, got \[3, 4\]"),
        ({"segmentation": {"size": [33, 49], "counts": "9"}}, r"entry 4 \(image 1\): .* fill its size"),
        ({"segmentation": {"size": [33, 49]}}, r"entry 4 \(image 1\): Expected an RLE to have"),
        ({"segmentation": 3}, r"entry 4 \(image 1\): Expected `segmentation`"),
        ({"image_id": None}, "expected `image_id` to be a number or text, got None"),
    ],
    ids=["nan", "text", "unknown", "stuff", "no mask", "size", "short", "no counts", "number", "no image"],
)  # fmt: skip
def test_wrong_results_are_named(root: Path, change: dict[str, Any], message: str) -> None:
    edit(root / "exact.json", lambda entries: entries[4].update(change))
    with pytest.raises(PanopticFileError, match=message):
        fuse(root)


def test_results_that_are_none(root: Path) -> None:
    edit(root / "exact.json", lambda entries: entries[0].pop("score"))
    with pytest.raises(PanopticFileError, match=r"entry 0: expected .* got no score"):
        fuse(root)
    (root / "exact.json").write_text(json.dumps({"annotations": []}))
    with pytest.raises(PanopticFileError, match=r"annotation file, which has no scores, got dict"):
        fuse(root)
    (root / "exact.json").write_text("[{")
    with pytest.raises(PanopticFileError, match=r"exact\.json to be a JSON file"):
        fuse(root)
    (root / "exact.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"instance results at .*exact\.json, but there is no such"):
        fuse(root)


def test_results_of_another_set(root: Path) -> None:
    entries = json.loads((root / "exact.json").read_text())
    (root / "exact.json").write_text(
        json.dumps([{**one, "image_id": str(one["image_id"])} for one in entries])
    )
    with pytest.raises(PanopticFileError, match="numbers, the other text: write them alike"):
        fuse(root)
    (root / "exact.json").write_text(
        json.dumps([{**one, "image_id": one["image_id"] + 10} for one in entries])
    )
    with pytest.raises(PanopticFileError, match="Are they of another set"):
        fuse(root)


def test_polygons_are_masks(root: Path) -> None:
    edit(root / "exact.json", lambda entries: entries[4].update(segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]]))
    fuse(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"semantic predictions of image 1 in .*exact, got no file city/001\.png or \.npz"),
        (b"no picture", r"001\.png to be a PNG, but no image"),
        (np.zeros((3, 4), np.uint8), r"001\.png to be as large as its image, .* \(33, 49\), got \(3, 4\)"),
        (np.zeros((33, 49, 3), np.uint8), r"grey or palette PNG .*, got a PNG of mode 'RGB'"),
        (np.full((33, 49), 5, np.uint8), r"labels in \[0, 5\), .* or 255 \(void\), got 5\. .*dataset"),
        (np.full((33, 49), 300, np.uint16), r"got 300\."),
    ],
    ids=["missing", "broken", "size", "colours", "unknown", "16 bit"],
)  # fmt: skip
def test_wrong_label_maps_are_named(root: Path, content: Any, message: str) -> None:
    path = root / "exact" / "city" / "001.png"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        Image.fromarray(content).save(path)
    with pytest.raises((PanopticFileError, FileNotFoundError), match=message):
        fuse(root)


def test_missing_folders(root: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"folder .*nowhere with semantic predictions, but there is none"
    ):
        SavedOutputs.open(root / "gt.json", semantic=root / "nowhere")
    with pytest.raises(
        FileNotFoundError, match=r"RawOutputs of image 0 in .*exact, got no file city/000\.npz"
    ):
        SavedOutputs.open(root / "gt.json", raw=root / "exact")


def write_raw(root: Path, raw: RawOutputs) -> SavedOutputs:
    raw.save(root / "npz" / "city" / "001.npz")
    return SavedOutputs.open(root / "gt.json", raw=root / "npz")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (RawOutputs((3, 4), 2, 5), r"001\.npz to be as large as its image, .* \(33, 49\), got \(3, 4\)"),
        (RawOutputs((33, 49), 8, 19), r"2 things of 5 classes\), got 8 of 19\. Name the right --categories"),
        (
            RawOutputs((33, 49), 2, 5, sem_seg=torch.full((33, 49), 5)),
            r"`sem_seg` of .* labels in \[0, 5\) or 255 \(void\), got values in \[5, 5\]",
        ),
        (
            RawOutputs((33, 49), 2, 5, sem_logits=torch.zeros(3, 33, 49)),
            r"`sem_logits` of .* to have 5 channels, or 4 \(all things as one, then stuff\), got 3",
        ),
        (
            RawOutputs(
                (33, 49),
                2,
                5,
                masks=BoxMasks.from_full(torch.zeros(0, 33, 49, dtype=torch.bool)),
                labels=torch.zeros(0, dtype=torch.int64),
                scores=torch.zeros(0),
                sem_logits=torch.full((5, 33, 49), float("nan")),
            ),
            r"Image 1, .*001\.npz: Expected `sem_logits` to be finite, got NaN",
        ),
        (
            RawOutputs((33, 49), 2, 5),
            r"Image 1, .*001\.npz: method 'confidence' needs instance masks, got none",
        ),
    ],
    ids=["size", "classes", "labels", "channels", "nan", "parts"],
)
def test_wrong_npz_are_named(root: Path, raw: RawOutputs, message: str) -> None:
    outputs = write_raw(root, raw)
    with pytest.raises(PanopticFileError, match=message):
        fuse_folders(outputs, root / "out.json", workers=1)


@pytest.mark.parametrize("content", [b"", b"no zip", None], ids=["empty", "no zip", "cut"])
def test_broken_npz_are_named(root: Path, content: bytes | None) -> None:
    path = root / "npz" / "city" / "001.npz"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    outputs = SavedOutputs.open(root / "gt.json", raw=root / "npz")
    with pytest.raises(PanopticFileError, match=r"001\.npz to be a file of `RawOutputs\.save`, but"):
        fuse_folders(outputs, root / "out.json", workers=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), "hold a list `images` .*, got none"),
        (lambda c: c.update(images=[]), "got an empty one"),
        (lambda c: c["images"][1].pop("height"), r"each of `images` to have id, file_name, width and height"),
        (lambda c: c["images"][1].update(width=0), r"width and height \(> 0\)"),
        (lambda c: c["images"][1].update(id=0), "image id 0 occurs twice"),
        (
            lambda c: c["images"][1].update(file_name="city/000.png"),
            r"file name 'city/000\.png' occurs twice",
        ),
        (
            lambda c: c["images"][1].update(file_name="../001.png"),
            r"stay inside the folder of images, got \.\./",
        ),
        (lambda c: c.pop("categories"), "Expected `categories` .* Or name the classes: coco, cityscapes"),
        (lambda c: c["categories"][0].pop("isthing"), "got no isthing .* Or name the classes"),
    ],
    ids=["none", "empty", "height", "width", "id", "name", "outside", "categories", "isthing"],
)
def test_wrong_image_lists_are_named(root: Path, change: Any, message: str) -> None:
    edit(root / "gt.json", change)
    with pytest.raises(PanopticFileError, match=message):
        fuse(root)


def test_classes_by_name_and_file(root: Path) -> None:
    assert read_image_list(root / "gt.json").table.categories == TABLE.categories
    assert read_image_list(root / "gt.json", "coco").table is COCO_PANOPTIC
    (root / "classes.json").write_text(json.dumps(CITYSCAPES.to_json()))
    assert read_image_list(root / "gt.json", root / "classes.json").table is CITYSCAPES
    with pytest.raises(FileNotFoundError, match="the categories at kitti, but there is no such file"):
        read_image_list(root / "gt.json", "kitti")


def test_files_are_found_by_name_then_by_id(tmp_path: Path) -> None:
    rows = [
        {"id": "aachen_1", "file_name": "aachen_1_gtFine_leftImg8bit.png", "height": 1, "width": 2},
        {"id": 1, "file_name": "a/2.jpg", "height": 1, "width": 2},
        {"id": 2, "file_name": "b/2.jpg", "height": 1, "width": 2},
    ]
    (tmp_path / "images.json").write_text(json.dumps({"images": rows, "categories": TABLE.to_json()}))
    folder = tmp_path / "labels"
    for name in ("aachen/aachen_1_leftImg8bit", "1", "b/2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((1, 2), np.uint8)).save(folder / f"{name}.png")
    found = SavedOutputs.open(tmp_path / "images.json", semantic=folder).semantic
    assert found is not None
    assert {key: path.relative_to(folder).as_posix() for key, path in found.by_image_id.items()} == {
        "aachen_1": "aachen/aachen_1_leftImg8bit.png",
        1: "1.png",
        2: "b/2.png",
    }
    (folder / "1.png").unlink()  # b/2.png fits the first "2" by its bare name: it is not taken twice
    with pytest.raises(FileNotFoundError, match=r"image 1 in .*, got no file a/2\.png"):
        SavedOutputs.open(tmp_path / "images.json", semantic=folder)


def read_labels(path: Path, values: Any, table: CategoryTable, ids: Any, mode: str = "L") -> list[int]:
    array = np.array([values], dtype=np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(array)
    if mode == "P":
        image.putpalette([1, 2, 3] * 256)
    image.save(path)
    labels: list[int] = LabelReader(table, ids).read(path, array.shape)[0].tolist()
    return labels


def test_label_maps_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for mode in ("L", "P", "I;16"):
        assert read_labels(path, [0, 4, 255], TABLE, "labels", mode) == [0, 4, 255]
        # 0 and 255 are void among category ids; 26 is the car, 7 the road.
        assert read_labels(path, [26, 7, 0, 255], TABLE, "dataset", mode) == [1, 2, 255, 255]
    zero = CategoryTable(
        "zero", (Category(0, "wall", False, (1, 1, 1)), Category(255, "sky", False, (2, 2, 2)))
    )
    assert read_labels(path, [0, 255], zero, "dataset") == [0, 1]
    with pytest.raises(PanopticFileError, match=r"category ids of 'tiny scene' or 255 .*, got 1, 2"):
        read_labels(path, [1, 2], TABLE, "dataset")
    many = CategoryTable("many", tuple(Category(i, str(i), False, (0, 0, 0)) for i in range(300)))
    assert read_labels(path, [255, 299, 65535], many, "labels", "I;16") == [255, 299, 65535]


def test_dataset_ids_give_the_same_result(root: Path) -> None:
    fuse(root)
    expected = {path.name: path.read_bytes() for path in (root / "out").rglob("*.png")}
    ids = np.append(np.array(TABLE.category_ids), [0] * 250 + [255])[:256].astype(np.uint8)
    ids[255] = 255
    for path in (root / "exact").rglob("*.png"):
        Image.fromarray(ids[np.asarray(Image.open(path))]).save(path)
    outputs = SavedOutputs.open(
        root / "gt.json", instances=root / "exact.json", semantic=root / "exact", semantic_ids="dataset"
    )
    fuse_folders(outputs, root / "out.json")
    assert {path.name: path.read_bytes() for path in (root / "out").rglob("*.png")} == expected


def test_logits_are_a_semantic_prediction(root: Path) -> None:
    fuse(root)
    expected = {path.name: path.read_bytes() for path in (root / "out").rglob("*.png")}
    for path in (root / "exact").rglob("*.png"):
        labels = torch.from_numpy(np.asarray(Image.open(path)).astype(np.int64))
        path.unlink()
        logits = torch.nn.functional.one_hot(labels.where(labels < 5, 0), 5).permute(2, 0, 1).float()
        RawOutputs(labels.shape, 2, 5, sem_logits=logits).save(path.with_suffix(".npz"))
    fuse(root)
    assert {path.name: path.read_bytes() for path in (root / "out").rglob("*.png")} == expected


def test_maps_of_a_grid_are_of_the_semantic_prediction(root: Path) -> None:
    """Other class scores than those that the features belong to would be fused without anybody knowing."""
    for number, path in enumerate(sorted((root / "exact_npz").rglob("*.npz"))):
        raw = RawOutputs.load(path)
        shape = (5, *(-(-side // 4) for side in raw.size))
        (root / "other" / "city").mkdir(parents=True, exist_ok=True)
        for folder, value in (("exact_npz", 0.0), ("other", 1.0)):
            maps = AffinityMaps(torch.full(shape, value), stride=(4.0, 4.0))
            replace(raw, affinity=maps).save(root / folder / "city" / f"{number:03d}.npz")
    both: dict[str, Any] = {"images": root / "gt.json", "raw": root / "exact_npz"}
    for semantic, expected in ((None, 0.0), ("other", 1.0), ("exact", None)):
        outputs = SavedOutputs.open(**both, semantic=None if semantic is None else root / semantic)
        affinity = outputs.read(outputs.images.images[0]).raw.affinity
        assert (None if affinity is None else float(affinity.sem_logits.mean())) == expected
