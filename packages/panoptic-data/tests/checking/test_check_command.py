"""``panoptic-data check``: report, JSON, exit status, options."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from panoptic_data.checking import RULES, FindingLog, Severity, check_splits
from panoptic_data.checking.report import to_dict, to_text
from panoptic_data.checking.rules import found
from panoptic_data.cli import main
from panoptic_data.splits import find_splits

Sample = Any  # conftest.Sample


def test_clean(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(sample.root), "--strict"]) == 0
    first, _, last = capsys.readouterr().out.splitlines()
    assert first == (
        "Split val: COCO-panoptic files, annotations/panoptic_val.json: 3 images, 11 segments, 4 classes"
    )
    assert last.startswith("0 errors, 0 warnings, 0 notes in 3 images (")
    assert last.endswith("s). Clean.")


def test_the_report_says_where_why_and_how(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    for image, segment_id in ((0, sample.A), (0, sample.B), (1, sample.A)):
        sample.segment(image, segment_id)["area"] = 100
    sample.save()
    assert main(["check", str(sample.root), "--limit", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "error area-wrong: A segment's area is not the number of its pixels"
    place = "annotations/panoptic_val.json, image 10, segment 300"
    assert lines[3] == f"  {place}: `area` is 100, the map has 2 pixels"
    assert lines[5] == "  ... and 1 more (3 in all; --limit shows more, --json writes them)"
    assert lines[6] == "  why: The official metric believes it: IoU is wrong, and PQ can exceed 100."
    assert lines[7] == "  cure: Count the pixels of the map."
    assert lines[8] == "  --fix mends it."
    assert lines[-1].startswith("3 errors, 0 warnings, 0 notes in 3 images, 3 of them mended by --fix (")


def test_warnings_fail_only_if_asked(sample: Sample) -> None:
    del sample.segment(0, sample.A)["iscrowd"]
    sample.save()
    words = ["check", str(sample.root), "--quiet"]
    assert main(words) == 0
    assert main([*words, "--strict"]) == 1
    assert main([*words, "--strict", "--ignore", "crowd-absent"]) == 0


def test_ignored_findings_are_told(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    sample.segment(0, sample.A)["area"] = 100
    sample.save()
    assert main(["check", str(sample.root), "--ignore", "area-wrong"]) == 0
    assert "Ignored, as asked for: 1 of area-wrong" in capsys.readouterr().out


def test_json(sample: Sample, tmp_path: Path) -> None:
    sample.segment(0, sample.A)["area"] = 100
    sample.save()
    out = tmp_path / "report.json"
    assert main(["check", str(sample.root), "--json", str(out)]) == 1
    content = json.loads(out.read_text())
    assert content["counts"] == {"error": 1, "warning": 0, "note": 0}
    assert content["by_rule"] == {"area-wrong": 1}
    assert content["findings_left_out"] == 0
    [finding] = content["findings"]
    assert finding == {
        "rule": "area-wrong",
        "severity": "error",
        "file": "annotations/panoptic_val.json",
        "image": 10,
        "segment": sample.A,
        "category": None,
        "what": "`area` is 100, the map has 4 pixels",
        "why": RULES["area-wrong"].why,
        "cure": RULES["area-wrong"].cure,
        "mendable": True,
    }


def test_a_lone_json(sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "elsewhere.json"
    (sample.root / "annotations" / "panoptic_val.json").rename(moved)
    assert main(["check", str(moved)]) == 1
    assert "Name their folder by --maps." in capsys.readouterr().err
    words = ["check", str(moved), "--maps", str(sample.maps)]
    (sample.images / "0.jpg").unlink()
    assert main(words) == 0  # nobody said where the images are
    assert main([*words, "--images", str(sample.images)]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "ROOT is missing"),
        (["ROOT", "--ignore", "areas"], "--ignore areas: no such rule; --list-rules prints them"),
        (["ROOT", "--images", "x"], "give the JSON as ROOT"),
        (["x.json", "--split", "val"], "a JSON is one split"),
        (["ROOT", "--limit", "-1"], "expected a whole number >= 0, got -1"),
        (["ROOT", "--copy-images"], "say --fix OUT, too"),
    ],
)
def test_wrong_options(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["check", *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_errors_of_the_command(sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(sample.root / "nowhere")]) == 1
    assert main(["check", str(sample.root), "--split", "test"]) == 1
    assert main(["check", str(sample.root / "x.json")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "`split` to be one of val, got 'test'" in errors[1]


def test_the_list_of_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list-rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(RULES)
    assert "error   area-wrong                A segment's area is not the number of its pixels" in lines


def test_every_rule_says_why_and_how() -> None:
    for rule in RULES.values():
        assert rule.title[0].isupper() or rule.name.startswith("cityscapes")
        assert rule.title[-1] != "."
        assert rule.why.endswith(".")
        assert rule.cure.endswith(".")


def test_memory_is_bounded_and_nothing_is_lost() -> None:
    log = FindingLog(keep=2, ignore=["map-void"])
    log.add(found("area-wrong", "a.json", f"finding {i}", mendable=True) for i in range(5))
    log.add([found("map-void", "a.png", "all void")])
    assert (len(log), len(log.kept), log.mendable) == (5, 2, 5)
    assert log.by_severity == {Severity.ERROR: 5}
    assert log.ignored == {"map-void": 1}
    assert log.fails()


def test_any_number_of_workers_finds_the_same(sample: Sample) -> None:
    for image, segment_id in ((0, sample.A), (2, sample.E), (1, sample.A)):
        sample.segment(image, segment_id)["area"] = 100
    sample.save()
    one, many = (check_splits(find_splits(sample.root), workers=n) for n in (1, 3))
    one.seconds = many.seconds = 0
    assert to_dict(one) == to_dict(many)
    assert to_text(one) == to_text(many)


def test_a_set_of_rubbish_never_stops_the_check(sample: Sample) -> None:
    rubbish: list[Any] = [None, 3, "x", [], {}, {"id": []}, {"id": {}, "image_id": [], "file_name": 3}]
    for key in ("images", "annotations", "categories"):
        sample.content[key] += rubbish
    sample.content["annotations"][0]["segments_info"] += [
        *rubbish,
        {"id": "a", "category_id": None},
        {"id": [], "category_id": {}},
        {"id": 5, "category_id": [], "iscrowd": "no", "area": {}, "bbox": 4, "isthing": []},
    ]
    sample.content["images"][1] |= {"height": "tall", "width": None}
    sample.content["annotations"][1]["file_name"] = "../../" * 9 + "etc"
    sample.save()
    log = check_splits(find_splits(sample.root)).log
    assert log.by_rule["segment-malformed"] == len(rubbish)
    assert {"category-malformed", "image-malformed", "annotation-malformed", "segment-id"} <= set(log.by_rule)
    assert log.by_rule["category-unknown"] == 1


@pytest.mark.realdata
def test_real_sets_are_clean(real_data: Path) -> None:
    roots = [path for path in sorted(real_data.iterdir()) if path.is_dir()]
    assert roots
    for root in roots:
        log = check_splits(find_splits(root)).log
        assert not log.fails(strict=True), [(one.rule.name, one.place(), one.what) for one in log.kept]
        assert set(log.by_rule) <= {"class-unseen"}  # few images, many classes


@pytest.mark.realdata
def test_the_official_conversion_of_real_files_is_clean(real_data: Path, tmp_path: Path) -> None:
    script = pytest.importorskip("cityscapesscripts.preparation.createPanopticImgs")
    source = real_data / "cityscapes_mini"
    shutil.copytree(source / "gtFine", tmp_path / "gtFine")
    (tmp_path / "leftImg8bit").symlink_to(source / "leftImg8bit")
    folder = str(tmp_path / "gtFine")
    script.convert2panoptic(cityscapesPath=folder, outputFolder=folder, setNames=["val", "train"])
    checkup = check_splits(find_splits(tmp_path))
    assert [split.name for split in checkup.splits] == ["val", "val-panoptic", "train", "train-panoptic"]
    assert set(checkup.log.by_rule) <= {"class-unseen"}
    val, converted, *_ = checkup.splits
    assert val.num_segments == converted.num_segments
