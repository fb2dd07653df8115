"""labelme's files."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panoptic_data.cli import main
from panoptic_data.converting import Segments, convert
from panoptic_data.converting.labelme import plan_labelme


def polygon(label: str, x0: int, y0: int, x1: int, y1: int, **more: Any) -> dict[str, Any]:
    points = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    return {"label": label, "points": points, "shape_type": "polygon", "group_id": None, "flags": {}, **more}


def write(root: Path, shapes: list[dict[str, Any]], name: str = "a", **replace: Any) -> Path:
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(root / f"{name}.jpg")
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{name}.jpg",
        "imageData": None,
        "imageHeight": 6,
        "imageWidth": 8,
    }
    path = root / f"{name}.json"
    path.write_text(json.dumps(content | replace))
    return path


def read(root: Path, **options: Any) -> Segments:
    plan = plan_labelme(root, **{"things": ["cow"], **options})
    return plan.read(plan.splits[0].items[0])


def areas(segments: Segments) -> list[tuple[int, int, bool]]:
    return [
        (category, int((segments.id_map == i).sum()), crowd)
        for i, category, crowd in zip(segments.ids, segments.category_ids, segments.iscrowd, strict=True)
    ]


def test_every_kind_of_shape(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[1, 0], [1, 1]], dtype=np.uint8)).save(file, format="PNG")
    mask = base64.b64encode(file.getvalue()).decode()
    write(
        tmp_path,
        [
            polygon("sky", 0, 0, 8, 6),
            {"label": "cow", "points": [[0, 0], [3, 2]], "shape_type": "rectangle"},
            {"label": "cow", "points": [[6, 3], [7.5, 3]], "shape_type": "circle"},
            {"label": "cow", "points": [[0, 4], [1, 5]], "shape_type": "mask", "mask": mask},
            {"label": "cow", "points": [[0, 0], [3, 2]], "shape_type": "line"},
            {"label": "cow", "points": [[0, 0]], "shape_type": "point"},
        ],
    )
    segments = read(tmp_path)
    # 3 x 2, the four pixels around (6, 3), three of the mask; the sky (category 2 of cow, sky) has the rest.
    assert sorted(areas(segments)) == [(1, 3, False), (1, 4, False), (1, 6, False), (2, 48 - 13, False)]
    assert (segments.id_map[4, 0], segments.id_map[4, 1]) == (segments.id_map[5, 1], segments.id_map[0, 7])
    assert segments.notes == (
        "shape 5 ('cow') is a line, which has no area, and is left out",
        "shape 6 ('cow') is a point, which has no area, and is left out",
    )


def test_groups_order_void_and_crowds(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            polygon("cow", 0, 0, 2, 2, group_id=1),
            polygon("cow", 4, 0, 6, 2, group_id=1),
            polygon("cow", 5, 0, 7, 2, group_id=2),  # later, so in front
            polygon("cow", 0, 4, 4, 6, flags={"iscrowd": True}),
            polygon("__ignore__", 0, 4, 1, 6),
        ],
    )
    assert areas(read(tmp_path)) == [(1, 4 + 2, False), (1, 4, False), (1, 8 - 2, True)]


def test_photographs_are_found(tmp_path: Path) -> None:
    (tmp_path / "in/er").mkdir(parents=True)
    write(tmp_path / "in/er", [polygon("cow", 0, 0, 2, 2)], imagePath="..\\elsewhere\\a.jpg")
    write(tmp_path, [polygon("cow", 0, 0, 2, 2)], "b", imagePath="renamed.png")
    plan = plan_labelme(tmp_path, things=["cow"])
    assert [item.image_name for item in plan.splits[0].items] == ["b.jpg", "in/er/a.jpg"]
    (tmp_path / "b.jpg").unlink()
    (outcome,) = convert(plan_labelme(tmp_path, things=["cow"]), tmp_path / "out", workers=1)
    assert outcome.num_images == 1  # the other one is done
    assert "renamed.png, got none" in outcome.failures[0][1]
    (tmp_path / "in/er/a.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"photograph of .*b.json at .*renamed.png, got none"):
        plan_labelme(tmp_path, things=["cow"])


def test_linked_folders_are_searched_once(tmp_path: Path) -> None:
    for folder in ("all/real", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder, [polygon("cow", 0, 0, 2, 2)])
    for name, target in (("again", "all/real"), ("far", "elsewhere"), ("loop", "all")):
        (tmp_path / "all" / name).symlink_to(tmp_path / target)
    plan = plan_labelme(tmp_path / "all", things=["cow"])
    assert [item.image_name for item in plan.splits[0].items] == ["far/a.jpg", "real/a.jpg"]


def test_classes(tmp_path: Path) -> None:
    write(tmp_path, [polygon("cow", 0, 0, 2, 2), polygon("sky", 2, 0, 4, 2)])
    for options, found in (({}, "neither"), ({"things": ["cow"], "classes": "x.csv"}, "both")):
        with pytest.raises(ValueError, match=rf"got {found}. .*are things: cow, sky"):
            plan_labelme(tmp_path, **options)
    (tmp_path / "c.csv").write_text("id,name,isthing\n8,cow,1\n")
    with pytest.raises(ValueError, match=r"shape 2 \('sky'\) of .*to be one of cow, got 'sky'"):
        read(tmp_path, things=None, classes=tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"label": "cow", "shape_type": "polygon"}, "to be a polygon"),
        ({"label": "cow", "points": [[0, 0]], "shape_type": "rectangle"}, "to be a rectangle"),
        ({"label": "cow", "points": [[0, 0], [1, 1]], "shape_type": "mask", "mask": "%"}, "to be a mask"),
        ({"label": "cow", "points": [[0, "x"], [1, 1]], "shape_type": "circle"}, "to be a circle"),
    ],
)
def test_bad_shapes_fail_their_image(tmp_path: Path, shape: dict[str, Any], message: str) -> None:
    write(tmp_path, [shape])
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


def test_a_polygon_of_two_points_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, [polygon("cow", 0, 0, 2, 2, points=[[0, 0], [1, 1]]), polygon("cow", 0, 0, 2, 2)])
    segments = read(tmp_path)
    assert areas(segments) == [(1, 4, False)]
    assert segments.notes == ("shape 1 ('cow') covers no pixel and is left out",)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="labelme's JSON files in"):
        plan_labelme(tmp_path, things=[])
    write(tmp_path, [polygon("cow", 0, 0, 2, 2)])
    (tmp_path / "other.json").write_text("[1]")
    assert (
        "1 JSON files are not labelme's and were left out: other.json"
        in plan_labelme(tmp_path, things=["cow"]).notes
    )
    (tmp_path / "other.json").write_text("{")
    with pytest.raises(ValueError, match=r"other\.json to be a labelme JSON, but it cannot be parsed"):
        plan_labelme(tmp_path, things=["cow"])


def test_a_turned_photograph(tmp_path: Path) -> None:
    write(tmp_path, [polygon("cow", 0, 0, 2, 2)], imageHeight=8, imageWidth=6)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    (outcome,) = convert(plan_labelme(tmp_path, things=["cow"]), tmp_path / "out", workers=1)
    assert "its size 6x8 (height x width), got 8x6. The photograph has an EXIF" in outcome.failures[0][1]
    write(tmp_path, [polygon("cow", 0, 0, 2, 2)])
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    (outcome,) = convert(plan_labelme(tmp_path, things=["cow"]), tmp_path / "out", workers=1)
    assert "check that they agree" in outcome.notes[0][1]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in "abcd":
        write(source, [polygon("big cow", 0, 0, 2, 2), polygon("sky", 2, 0, 8, 6)], name)
    words = ["convert", "labelme", str(source), str(tmp_path / "out"), "--workers", "2", "--val", "25"]
    assert main([*words, "--things", "big cow"]) == 0
    assert "Split val: " in capsys.readouterr().out
    assert main(["show", str(tmp_path / "out"), "--out", str(tmp_path / "shown"), "--limit", "1"]) == 0
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
