from pathlib import Path

import pytest

from panoptic_data.checks import FolderIndex, describe_place, read_json, require_folder, show


def test_show_says_how_many() -> None:
    assert show(range(3)) == "0, 1, 2"
    assert show("abcdef", limit=2) == "a, b, ... (6 in all)"
    assert show([]) == ""


def test_describe_place_climbs_to_what_exists(tmp_path: Path) -> None:
    (tmp_path / "val2017").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert describe_place(tmp_path / "coco" / "val") == f"{tmp_path} holds notes.txt, val2017/"
    assert describe_place(tmp_path / "val2017") == f"{tmp_path}/val2017 holds nothing"
    assert describe_place(tmp_path / "notes.txt") == f"{tmp_path}/notes.txt is a file"


def test_missing_folder_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "val2017").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"Expected the images at .*train2017, got no such .*val2017/. Unpack it"
    ):
        require_folder(tmp_path / "train2017", "the images", "Unpack it.")


def test_read_json_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(
        FileNotFoundError, match=r"the facts at .*a\.json, got no such file: .* holds nothing\. Get it"
    ):
        read_json(path, "the facts", "Get it.")
    path.write_text("{")
    with pytest.raises(ValueError, match=r"a\.json to be valid JSON, got: .*line 1"):
        read_json(path, "the facts", "Get it.")
    path.write_text("[1]")
    with pytest.raises(ValueError, match=r"a\.json to be a JSON object, got a list\. Get it"):
        read_json(path, "the facts", "Get it.")
    path.write_text('{"a": 1}')
    assert read_json(path, "the facts", "Get it.") == {"a": 1}


def test_folder_index_lists_each_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    for name in ("x.png", "a/y.png", "a/z.png"):
        (tmp_path / name).touch()
    index = FolderIndex(tmp_path)
    assert "x.png" in index
    assert "a/y.png" in index
    monkeypatch.setattr("os.scandir", None)  # a second listing would fail
    assert "a/z.png" in index
    assert "a/missing.png" not in index


def test_folder_index_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    index = FolderIndex(tmp_path)
    index.require(["x.png"], "the maps", "Copy them.")
    with pytest.raises(
        FileNotFoundError, match=r"the maps under .*, got no b/y\.png, z\.png \(.* holds x\.png\)\. Copy"
    ):
        index.require(["x.png", "b/y.png", "z.png"], "the maps", "Copy them.")
