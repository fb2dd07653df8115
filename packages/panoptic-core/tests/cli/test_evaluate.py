"""The command: what it prints, writes and returns."""

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
