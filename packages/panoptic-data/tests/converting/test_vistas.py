"""Mapillary Vistas in its own layouts, a few pixels of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panoptic_core.categories import VISTAS
from panoptic_core.files import read_panoptic_png, write_panoptic_png
from panoptic_data.cli import main
from panoptic_data.converting import convert
from panoptic_data.converting.vistas import plan_vistas

# Labels by index: 0 Bird (thing), 13 Road, 27 Sky, 55 Car (thing), 64 Ego Vehicle, 65 unlabeled (void).
VALUES = np.array(
    [
        [27 * 256, 27 * 256 + 1, 55 * 256, 55 * 256 + 2],
        [13 * 256, 64 * 256, 65 * 256, 55 * 256],
    ]
)


def config() -> dict[str, Any]:
    by_id = {c.category_id: c for c in VISTAS.categories}
    rows = [
        {"readable": c.name, "name": "x", "instances": c.is_thing, "evaluate": True, "color": list(c.color)}
        for c in (by_id[i] for i in range(1, 66))
    ]
    rows.append(
        {"readable": "Unlabeled", "name": "v", "instances": False, "evaluate": False, "color": [0, 0, 0]}
    )
    return {"labels": rows, "version": 1.1}


def write(
    root: Path, *, nested: str = "", panoptic: bool = False, splits: tuple[str, ...] = ("validation",)
) -> Path:
    name = f"config_{nested}.json" if nested else "config.json"
    root.mkdir(exist_ok=True)
    (root / name).write_text(json.dumps(config()))
    for split in splits:
        place = root / split / nested
        for folder in (place / "instances", root / split / "images"):
            folder.mkdir(parents=True)
        Image.fromarray(np.zeros((2, 4, 3), dtype=np.uint8)).save(root / split / "images/-aB_.jpg")
        Image.fromarray(VALUES.astype(np.uint16)).save(place / "instances/-aB_.png")
        if panoptic:
            (place / "panoptic").mkdir()
            ids = np.array([[5, 5, 9, 11], [70000, 12, 0, 9]])
            write_panoptic_png(place / "panoptic/-aB_.png", ids)
            rows = [(5, 28), (9, 56), (11, 56), (12, 65), (70000, 14)]
            segments = [
                {"id": i, "category_id": c, "area": 1, "bbox": [0, 0, 1, 1], "iscrowd": 0} for i, c in rows
            ]
            content = {
                "images": [{"id": "-aB_", "file_name": "-aB_.jpg", "width": 4, "height": 2}],
                "annotations": [{"image_id": "-aB_", "file_name": "-aB_.png", "segments_info": segments}],
                "categories": VISTAS.to_json(),
            }
            (
                place / "panoptic" / ("panoptic_2020.json" if nested == "v2.0" else "panoptic_2018.json")
            ).write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("nested", ["", "v1.2", "v2.0"])
def test_own_panoptic_files_keep_their_ids(tmp_path: Path, nested: str) -> None:
    root = write(tmp_path / "vistas", nested=nested, panoptic=True)
    (outcome,) = convert(plan_vistas(root), tmp_path / "out", workers=1)
    assert (outcome.name, outcome.num_segments, outcome.notes) == ("val", 5, ())
    content = json.loads(outcome.json_path.read_text())
    rows = {
        row["id"]: (row["category_id"], row["area"]) for row in content["annotations"][0]["segments_info"]
    }
    # Areas are counted, not copied.
    assert rows == {5: (28, 2), 9: (56, 2), 11: (56, 1), 12: (65, 1), 70000: (14, 1)}
    assert content["categories"] == VISTAS.to_json()
    assert read_panoptic_png(tmp_path / "out/annotations/panoptic_val/-aB_.png")[1].tolist() == [
        70000,
        12,
        0,
        9,
    ]


def test_a_category_for_what_is_unlabeled_is_void(tmp_path: Path) -> None:
    root = write(tmp_path / "vistas", panoptic=True)
    path = root / "validation/panoptic/panoptic_2018.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 66, "name": "Unlabeled", "isthing": 0})
    content["annotations"][0]["segments_info"][0]["category_id"] = 66
    path.write_text(json.dumps(content))
    plan = plan_vistas(root)
    assert plan.table == VISTAS
    (outcome,) = convert(plan, tmp_path / "out", workers=1)
    assert outcome.num_segments == 4
    assert outcome.void == 3 / 8


@pytest.mark.parametrize("nested", ["", "v1.2"])
def test_instance_maps(tmp_path: Path, nested: str) -> None:
    root = write(tmp_path / "vistas", nested=nested, splits=("training", "validation"))
    plan = plan_vistas(root)
    assert [split.name for split in plan.splits] == ["train", "val"]
    assert plan.table == VISTAS
    assert "come out of the instance maps" in plan.notes[0]
    segments = plan.read(plan.splits[0].items[0])
    ids = segments.id_map
    # Sky is one segment whatever its number; car 0 lies in two places, car 2 is another; ego vehicle counts.
    assert ids[0, 0] == ids[0, 1] > 0
    assert ids[0, 2] == ids[1, 3] != ids[0, 3] > 0
    assert ids[1, 2] == 0
    assert sorted(segments.category_ids) == [14, 28, 56, 56, 65]


def test_both_ways_give_the_same_segments(tmp_path: Path) -> None:
    with_json = plan_vistas(write(tmp_path / "a", panoptic=True))
    without = plan_vistas(write(tmp_path / "b"))
    one, other = (plan.read(plan.splits[0].items[0]) for plan in (with_json, without))
    pairs = set(zip(one.id_map.reshape(-1).tolist(), other.id_map.reshape(-1).tolist(), strict=True))
    assert len(pairs) == 6  # five segments and void, one to one
    names = [dict(zip(s.ids, s.category_ids, strict=True)) | {0: 0} for s in (one, other)]
    assert all(names[0][a] == names[1][b] for a, b in pairs)


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a split in"):
        plan_vistas(tmp_path)
    root = write(tmp_path / "vistas", panoptic=True)
    with pytest.raises(FileNotFoundError, match=r"labels of v2.0 in .*validation"):
        plan_vistas(root, version="v2.0")
    write_panoptic_png(root / "validation/panoptic/-aB_.png", np.full((2, 4), 77))
    assert main(["convert", "vistas", str(root), str(tmp_path / "out"), "--workers", "1"]) == 1
    assert "to be segments of the panoptic JSON, got 77" in capsys.readouterr().out
    other = write(tmp_path / "other")
    Image.fromarray(np.full((2, 4), 100 * 256, dtype=np.uint16)).save(other / "validation/instances/-aB_.png")
    plan = plan_vistas(other)
    with pytest.raises(ValueError, match=r"of 66 labels, got 25600.*other version"):
        plan.read(plan.splits[0].items[0])
