"""The pictures: what each pixel of a mismatch says, one colour a segment, large images, photos."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.report.content import Layer
from panoptic_core.report.pictures import MISMATCH, draw_pictures
from panoptic_core.testing import tiny_scene
from panoptic_core.visualization import overlay
from panoptic_fusion import PanopticSegmentation

TABLE = CategoryTable(
    "two", (Category(1, "car", True, (0, 0, 142)), Category(2, "sky", False, (70, 130, 180)))
)


def pixels(layer: Layer) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(layer.png)).convert("RGB"))


def row(ids: list[int], labels: dict[int, int], crowd: int = -1) -> PanopticSegmentation:
    return PanopticSegmentation.from_id_map(
        torch.tensor([ids]),
        list(labels),
        list(labels.values()),
        [label == 0 for label in labels.values()],
        iscrowd=[one == crowd for one in labels],
    )


def test_a_mismatch_by_hand() -> None:
    #            void  sky 1: matched (4 of 5)  car 2: missed   car 3: crowd
    truth = row([0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3], {1: 1, 2: 0, 3: 0}, crowd=3)
    # The prediction's sky 7 covers four of the five (and void); car 8 a pixel of sky and one of the car
    # (IoU 1/5: false); sky 9 is false on the car, whose last pixel is void; the crowd excuses car 6.
    found = row([7, 7, 7, 7, 7, 8, 8, 9, 9, 0, 6, 6], {7: 1, 8: 0, 9: 1, 6: 0})
    pictures, matches = draw_pictures(found, truth, TABLE)
    assert (matches.missed_ids.tolist(), sorted(matches.wrong_ids.tolist())) == ([2], [8, 9])
    kinds = [0, 1, 1, 1, 1, 4, 5, 5, 5, 3, 0, 0]
    colors = [MISMATCH[kind][1] for kind in kinds]
    assert pixels(pictures.layers[2])[0].tolist() == [list(color) for color in colors]


def test_outlines_that_differ() -> None:
    truth = row([1, 1, 1, 1, 2, 2, 2, 2], {1: 1, 2: 0})
    found = row([7, 7, 7, 8, 8, 8, 8, 0], {7: 1, 8: 0})  # IoU 3/4 and 3/5
    pictures, _ = draw_pictures(found, truth, TABLE)
    kinds = [1, 1, 1, 2, 1, 1, 1, 2]
    assert pixels(pictures.layers[2])[0].tolist() == [list(MISMATCH[kind][1]) for kind in kinds]


def test_maps_have_the_colours_of_every_other_picture() -> None:
    scene = tiny_scene()
    pictures, _ = draw_pictures(scene.segmentation, scene.segmentation, scene.table)
    layer = pixels(pictures.layers[0]).astype(int)
    expected = overlay(np.zeros_like(scene.image), scene.segmentation, scene.table.palette, opacity=1.0)
    assert np.abs(layer - expected).max() <= 2  # equal colours were moved apart


def test_every_segment_has_a_colour_that_says_what_it_is() -> None:
    scene = tiny_scene()
    seg = scene.segmentation
    pictures, _ = draw_pictures(seg.select(~seg.iscrowd & (seg.labels != 3)), seg, scene.table)
    truth, found, _ = pictures.layers
    assert set(truth.says.values()) == {
        "void",
        "sky (segment 1): matched, IoU 1.00",
        "building (segment 2): missed",
        "road (segment 3): matched, IoU 1.00",
        "car (segment 4): matched, IoU 1.00",
        "car (segment 5): matched, IoU 1.00",
        "person (segment 6): matched, IoU 1.00",
        "person (segment 7): crowd, not counted",
    }
    at = {words: color for color, words in truth.says.items()}["car (segment 5): matched, IoU 1.00"]
    inside = pixels(truth)[(pixels(truth) == [int(at[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2)]
    assert 0 < len(inside) <= int(seg.areas[4])
    assert "#000000" in found.says


def test_many_segments_of_one_colour_stay_apart() -> None:
    ids = torch.arange(1, 401).reshape(20, 20)
    black = CategoryTable("black", (Category(1, "pit", False, (0, 0, 0)),))
    seg = PanopticSegmentation.from_id_map(ids, ids.flatten(), [0] * 400, [False] * 400)
    pictures, _ = draw_pictures(seg, seg, black)
    assert len(pictures.layers[0].says) == 400
    assert len(np.unique(pixels(pictures.layers[0]).reshape(-1, 3), axis=0)) == 400
    assert "#000000" not in pictures.layers[0].says


def test_large_images_are_made_smaller(tmp_path: Path) -> None:
    scene = tiny_scene(64, 96)
    Image.fromarray(scene.image).save(tmp_path / "a.jpg")
    pictures, matches = draw_pictures(
        scene.segmentation, scene.segmentation, scene.table, tmp_path / "a.jpg", long_side=24
    )
    assert (pictures.width, pictures.height) == (24, 16)
    assert pictures.photo is not None
    assert Image.open(io.BytesIO(pictures.photo)).size == (24, 16)
    assert {pixels(layer).shape for layer in pictures.layers} == {(16, 24, 3)}
    assert len(matches.iou) == 6  # matched at full size
    assert [one.name for one in pictures.legend][:2] == ["sky", "road"]


def test_photos_from_memory_turned_by_a_tag_and_unreadable(tmp_path: Path) -> None:
    scene = tiny_scene()
    seg, table = scene.segmentation, scene.table
    pictures, _ = draw_pictures(seg, seg, table, scene.image)
    assert pictures.photo is not None
    turned = Image.fromarray(np.rot90(scene.image))
    tags = Image.Exif()
    tags[0x0112] = 6  # shown turned clockwise by a quarter
    turned.save(tmp_path / "turned.jpg", exif=tags, quality=95, subsampling=0)
    upright, _ = draw_pictures(seg, seg, table, tmp_path / "turned.jpg")
    assert upright.photo is not None
    shown = np.asarray(Image.open(io.BytesIO(upright.photo))).astype(int)
    assert np.abs(shown - scene.image).mean() < 12
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    for name in ("broken.jpg", "absent.jpg"):
        pictures, _ = draw_pictures(seg, seg, table, tmp_path / name)
        assert pictures.photo is None
        assert pictures.problem.startswith("The image cannot be shown: ")
        assert name in pictures.problem


def test_sizes_that_differ_are_an_error() -> None:
    scene = tiny_scene()
    with pytest.raises(ValueError, match="of one size"):
        draw_pictures(PanopticSegmentation.empty(8, 8), scene.segmentation, scene.table)
