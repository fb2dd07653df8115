"""CVAT for images 1.1."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panoptic_data.cli import main
from panoptic_data.converting import Segments, convert
from panoptic_data.converting.cvat import plan_cvat

META = (
    "<version>1.1</version><meta><task><labels>"
    "<label><name>cow</name><color>#ff0000</color><type>any</type><attributes></attributes></label>"
    "<label><name>sky</name><color>#0000ff</color></label></labels></task></meta>"
)


def write(root: Path, shapes: str, *, images: str | None = None, meta: str = META) -> Path:
    (root / "images").mkdir(exist_ok=True)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(root / "images" / name)
    if images is None:
        images = f'<image id="0" name="a.jpg" width="8" height="6">{shapes}</image>'
    path = root / "annotations.xml"
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?><annotations>{meta}{images}</annotations>')
    return path


def box(label: str, x0: int, y0: int, x1: int, y1: int, **more: Any) -> str:
    extra = " ".join(f'{key}="{value}"' for key, value in more.items())
    return f'<box label="{label}" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" {extra}></box>'


def read(path: Path, **options: Any) -> Segments:
    plan = plan_cvat(path, **{"things": ["cow"], **options})
    return plan.read(plan.splits[0].items[0])


def areas(segments: Segments) -> list[tuple[int, int, bool]]:
    return [
        (category, int((segments.id_map == i).sum()), crowd)
        for i, category, crowd in zip(segments.ids, segments.category_ids, segments.iscrowd, strict=True)
    ]


def test_labels_of_whole_images_are_no_classes(tmp_path: Path) -> None:
    meta = META.replace("</labels>", "<label><name>rainy</name><type>tag</type></label></labels>")
    path = write(
        tmp_path, box("cow", 0, 0, 3, 2) + '<tag label="rainy"></tag><tag label="dim"></tag>', meta=meta
    )
    plan = plan_cvat(path, things=["cow"])
    assert plan.table.names == ("cow", "sky")
    assert areas(plan.read(plan.splits[0].items[0])) == [(1, 6, False)]


def test_every_kind_of_shape(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '<polygon label="sky" points="0.00,0.00;8.00,0.00;8.00,6.00;0.00,6.00" z_order="0"></polygon>'
        + box("cow", 0, 0, 3, 2)
        + '<ellipse label="cow" cx="6" cy="3" rx="1.5" ry="1.5"></ellipse>'
        # Row by row in a box of 2 x 3 at (1, 4), from background on: .XX / X.. is cut at the image's rim.
        '<mask label="cow" rle="1, 3, 2" left="1" top="4" width="3" height="2"></mask>'
        '<polyline label="cow" points="1,1;2,2"></polyline><tag label="cow"></tag>',
    )
    segments = read(path)
    assert sorted(areas(segments)) == [(1, 3, False), (1, 4, False), (1, 6, False), (2, 48 - 13, False)]
    mask = segments.id_map[5, 1]
    assert (segments.id_map == mask).nonzero()[0].tolist() == [4, 4, 5]
    assert (segments.id_map == mask).nonzero()[1].tolist() == [2, 3, 1]
    assert segments.notes == (
        "polyline 5 ('cow') has no area and is left out",
        "tag 6 ('cow') has no area and is left out",
    )


def test_z_order_groups_and_crowds(tmp_path: Path) -> None:
    crowd = '<attribute name="is_crowd">true</attribute></box>'
    path = write(
        tmp_path,
        box("cow", 0, 0, 4, 2, z_order=2)
        + box("cow", 2, 0, 6, 2, z_order=1)  # behind, though later
        + box("cow", 0, 4, 1, 5, group_id=3)
        + box("cow", 2, 4, 3, 5, group_id=3)
        + box("cow", 4, 4, 6, 6).replace("</box>", crowd),
    )
    assert sorted(areas(read(path))) == [(1, 2, False), (1, 4, False), (1, 4, True), (1, 8, False)]


def test_a_turned_box(tmp_path: Path) -> None:
    segments = read(write(tmp_path, box("cow", 2, 2, 6, 4, rotation=90)))
    assert (segments.id_map > 0).nonzero()[1].tolist() == [3, 4] * 4


def test_labels_and_colours(tmp_path: Path) -> None:
    table = plan_cvat(write(tmp_path, box("cow", 0, 0, 2, 2)), things=["cow"]).table
    assert [(c.name, c.is_thing, c.color) for c in table.categories] == [
        ("cow", True, (255, 0, 0)),
        ("sky", False, (0, 0, 255)),
    ]
    (tmp_path / "c.csv").write_text("id,name,isthing\n8,sky,0\n")
    with pytest.raises(ValueError, match=r"box 1 \('cow'\) of a.jpg to be one of sky, got 'cow'"):
        read(tmp_path / "annotations.xml", things=None, classes=tmp_path / "c.csv")


def test_subsets_are_splits(tmp_path: Path) -> None:
    images = (
        '<image id="0" name="a.jpg" subset="Train" width="8" height="6"></image>'
        '<image id="1" name="b.jpg" subset="default" width="8" height="6"></image>'
    )
    plan = plan_cvat(write(tmp_path, "", images=images), things=["cow"], split="rest")
    assert {split.name: [i.image_id for i in split.items] for split in plan.splits} == {
        "Train": ["a"],
        "rest": ["b"],
    }


def test_a_subset_joins_the_split_of_its_name(tmp_path: Path) -> None:
    images = (
        '<image id="0" name="a.jpg" subset="train" width="8" height="6"></image>'
        '<image id="1" name="b.jpg" width="8" height="6"></image>'
    )
    plan = plan_cvat(write(tmp_path, "", images=images), things=["cow"])
    (outcome,) = convert(plan, tmp_path / "out", workers=1)
    assert outcome.name == "train"
    assert outcome.num_images == 2  # one did not overwrite the other


def test_an_image_that_is_there_twice_is_not_lost(tmp_path: Path) -> None:
    images = '<image id="0" name="a.jpg" width="8" height="6"></image>' * 2
    plan = plan_cvat(write(tmp_path, "", images=images), things=["cow"])
    with pytest.raises(ValueError, match="its own image_id, got 'a' for both"):
        convert(plan, tmp_path / "out", workers=1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<polygon label="cow" points="1;2"></polygon>', "polygon 1"),
        ('<polygon label="cow"></polygon>', "expected a CVAT polygon, got 'points'"),
        ('<mask label="cow" rle="1,2" left="0" top="0" width="2" height="2"></mask>', "runs of 3 pixels"),
        ('<box label="cow" xtl="1"></box>', "expected a CVAT box"),
    ],
)
def test_bad_shapes_fail_their_image(tmp_path: Path, shape: str, message: str) -> None:
    path = write(tmp_path, shape)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("", "width and height in .*got none"),
        ('<image id="0" name="a.jpg"></image>', "width and height"),
        ("<track></track>", "got tracks of a video"),
        ("<image", "cannot be parsed"),
    ],
)
def test_bad_files(tmp_path: Path, images: str, message: str) -> None:
    path = write(tmp_path, "", images=images)
    with pytest.raises(ValueError, match=message):
        plan_cvat(path, things=[])


def test_no_document_type(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    with pytest.raises(ValueError, match="got one with a document type"):
        plan_cvat(path, things=[])


def test_missing_images(tmp_path: Path) -> None:
    images = "".join(f'<image id="0" name="{name}.jpg" width="8" height="6"></image>' for name in "ac")
    plan = plan_cvat(write(tmp_path, "", images=images), things=["cow"])
    (outcome,) = convert(plan, tmp_path / "out", workers=1)
    assert outcome.num_images == 1
    assert "image c.jpg of" in outcome.failures[0][1]
    path = write(tmp_path, "", images='<image id="0" name="c.jpg" width="8" height="6"></image>')
    with pytest.raises(FileNotFoundError, match=r"image c.jpg of .*Export with images, or name"):
        plan_cvat(path, things=["cow"])
    with pytest.raises(FileNotFoundError, match="CVAT's annotations at"):
        plan_cvat(tmp_path / "images", things=["cow"])


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, box("cow", 0, 0, 2, 2))
    words = ["convert", "cvat", str(tmp_path), str(tmp_path / "out"), "--things", "cow", "--workers", "1"]
    assert main(words) == 0
    assert "Split train: 1 images, 1 segments" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "out"), "--out", str(tmp_path / "shown")]) == 0
