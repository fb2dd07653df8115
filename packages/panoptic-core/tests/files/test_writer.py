"""Writing folders: readable again, deterministic, whole or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from panoptic_core.categories import COCO_PANOPTIC
from panoptic_core.files import PanopticWriter, make_annotation, read_panoptic_json, read_segmentation
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    scene = tiny_scene()
    with PanopticWriter(tmp_path / "val.json", table=scene.table) as writer:
        assert writer.add(0, "frame.000", scene.segmentation)["file_name"] == "frame.000.png"
        writer.add(3, "city/scene.jpg", scene.segmentation, image_file_name="city/scene.jpg")
    result = read_panoptic_json(tmp_path / "val.json")
    assert result.images[1] == {"id": 3, "file_name": "city/scene.jpg", "width": 48, "height": 32}
    assert result.table.categories == scene.table.categories
    (_, entry) = result.annotations
    assert entry["file_name"] == "city/scene.png"
    seg = read_segmentation(tmp_path / "val" / entry["file_name"], entry["segments_info"], result.table)
    for column in ("labels", "is_thing", "areas", "iscrowd"):
        assert getattr(seg, column).tolist() == getattr(scene.segmentation, column).tolist()
    rows = zip(seg.ids.tolist(), scene.segmentation.ids.tolist(), strict=True)
    for new, old in rows:
        assert torch.equal(seg.mask(new), scene.segmentation.mask(old))
    assert torch.equal(seg.id_map == 0, scene.segmentation.id_map == 0)


def test_boxes_and_areas_against_literal_masks() -> None:
    scene = tiny_scene(37, 51)
    annotation, ids = make_annotation(1, "x.png", scene.segmentation, scene.table)
    for info in annotation["segments_info"]:
        mask = ids == info["id"]
        y, x = np.nonzero(mask)
        assert info["area"] == mask.sum()
        assert info["bbox"] == [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]


def test_ids_are_colors_of_the_class_and_differ() -> None:
    # 300 instances of one class: the first has the class's colour, all others their own.
    label = COCO_PANOPTIC.lookup(1)
    ids = np.arange(300, dtype=np.int32).reshape(15, 20) + 1
    seg = PanopticSegmentation.from_id_map(ids, np.arange(1, 301), [label] * 300, [True] * 300)
    annotation, new = make_annotation(1, "x.png", seg, COCO_PANOPTIC)
    red, green, blue = COCO_PANOPTIC[label].color
    assert annotation["segments_info"][0]["id"] == red + 256 * green + 65536 * blue
    assert len(np.unique(new)) == 300
    assert new.min() > 0


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        scene = tiny_scene()
        with PanopticWriter(tmp_path / name / "x.json", table=scene.table) as writer:
            writer.add("one", "1.png", scene.segmentation)
    for file in ("x.json", "x/1.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_void_map_and_segments_without_pixels(tmp_path: Path) -> None:
    scene = tiny_scene()
    with PanopticWriter(tmp_path / "x.json", tmp_path / "png", table=scene.table) as writer:
        assert writer.add(1, "void.png", PanopticSegmentation.empty(4, 5))["segments_info"] == []
        kept = PanopticSegmentation.from_id_map(
            np.full((2, 2), 5), [5, 6], [0, 1], [True, True], scores=[0.5, 0.7], keep=True
        )
        entry = writer.add(2, "kept.png", kept, with_scores=True)
    assert [info["score"] for info in entry["segments_info"]] == [0.5]
    assert read_panoptic_json(tmp_path / "x.json").annotations[0]["segments_info"] == []


def test_json_is_whole_or_absent(tmp_path: Path) -> None:
    scene = tiny_scene()
    (tmp_path / "x.json").write_text("old")
    with pytest.raises(KeyError), PanopticWriter(tmp_path / "x.json", table=scene.table) as writer:  # noqa: PT012
        writer.add(1, "a.png", scene.segmentation)
        raise KeyError
    assert (tmp_path / "x.json").read_text() == "old"
    writer.close()
    assert json.loads((tmp_path / "x.json").read_text())["annotations"][0]["image_id"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.json"]


def test_misuse_is_named(tmp_path: Path) -> None:
    scene = tiny_scene()
    writer = PanopticWriter(tmp_path / "x.json", table=scene.table)
    writer.add(1, "a.png", scene.segmentation)
    with pytest.raises(ValueError, match=r"image id 1 with file b\.png again"):
        writer.add(1, "b.png", scene.segmentation)
    with pytest.raises(ValueError, match=r"file a\.png again"):
        writer.add(2, "a.jpg", scene.segmentation)
    with pytest.raises(ValueError, match="to stay inside"):
        writer.add(2, "../a.png", scene.segmentation)
    alien = PanopticSegmentation.from_id_map(np.ones((2, 2), np.int32), [1], [5], [False])
    with pytest.raises(
        ValueError, match=r"`labels` in \[0, 5\) of table 'tiny scene', got values in \[5, 5\]"
    ):
        writer.add(3, "c.png", alien)
