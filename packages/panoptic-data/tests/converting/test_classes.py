"""Class files, and classes out of names."""

import json
from pathlib import Path

import pytest

from panoptic_data.converting.classes import classes_from_names, ids_by_name, read_classes


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text("# mine\nid, name, isthing, color\n0,grass,stuff,#00ff10\n\n7,sheep,1,\n")
    table = read_classes(path)
    assert table.names == ("sheep", "grass")
    assert table.category_ids == (7, 0)
    assert table.num_things == 1
    assert table[1].color == (0, 255, 16)
    assert ids_by_name(table) == {"sheep": 7, "grass": 0}


def test_json(tmp_path: Path) -> None:
    rows = [
        {"id": 3, "name": "sky", "isthing": 0},
        {"id": 4, "name": "cow", "isthing": 1, "color": [1, 2, 3]},
    ]
    for content in (rows, {"images": [], "categories": rows}):
        path = tmp_path / "c.json"
        path.write_text(json.dumps(content))
        assert read_classes(path).names == ("cow", "sky")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n1,cow\n", "got no isthing"),
        ("id,name,isthing\n1,cow,maybe\n", "to be 0 or 1, got 'maybe'"),
        ("id,name,isthing\none,cow,1\n", "integer >= 0, got 'one'"),
        ("id,name,isthing\n1,cow,1\n1,sky,0\n", "unique category ids"),
        ("id,name,isthing\n1,cow,1\n2,cow,0\n", "got cow more than once"),
        ("id,name,isthing,color\n1,cow,1,red\n", "as #rrggbb, got 'red'"),
        ("", "to list classes, got none"),
        ("id,name,isthing\n", "to list classes, got none"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_classes(path)
    assert "classes.csv" in str(error.value)


def test_bad_json(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    for text in ("{", "[1]", '{"a": 1}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="A class file is a CSV"):
            read_classes(path)
    with pytest.raises(FileNotFoundError, match=r"no such file.*c\.json"):
        read_classes(tmp_path / "other.json")


def test_names() -> None:
    table = classes_from_names(["sky", "car", "sky"], ["car"], where="x", colors={"sky": (1, 2, 3)})
    assert (table.names, table.category_ids) == (("car", "sky"), (1, 2))
    assert table[1].color == (1, 2, 3)
    assert classes_from_names(["sky", "car"], ["*"], where="x").num_things == 2
    assert classes_from_names(["sky", "car"], [], where="x").num_things == 0
    with pytest.raises(ValueError, match=r"of x \(car\), got bus"):
        classes_from_names(["car"], ["bus"], where="x")
    with pytest.raises(ValueError, match="got none"):
        classes_from_names([], [], where="x")
