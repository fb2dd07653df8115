"""The command panoptic-fuse: what it prints, writes and returns."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_core.__about__ import __version__
from panoptic_core.cli.fuse import main
from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import PanopticWriter
from panoptic_core.fusing import instance_results, take_apart
from panoptic_core.testing import tiny_scene

SCENE = tiny_scene()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One scene: its truth, and a detector that is less sure of the second car."""
    raw = take_apart(SCENE.segmentation, SCENE.table)
    entries = [dict(entry) for entry in instance_results(1, raw, SCENE.table)]
    entries[1]["score"] = 0.5
    with PanopticWriter(tmp_path / "gt.json", table=SCENE.table) as writer:
        writer.add(1, "1.png", SCENE.segmentation)
    (tmp_path / "found.segm.json").write_text(json.dumps(entries))
    (tmp_path / "labels").mkdir()
    assert raw.sem_seg is not None
    Image.fromarray(raw.sem_seg.numpy().astype(np.uint8)).save(tmp_path / "labels" / "1.png")
    return tmp_path


def run(root: Path, *options: str) -> int:
    return main([
        "--images", str(root / "gt.json"), "--instances", str(root / "found.segm.json"),
        "--semantic", str(root / "labels"), "--quiet", *options,
    ])  # fmt: skip


def test_fuses(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(root, "--out", str(root / "out.json"), "--set", "stuff_area=0", "overlap=1") == 0
    out = capsys.readouterr().out
    assert out == f"1 images, 6 segments: {root}/out.json, {root}/out/\n"
    assert evaluate_folders(root / "gt.json", root / "out.json").result.all.pq == 100
    assert "score" not in json.loads((root / "out.json").read_text())["annotations"][0]["segments_info"][0]


def test_scores_and_another_folder(root: Path) -> None:
    options = ["--out", str(root / "out.json"), "--out-folder", str(root / "png"), "--scores"]
    assert run(root, *options, "--set", "stuff_area=0", "--set", "score=0.6") == 0
    (annotation,) = json.loads((root / "out.json").read_text())["annotations"]
    assert [one["score"] for one in annotation["segments_info"]] == [1.0] * 5
    assert (root / "png" / "1.png").is_file()


def test_sweep_prints_the_table_and_writes_the_best(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Without the second car (score 0.5) the cars' PQ is 1 / (1 + 0.5) = 66.67: things (100 + 66.67) / 2 =
    # 83.33, all (100 + 66.67 + 300) / 5 = 93.33. With a stuff limit of 10^6 pixels the three stuff classes
    # are missed: stuff 0, all 200 / 5 = 40 or 166.67 / 5 = 33.33.
    options = ["--sweep", "score=0.6,0.4", "stuff_area=0,1000000", "--json", str(root / "sweep.json")]
    assert run(root, *options, "--out", str(root / "out.json")) == 0
    out = capsys.readouterr().out
    assert out == (
        "Method confidence, 1 images, 4 settings, panoptic quality in percent\n"
        "\n"
        "score  stuff_area      PQ   PQ_th   PQ_st\n"
        "-----------------------------------------\n"
        "  0.4           0  100.00  100.00  100.00\n"
        "  0.6           0   93.33   83.33  100.00\n"
        "  0.4     1000000   40.00  100.00    0.00\n"
        "  0.6     1000000   33.33   83.33    0.00\n"
        "\n"
        "Best: --set score=0.4 stuff_area=0\n"
        f"1 images, 6 segments: {root}/out.json, {root}/out/\n"
    )
    assert evaluate_folders(root / "gt.json", root / "out.json").result.all.pq == 100
    content = json.loads((root / "sweep.json").read_text())
    assert content["best"] == {"score": 0.4, "stuff_area": 0}
    assert [row["settings"]["score"] for row in content["rows"]] == [0.4, 0.6, 0.4, 0.6]
    assert content["rows"][1]["things"]["pq"] == pytest.approx(250 / 3)
    assert (content["method"], content["version"]) == ("confidence", __version__)
    assert content["inputs"]["raw"] is None


def test_truth_alone_names_the_images(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--instances", str(root / "found.segm.json"), "--semantic", str(root / "labels"), "--quiet"]
    assert main([*options, "--gt-json", str(root / "gt.json"), "--sweep", "--method", "mask_guidance"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "    PQ   PQ_th   PQ_st",
        "----------------------",
        "100.00  100.00  100.00",
    ]


def test_progress_and_ignored_instances(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = json.loads((root / "found.segm.json").read_text())
    (root / "found.segm.json").write_text(json.dumps([*entries, {**entries[0], "image_id": 2}]))
    assert run(root, "--out", str(root / "out.json")) == 0
    assert capsys.readouterr().err == "1 instances of images that are not listed were ignored.\n"


def test_wrong_files_are_one_clear_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "labels" / "1.png").write_bytes(b"")
    assert run(root, "--out", str(root / "out.json")) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"panoptic-fuse: error: Expected {root}/labels/1.png to be a PNG")
    assert captured.err.count("\n") == 1
    assert not (root / "out.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "expected --out (a JSON to write), or --sweep"),
        (["--out", "out"], "a file name that ends with .json, got out"),
        (["--out", "o.json", "--set", "score=high"], "Expected `score` to be a number, got 'high'"),
        (["--out", "o.json", "--set", "score=0.1,0.2"], "one value of `score` in --set, got several"),
        (["--out", "o.json", "--set", "overlap=2"], "`overlap_threshold` to be a number in [0, 1], got 2.0"),
        (["--out", "o.json", "--set", "guidance=1"], "setting of method 'confidence' (score, overlap,"),
        (["--out", "o.json", "--method", "affinity", "--set", "form=best"], "`form` to be product or sum or"),
        (["--out", "o.json", "--json", "t.json"], "expected --json with --sweep only"),
        (["--sweep", "score=0.1,0.1"], "distinct values, got repetitions"),
        (["--sweep", "score=0.1", "--set", "score=0.1"], "either fixed or swept, got both for score"),
        (["--sweep", "--out-folder", "png"], "expected --out with --out-folder"),
        (["--sweep", "--workers", "0"], "whole number >= 1, got 0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_options_exit_with_2(
    root: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        run(root, *options)
    assert error.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("o.json").exists()


def test_images_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--out", "o.json"])
    assert "expected --images: a COCO JSON" in capsys.readouterr().err


def test_the_truth_is_never_replaced(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads((root / "gt.json").read_text())
    content.pop("annotations")
    (root / "images.json").write_text(json.dumps(content))
    options = ["--images", str(root / "images.json"), "--gt-json", str(root / "gt.json"), "--sweep"]
    for out in ("gt.json", "new/../gt.json"):
        with pytest.raises(SystemExit):
            run(root, *options, "--out", str(root / out))
        assert "beside the ground truth, not in its place" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(root, *options, "--out", str(root / "out.json"), "--out-folder", str(root / "gt"))
    assert "annotations" in json.loads((root / "gt.json").read_text())


def test_help_lists_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["--help"])
    assert error.value.code == 0
    assert "confidence: score=0.5 overlap=0.5 stuff_area=4096" in capsys.readouterr().out
