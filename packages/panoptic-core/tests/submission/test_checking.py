"""One fault a test: the check finds it, and nothing else."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_core.files import PanopticFileError, decode_panoptic_png
from panoptic_core.submission import RULES, SERVERS, Report, check_submission

from .conftest import COCO_ZIP, IMAGE_IDS, Made


def rules_of(report: Report) -> list[str]:
    return [finding.rule for finding in report.findings]


def check(made: Made, **kwargs: object) -> Report:
    return check_submission(made.zip, server=made.server, images=made.images, workers=1, **kwargs)  # type: ignore[arg-type]


def png(ids: np.ndarray, mode: str = "RGB") -> bytes:
    raw = np.ascontiguousarray(ids, dtype="<u4").view(np.uint8).reshape(*ids.shape, 4)[..., :3]
    buffer = io.BytesIO()
    Image.fromarray(raw).convert(mode).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("server", list(SERVERS))
def test_a_good_zip_has_no_finding(make: Callable[[str], Made], server: str) -> None:
    made = make(server)
    report = check(made)
    assert (report.findings, report.num_images, report.server) == ((), 3, server)
    assert report.to_text().endswith("0 errors, 0 warnings")
    guessed = check_submission(made.zip)  # without the images only their number can be judged
    assert guessed.server == server
    assert rules_of(guessed) == ["image-count"]
    assert "say --images" in guessed.to_text()


# Each makes one fault; what is expected, and a part of what the finding says.
FAULTS: dict[str, tuple[Callable[[Made], object], str]] = {
    "zip-name": (lambda m: m.pack() and _rename(m, "results.zip"), "expected the name panoptic_"),
    "json-missing": (lambda m: m.pack(json_name="read.me"), "but no JSON"),
    "json-several": (lambda m: m.files.update({"old.json": b"{}"}), "expected one JSON, got 2"),
    "json-name": (lambda m: m.pack(json_name="panoptic.json"), "expected panoptic_test-dev2017_ours"),
    "nested": (lambda m: _nest(m), "expected it at the top"),
    "png-folder": (lambda m: _move_pngs(m, "predictions/"), "holds the PNGs, expected them in"),
    "unsafe-path": (lambda m: m.files.update({"../up.txt": b""}), "no plain path"),
    "duplicate-entry": (lambda m: _twice(m), "is 2 times in the zip"),
    "stray-file": (lambda m: m.files.update({"__MACOSX/._a.png": b""}), "operating system"),
    "json-unreadable": (lambda m: m.pack(content=b"{"), "cannot be parsed"),
    "annotation": (lambda m: m.entries[0].pop("segments_info"), "expected `segments_info`, got None"),
    "image-id": (lambda m: m.entries[2].update(image_id="632"), "a whole number, such as 139, got '632'"),
    "duplicate-image": (lambda m: m.entries[2].update(image_id=139), "image_id 139 has 2 entries"),
    "missing-image": (lambda m: _drop(m), "image 632 has no prediction"),
    "unknown-image": (lambda m: _add(m), "image 7 is not among the images"),
    "file-name": (lambda m: _set_file(m, "deep/632.png"), "expected the name of a PNG, got 'deep/632.png'"),
    "duplicate-file": (lambda m: _share(m), "has 2 entries"),
    "segment": (lambda m: _segment(m).update(category_id="92"), "expected id and category_id, got {"),
    "segment-id": (
        lambda m: _segments(m).append({"id": 0, "category_id": 1}),
        "expected an id in [1, 16777215]",
    ),
    "duplicate-segment": (lambda m: _segments(m).append(_segments(m)[2]), "is listed 2 times"),
    "crowd": (lambda m: _segments(m)[2].update(iscrowd=1), "has iscrowd 1"),
    "unknown-category": (lambda m: _segment(m).update(category_id=999), "999: no category of COCO panoptic"),
    "png-missing": (lambda m: m.files.pop(m.pngs[1]), "is not in the zip"),
    "png-unreadable": (lambda m: _edit_png(m, lambda ids: png(ids, "P")), "palette image"),
    "size": (lambda m: _edit_png(m, lambda ids: png(ids.repeat(2, axis=0))), "48 x 32 pixels, got 48 x 64"),
    "id-not-listed": (lambda m: _segments(m).pop(), "1 segment ids ("),
    "id-not-in-png": (lambda m: _segments(m).append({"id": 12345, "category_id": 1}), "own no pixel"),
    "channel-order": (lambda m: _edit_png(m, _bgr), "red and blue exchanged"),
    "stuff-split": (lambda m: _split_stuff(m), "(stuff) has 2 segments"),
    "nothing-predicted": (lambda m: _empty(m), "`segments_info` is empty"),
}


@pytest.mark.parametrize("rule", list(FAULTS))
def test_one_fault(coco: Made, rule: str) -> None:
    plant, says = FAULTS[rule]
    before = coco.zip.stat().st_mtime_ns
    plant(coco)
    if coco.zip.stat().st_mtime_ns == before:
        coco.pack()
    report = check(coco)
    extra = {
        "image-id": ["missing-image"],
        "duplicate-image": ["missing-image"],
        "duplicate-file": ["stray-file"],
        "segment-id": ["id-not-in-png"],
    }.get(rule, [])
    assert sorted(set(rules_of(report))) == sorted({rule, *extra}), report.to_text()
    finding = next(one for one in report.findings if one.rule == rule)
    assert says in finding.what
    assert finding.where
    assert finding.why
    assert finding.cure
    assert f"{RULES[rule].severity} {rule}" in report.to_text()


def test_not_a_zip_and_a_broken_entry(coco: Made) -> None:
    data = coco.zip.read_bytes()
    coco.zip.write_bytes(data[: len(data) // 2])
    assert rules_of(check(coco)) == ["not-a-zip"]
    begin = data.index(b"\x89PNG")
    coco.zip.write_bytes(data[: begin + 60] + struct.pack("B", data[begin + 60] ^ 255) + data[begin + 61 :])
    assert rules_of(check(coco)) == ["broken-entry"]


@pytest.mark.parametrize("name", [".", "/up.txt", "a/../up.txt"])
def test_a_name_that_is_no_place_in_the_zip(coco: Made, name: str) -> None:
    coco.files[name] = b""
    coco.pack()
    assert rules_of(check(coco)) == ["unsafe-path"]


def test_a_wrong_name_everywhere(coco: Made) -> None:
    coco.files = {name.replace(coco.stem, "mine"): data for name, data in coco.files.items()}
    coco.pack(json_name="mine.json")
    _rename(coco, "mine.zip")
    assert rules_of(check(coco)) == ["zip-name", "json-name"]


def test_no_images(coco: Made) -> None:
    coco.pack(content={"annotations": [], "info": 0})
    report = check_submission(coco.zip)
    assert set(rules_of(report)) == {"no-images", "stray-file"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_json_that_is_not_plain_utf_8(coco: Made, encoding: str) -> None:
    coco.pack(content=json.dumps({"annotations": coco.entries}).encode(encoding))
    assert rules_of(check(coco)) == ["json-unreadable"]  # json.load(open(...)) of the servers stops


def test_a_json_with_a_suffix_in_capitals(coco: Made) -> None:
    coco.pack(json_name=f"{coco.stem}.JSON")
    report = check(coco)
    assert rules_of(report) == ["json-name"]
    assert "expected the suffix .json, in small letters" in report.findings[0].what


def test_a_json_in_a_folder_beside_the_right_one_is_a_stray(coco: Made) -> None:
    coco.files["notes/config.json"] = b"{}"
    coco.pack()
    assert rules_of(check(coco)) == ["stray-file"]


def test_values_that_are_no_ids_and_names(coco: Made) -> None:
    coco.entries[0]["image_id"] = [139]
    coco.entries[1]["file_name"] = ["000000000285.png"]
    coco.pack()
    report = check(coco)
    assert sorted(rules_of(report)) == ["annotation", "annotation", "missing-image", "stray-file"]


def test_missing_images_come_in_order(coco: Made) -> None:
    coco.pack(content={"annotations": [], "info": 0})
    missing = [one.what for one in check(coco).findings if one.rule == "missing-image"]
    assert missing == [f"image {image_id} has no prediction" for image_id in (139, 285, 632)]


def test_a_bare_list(coco: Made) -> None:
    coco.pack(content=coco.entries)
    report = check(coco)
    assert rules_of(report) == ["json-unreadable"]
    assert "{'annotations': [...]}" in report.findings[0].cure


@pytest.mark.parametrize("server", list(SERVERS))
def test_train_ids_are_recognised(make: Callable[[str], Made], server: str) -> None:
    made = make(server)
    order = SERVERS[server].order
    for entry in made.entries:
        for segment in entry["segments_info"]:
            segment["category_id"] = order.index(segment["category_id"])
    made.entries[0]["segments_info"][0]["category_id"] = (
        0  # road in Cityscapes, Bird in Vistas: no id anywhere
    )
    made.pack()
    report = check(made)
    assert set(rules_of(report)) - {"stuff-split"} == {"train-ids"}
    assert "--train-ids" in report.findings[0].cure


def test_cityscapes_has_one_size(make: Callable[[str], Made]) -> None:
    made = make("cityscapes")
    made.files[made.pngs[0]] = png(np.zeros((512, 1024), np.uint32))
    made.entries[0]["segments_info"] = []
    made.pack()
    report = check_submission(made.zip)
    assert rules_of(report) == ["image-count", "nothing-predicted", "size"]
    assert "expected 2048 x 1024 pixels, got 1024 x 512" in report.findings[2].what


def test_images_of_a_folder(make: Callable[[str], Made], tmp_path: Path) -> None:
    made = make("vistas")
    for image_id in IMAGE_IDS["vistas"]:
        path = tmp_path / "testing" / "images" / f"{image_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (56, 40)).save(path)
    assert not check_submission(made.zip, images=tmp_path / "testing").findings
    Image.new("RGB", (56, 41)).save(path)
    assert rules_of(check_submission(made.zip, images=tmp_path / "testing")) == ["size"]
    with pytest.raises(FileNotFoundError, match=r"Expected images \(.*\) in the folder"):
        check_submission(made.zip, images=_folder(tmp_path / "empty"))
    with pytest.raises(PanopticFileError, match=r"expected an image id of cityscapes .*, got '-bcDEf012345'"):
        check_submission(made.zip, server="cityscapes", images=made.images)


def test_all_faults_of_a_file_are_seen_at_once(coco: Made) -> None:
    coco.files.pop(coco.pngs[0])
    coco.entries[1]["segments_info"][0]["category_id"] = 999
    coco.entries[2]["image_id"] = "632"
    coco.pack()
    for workers in (1, 3):
        report = check_submission(coco.zip, workers=workers, images=coco.images)
        assert sorted(rules_of(report)) == ["image-id", "missing-image", "png-missing", "unknown-category"]
    assert json.loads(json.dumps(report.to_dict()))["num_errors"] == 4


def test_a_long_report_is_short(coco: Made) -> None:
    for entry in coco.entries:
        for segment in entry["segments_info"]:
            segment["category_id"] = 999
    coco.pack()
    assert "... and 2 more" in check(coco).to_text(most=1)


def test_errors(tmp_path: Path, coco: Made) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a zip at .*gone\.zip"):
        check_submission(tmp_path / "gone.zip")
    with pytest.raises(ValueError, match=r"`server` to be one of coco, cityscapes, vistas, got 'kitti'"):
        check_submission(coco.zip, server="kitti")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "")
    with pytest.raises(PanopticFileError, match="do not say which server"):
        check_submission(tmp_path / "a.zip")


def test_every_rule_has_a_test() -> None:
    elsewhere = {"not-a-zip", "broken-entry", "no-images", "train-ids", "image-count"}
    assert set(FAULTS) | elsewhere == set(RULES)


def _rename(made: Made, name: str) -> None:
    made.zip = made.zip.rename(made.zip.with_name(name))


def _nest(made: Made) -> None:
    made.files = {f"upload/{name}": data for name, data in made.files.items()}
    made.pack(json_name=f"upload/{made.stem}.json")


def _move_pngs(made: Made, folder: str) -> None:
    made.files = {folder + name.rpartition("/")[2]: data for name, data in made.files.items()}
    made.pack()


def _twice(made: Made) -> None:
    made.pack()
    with zipfile.ZipFile(made.zip, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(made.pngs[0], made.files[made.pngs[0]])


def _segments(made: Made) -> list[dict[str, object]]:
    return made.entries[0]["segments_info"]


def _segment(made: Made) -> dict[str, object]:
    return _segments(made)[0]


def _set_file(made: Made, name: str) -> None:
    made.files[f"{made.stem}/{name}"] = made.files.pop(made.pngs[2])
    made.entries[2]["file_name"] = name


def _share(made: Made) -> None:
    made.entries[2]["file_name"] = made.entries[1]["file_name"]


def _drop(made: Made) -> None:
    made.files.pop(made.pngs[2])
    made.entries.pop()
    made.pack()


def _add(made: Made) -> None:
    made.files[f"{made.stem}/7.png"] = made.files[made.pngs[0]]
    made.entries.append(made.entries[0] | {"image_id": 7, "file_name": "7.png"})
    made.pack()


def _edit_png(made: Made, edit: Callable[[np.ndarray], bytes]) -> None:
    name = made.pngs[1]
    made.files[name] = edit(decode_panoptic_png(made.files[name], name))
    made.pack()


def _bgr(ids: np.ndarray) -> bytes:
    return png((ids & 255) << 16 | ids & 0xFF00 | ids >> 16)


def _split_stuff(made: Made) -> None:
    segments = made.entries[0]["segments_info"]
    segments[1]["category_id"] = segments[0]["category_id"]
    made.pack()


def _empty(made: Made) -> None:
    made.entries[0]["segments_info"] = []
    made.files[made.pngs[0]] = png(np.zeros((32, 48), np.uint32))
    made.pack()


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_the_name_of_the_upload_counts(coco: Made) -> None:
    other = coco.zip.rename(coco.zip.with_name("temporary"))
    assert not check_submission(other, server="coco", name=COCO_ZIP, images=coco.images).findings
