"""The command: what it prints, writes and returns."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_core.__about__ import __version__
from panoptic_core.cli.evaluate import main
from panoptic_core.files import PanopticWriter
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    scene = tiny_scene()
    with PanopticWriter(tmp_path / "gt.json", table=scene.table) as writer:
        writer.add(1, "1.png", scene.segmentation)
    with PanopticWriter(tmp_path / "pred.json", tmp_path / "png", table=scene.table) as writer:
        writer.add(1, "1.png", scene.segmentation.select(scene.segmentation.labels != 3))  # no building
    return [
        "--gt-json", str(tmp_path / "gt.json"), "--pred-json", str(tmp_path / "pred.json"),
        "--pred-folder", str(tmp_path / "png"), "--quiet",
    ]  # fmt: skip


def test_prints_the_table(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(files) == 0
    # building is missed: PQ 0; the other four classes are perfect: 80 of all, 100 of things, 2 of 3 stuff
    # classes.
    out = capsys.readouterr().out
    assert out == (
        "Panoptic quality (percent) of 1 images, 5 classes of gt.json\n"
        "Mode default: areas counted, every crowd region excuses\n"
        "\n"
        "            PQ      SQ      RQ  N  TP  FP  FN\n"
        "---------------------------------------------\n"
        "All      80.00   80.00   80.00  5   5   0   1\n"
        "Things  100.00  100.00  100.00  2   3   0   0\n"
        "Stuff    66.67   66.67   66.67  3   2   0   1\n"
    )


def test_each_class_and_the_json(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([*files, "--exact", "--per-class", "--workers", "2", "--json", str(tmp_path / "out.json")]) == 0
    )
    out = capsys.readouterr().out
    assert "Mode exact: as panopticapi" in out
    assert [line.split()[0] for line in out.splitlines()[5:10]] == [
        "person",
        "car",
        "road",
        "building",
        "sky",
    ]
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["all"] == {"pq": 80.0, "sq": 80.0, "rq": 80.0, "n": 5, "tp": 5, "fp": 0, "fn": 1}
    assert content["per_class"][3]["name"] == "building"
    assert content["per_class"][3]["category_id"] == 11
    assert (content["mode"], content["num_images"], content["version"]) == ("exact", 1, __version__)


def test_wrong_files_are_one_clear_line(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "png" / "1.png").write_bytes(b"")
    assert main(files) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("panoptic-eval: error: Expected ")
    assert str(tmp_path / "png" / "1.png") in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_missing_out_folder_is_told(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--json", str(tmp_path / "no" / "out.json")]) == 1
    assert "for --json, but there is none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--gt-json"),
        (["--gt-json", "a", "--pred-json", "b", "--workers", "0"], "whole number >= 1, got 0"),
    ],
    ids=["no files", "no workers"],
)
def test_wrong_options_exit_with_2(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(options)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_installed_commands() -> None:
    folder = Path(sys.executable).parent
    for command in ("panoptic-eval", "panoptic-fuse", "panoptic-env"):
        done = subprocess.run([folder / command, "--version"], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == f"{command} {__version__}"


@pytest.fixture
def specks(tmp_path: Path) -> list[str]:
    """Write a ground truth, a prediction with a speck of sky on a car, and label maps that miss a car."""
    scene = tiny_scene()
    ids = scene.segmentation.id_map.clone()
    ids[24, 16:19] = 1  # 3 pixels of sky, far below the sky itself
    columns = scene.segmentation.ids, scene.segmentation.labels, scene.segmentation.is_thing
    labels = scene.segmentation.label_map(255).numpy().astype(np.uint8)
    labels[scene.segmentation.mask(4).numpy()] = 2  # a car becomes road
    (tmp_path / "labels").mkdir()
    Image.fromarray(labels).save(tmp_path / "labels" / "1.png")
    for name, seg in (
        ("gt", scene.segmentation),
        ("pred", PanopticSegmentation.from_id_map(ids, *columns)),
    ):
        with PanopticWriter(tmp_path / f"{name}.json", table=scene.table) as writer:
            writer.add(1, "1.png", seg)
    return [
        *("--gt-json", str(tmp_path / "gt.json"), "--pred-json", str(tmp_path / "pred.json")),
        *("--labels", str(tmp_path / "labels"), "--quiet"),
    ]


@pytest.mark.parametrize("mode", [[], ["--exact"]], ids=["default", "exact"])
def test_stuff_before_and_after_trimming_and_the_semantic_maps(
    specks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: list[str]
) -> None:
    out = tmp_path / "out.json"
    assert main([*specks, *mode, "--stuff-limit", "10", "--stuff-regions", "--json", str(out)]) == 0
    content, shown = json.loads(out.read_text()), capsys.readouterr().out
    # The speck alone is wrong: without it all stuff is right.
    assert content["stuff"]["after"]["pq"] == content["stuff"]["after"]["iou"] == 100
    assert 0 < content["stuff"]["change"]["pq"] == 100 - content["stuff"]["before"]["pq"] < 1
    assert (content["stuff"]["area_limit"], content["stuff"]["by_region"]) == (10, True)
    assert content["all"]["pq"] < 100  # of the map as it is
    assert "Stuff (percent), regions below 10 pixels trimmed" in shown
    scene = tiny_scene().segmentation
    things = int(scene.areas[scene.is_thing].sum())
    missed = int(scene.areas[scene.ids == 4])
    assert content["semantic"]["thing_as_stuff"] == 100 * missed / things
    assert content["semantic"]["stuff_as_stuff"] == 100
    assert "Semantic maps (percent): mIoU" in shown
    # The whole class is no small segment: nothing goes.
    assert main([*specks, *mode, "--stuff-limit", "10", "--json", str(out)]) == 0
    content = json.loads(out.read_text())
    assert content["stuff"]["after"] == content["stuff"]["before"]


def test_stuff_regions_need_a_limit(specks: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*specks, "--stuff-regions"])
    assert "--stuff-regions: say --stuff-limit PIXELS too" in capsys.readouterr().err


def test_missing_label_maps_are_told(
    specks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels" / "1.png").unlink()
    assert main(specks) == 1
    assert "Expected the semantic map of image 1 in" in capsys.readouterr().err


def test_measures_beside_pq(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert main([*files, "--extended", "--json", str(out)]) == 0
    shown, content = capsys.readouterr().out, json.loads(out.read_text())
    for title in (
        "PQ-dagger",
        "Parsing Covering",
        "Boundary PQ",
        "PQ small",
        "lost to void",
        "mIoU of the maps",
    ):
        assert title in shown
    # The building is void in the prediction: its one miss; all else is perfect.
    assert content["extended"]["errors"]["misses"]["all"]["lost_to_void"] == 1
    assert content["extended"]["dagger"]["stuff"] == pytest.approx(200 / 3)
    assert content["extended"]["boundary"]["things"]["pq"] == 100
    (image,) = content["images"]
    assert (image["image_id"], image["gt_file"], image["pq"]) == (1, "1.png", 80)
    assert image["misses"]["lost_to_void"] == image["fn"] == 1
    assert sum(image["falses"].values()) == image["fp"] == 0


def test_single_measures(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--json", str(tmp_path / "none.json")]) == 0
    assert "extended" not in json.loads((tmp_path / "none.json").read_text())
    assert main([*files, "--extended", "covering", "sizes", "--json", str(tmp_path / "two.json")]) == 0
    content = json.loads((tmp_path / "two.json").read_text())
    assert list(content["extended"]) == ["covering", "sizes"]
    assert content["images"][0]["misses"] is None
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        main([*files, "--extended", "size"])
    assert error.value.code == 2
    assert "invalid choice: 'size'" in capsys.readouterr().err


SPELLINGS = {
    "panopticapi": ("--gt_json_file", "--pred_json_file", "--gt_folder", "--pred_folder"),
    "cityscapesScripts": ("--gt-json-file", "--prediction-json-file", "--gt-folder", "--prediction-folder"),
}


@pytest.mark.parametrize("names", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_spellings_of_the_official_commands(
    files: list[str], tmp_path: Path, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(files) == 0
    expected = capsys.readouterr().out
    values = [str(tmp_path / name) for name in ("gt.json", "pred.json", "gt", "png")]
    given = [text for pair in zip(names, values, strict=True) for text in pair]
    assert main([*given, "--quiet", "--results_file", str(tmp_path / "out.json")]) == 0
    assert capsys.readouterr().out == expected
    assert json.loads((tmp_path / "out.json").read_text())["all"]["pq"] == 80


@pytest.mark.parametrize("extended", [[], ["--extended"]], ids=["PQ", "all"])
def test_csv(files: list[str], tmp_path: Path, extended: list[str]) -> None:
    out = tmp_path / "out.csv"
    assert main([*files, *extended, "--csv", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["all", "things", "stuff", "person", "car", "road", "building", "sky"]
    assert [row["name"] for row in rows] == names
    assert [row["kind"] for row in rows] == ["group"] * 3 + ["class"] * 5
    everything, building = rows[0], rows[6]
    assert (everything["pq"], everything["n"], everything["fn"]) == ("80.0", "5", "1")
    assert (building["pq"], building["category_id"], building["is_thing"]) == ("0.0", "11", "0")
    if not extended:
        assert list(everything)[-1] == "fn"
        return
    assert everything["misses_lost_to_void"] == building["misses_lost_to_void"] == "1"
    assert float(everything["pq_dagger"]) == float(everything["parsing_covering"]) == 80
    assert building["pq_boundary"] == "0.0"
    assert rows[7]["map_iou"] == "100.0"
    # The building alone is void, the rest is right.
    assert (rows[1]["map_as_thing"], rows[1]["map_as_void"], everything["map_as_thing"]) == (
        "100.0",
        "0.0",
        "",
    )
    assert float(rows[2]["map_as_void"]) == pytest.approx(100 - float(rows[2]["map_as_stuff"])) != 0
    assert all(None not in row.values() and None not in row for row in rows)
    # A class without segments of a size has an empty cell there.
    assert {row["pq_large"] for row in rows} == {""}


def test_csv_of_trimming_and_semantic_maps(specks: list[str], tmp_path: Path) -> None:
    out, again = tmp_path / "out.csv", tmp_path / "out.json"
    assert main([*specks, "--stuff-limit", "10", "--csv", str(out), "--json", str(again)]) == 0
    with out.open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    content = json.loads(again.read_text())
    for state, key in (("untrimmed", "before"), ("trimmed", "after")):
        for name in ("pq", "iou", "fp"):
            assert float(rows["stuff"][f"{name}_{state}"]) == content["stuff"][key][name]
            assert rows["things"][f"{name}_{state}"] == ""
    assert float(rows["all"]["semantic_iou"]) == content["semantic"]["miou"]
    assert float(rows["stuff"]["semantic_as_thing"]) == content["semantic"]["stuff_as_thing"]


def test_two_classes_of_one_name_have_their_own_rows(files: list[str], tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    content = json.loads(path.read_text())
    for row in content["categories"]:
        row["name"] = "thing" if row["isthing"] else row["name"]  # person and car
    path.write_text(json.dumps(content))
    out = tmp_path / "out.csv"
    assert main([*files, "--extended", "--csv", str(out), "--json", str(tmp_path / "out.json")]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 + 5
    per_class = json.loads((tmp_path / "out.json").read_text())["extended"]["dagger"]["per_class"]
    assert list(per_class) == [row["name"] for row in rows[3:]]


def test_missing_csv_folder_is_told(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--csv", str(tmp_path / "no" / "out.csv")]) == 1
    assert "for --csv, but there is none" in capsys.readouterr().err
