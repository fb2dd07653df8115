"""What is written: names, ids and bytes, by hand; and what is refused."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from panoptic_core.categories import CITYSCAPES
from panoptic_core.cli.submit import main
from panoptic_core.files import (
    PanopticFileError,
    PanopticWriter,
    decode_panoptic_png,
    read_panoptic_png,
    read_segmentation,
)
from panoptic_core.submission import SERVERS, check_submission, write_submission
from panoptic_core.testing import tiny_scene

from .conftest import COCO_ZIP, Made


def test_names_and_ids_by_hand(coco: Made) -> None:
    with zipfile.ZipFile(coco.zip) as archive:
        assert archive.namelist() == [
            "panoptic_test-dev2017_ours_results.json",
            "panoptic_test-dev2017_ours_results/000000000139.png",
            "panoptic_test-dev2017_ours_results/000000000285.png",
            "panoptic_test-dev2017_ours_results/000000000632.png",
        ]
    first = coco.entries[0]
    assert (first["image_id"], first["file_name"]) == (139, "000000000139.png")
    assert [set(segment) for segment in first["segments_info"]] == [{"id", "category_id"}] * 4
    # In the order of the scene: COCO's first stuff classes, 92 and 93, then two of label 1, bicycle.
    assert [segment["category_id"] for segment in first["segments_info"]] == [92, 93, 2, 2]
    ids = decode_panoptic_png(coco.files[coco.pngs[0]], "a")
    assert (ids == read_panoptic_png(coco.root / "pred" / "000000000139.png")).all()


def test_cityscapes_and_vistas_by_hand(make: Callable[[str], Made], tmp_path: Path) -> None:
    made = make("cityscapes")
    with zipfile.ZipFile(made.zip) as archive:
        names = archive.namelist()
    assert names[:2] == ["cityscapes_panoptic_test.json", "cityscapes_panoptic_test/berlin_000000_000019.png"]
    (tmp_path / "vistas").mkdir()
    made = Made(tmp_path / "vistas", "vistas")
    with zipfile.ZipFile(made.zip) as archive:
        assert archive.namelist()[:2] == ["ours.json", "ours/-bcDEf012345.png"]


def test_the_same_bytes_every_time(coco: Made) -> None:
    before = coco.zip.read_bytes()
    write_submission("coco", [coco.root / "pred.json"], coco.zip, workers=3)
    assert coco.zip.read_bytes() == before


@pytest.mark.parametrize(
    ("server", "given", "expected"),
    [
        ("coco", "000000000139", 139),
        ("coco", "000000000139.jpg", 139),
        ("coco", "139a", None),
        ("cityscapes", "berlin/berlin_000000_000019_leftImg8bit.png", "berlin_000000_000019"),
        ("cityscapes", "bad-honnef_000000_000000_gtFine", "bad-honnef_000000_000000"),
        ("cityscapes", "berlin_0_19", None),
        ("cityscapes", 7, None),
        ("vistas", "images/-bcDE.jpg", "-bcDE"),
    ],
)
def test_image_ids(server: str, given: object, expected: object) -> None:
    assert SERVERS[server].read_id(given) == expected
    assert not SERVERS[server].is_id(given) or given == expected
    assert not SERVERS["coco"].is_id(True)


def _as_predicted(root: Path) -> Path:
    """Write a JSON and a PNG an image beside each other, called as photographs of Cityscapes."""
    scene = tiny_scene(1024, 2048)
    seg = scene.segmentation.select(~scene.segmentation.iscrowd)
    for name in ("berlin/berlin_000000_000019_leftImg8bit", "bonn/bonn_000000_000019_leftImg8bit"):
        path = root / f"{name}.json"
        with PanopticWriter(path, path.parent, table=scene.table) as writer:
            writer.add(path.stem, f"{path.stem}_panoptic.png", seg)
    return root


def test_a_folder_of_predictions(tmp_path: Path) -> None:
    report = write_submission("cityscapes", [_as_predicted(tmp_path / "predicted")], tmp_path / "c.zip")
    assert [one.rule for one in report.findings] == ["image-count"]
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:
        content = json.loads(archive.read("cityscapes_panoptic_test.json"))
    assert [entry["image_id"] for entry in content["annotations"]] == [
        "berlin_000000_000019",
        "bonn_000000_000019",
    ]


def test_train_ids_become_ids(tmp_path: Path) -> None:
    root = _as_predicted(tmp_path / "predicted")
    for path in root.rglob("*.json"):
        content = json.loads(path.read_text())
        for segment in content["annotations"][0]["segments_info"]:
            # The official train ids: road 0, building 2, sky 10, person 11, car 13.
            segment["category_id"] = {7: 0, 11: 2, 23: 10, 24: 11, 26: 13}[segment["category_id"]]
        del content["categories"]
        path.write_text(json.dumps(content))
    out = tmp_path / "c.zip"
    refused = write_submission("cityscapes", [root], out)
    assert "train-ids" in {one.rule for one in refused.errors}
    assert not list(tmp_path.glob("*.zip*"))
    assert not write_submission("cityscapes", [root], out, train_ids=True).errors
    with zipfile.ZipFile(out) as archive:
        content = json.loads(archive.read("cityscapes_panoptic_test.json"))
    used = {segment["category_id"] for segment in content["annotations"][0]["segments_info"]}
    assert used == {7, 11, 23, 24, 26}
    assert SERVERS["cityscapes"].order[:2] == (7, 8)
    assert set(SERVERS["cityscapes"].order) == set(CITYSCAPES.category_ids)
    with pytest.raises(PanopticFileError, match=r"a train id in \[0, 19\), got 23. Leave --train-ids out"):
        write_submission("cityscapes", [_as_predicted(tmp_path / "right")], out, train_ids=True)


def test_an_old_zip_stays_when_a_new_one_is_refused(coco: Made) -> None:
    before = coco.zip.read_bytes()
    content = json.loads((coco.root / "pred.json").read_text())
    content["annotations"][0]["segments_info"][0]["category_id"] = 999
    (coco.root / "pred.json").write_text(json.dumps(content))
    report = write_submission("coco", [coco.root / "pred.json"], coco.zip)
    assert [one.rule for one in report.errors] == ["unknown-category"]
    assert coco.zip.read_bytes() == before
    assert not [path for path in coco.root.iterdir() if path.name.startswith(".")]


def test_classes_of_another_set_are_refused(coco: Made) -> None:
    with pytest.raises(PanopticFileError, match=r"the categories of Mapillary Vistas.*, got .*'car'"):
        write_submission("vistas", [coco.root / "pred.json"], coco.root / "a.zip")
    content = json.loads((coco.root / "pred.json").read_text())
    content["categories"] = [{"id": 1, "name": "person"}, {"id": 92, "name": "banner", "isthing": 1}]
    (coco.root / "pred.json").write_text(json.dumps(content))
    with pytest.raises(PanopticFileError, match=r"got .*'banner', 'isthing': 1.*none of them"):
        write_submission("coco", [coco.root / "pred.json"], coco.zip)


def test_real_cityscapes(
    annotations: Callable[[str, str], tuple[Path, Path]], data_root: Path, tmp_path: Path
) -> None:
    """Real maps without their crowds pass, with the images' own folder as the list."""
    source, folder = annotations("cityscapes_mini", "val")
    table, content = CITYSCAPES, json.loads(source.read_text())
    with PanopticWriter(tmp_path / "pred.json", table=table) as writer:
        for row in content["annotations"]:
            seg = read_segmentation(folder / row["file_name"], row["segments_info"], table)
            writer.add(row["image_id"], row["file_name"], seg.select(~seg.iscrowd))
    images = data_root / "cityscapes_mini" / "leftImg8bit" / "val"
    report = write_submission(
        "cityscapes", [tmp_path / "pred.json"], tmp_path / "v.zip", split="val", images=images
    )
    assert not report.findings, report.to_text()
    assert report.num_images == len(content["annotations"]) > 0


def test_ground_truth_is_refused(tmp_path: Path) -> None:
    scene = tiny_scene(1024, 2048)  # it has a crowd
    with PanopticWriter(tmp_path / "gt.json", table=scene.table) as writer:
        writer.add("berlin_000000_000019", "a.png", scene.segmentation)
    report = write_submission("cityscapes", [tmp_path / "gt.json"], tmp_path / "a.zip")
    assert [one.rule for one in report.errors] == ["crowd"]


def test_refusals(coco: Made) -> None:
    pred = coco.root / "pred.json"
    with pytest.raises(ValueError, match=r"`out` to be called panoptic_\[val2017, .*got a\.zip"):
        write_submission("coco", [pred], coco.root / "a.zip")
    with pytest.raises(ValueError, match=r"`out` to be called FILE\.zip for vistas, got a\.tar"):
        write_submission("vistas", [pred], coco.root / "a.tar")
    with pytest.raises(FileNotFoundError, match=r"Expected the folder .*gone for the zip"):
        write_submission("vistas", [pred], coco.root / "gone" / "a.zip")
    with pytest.raises(PanopticFileError, match=r"image 139 in .*pred\.json and in .*pred\.json"):
        write_submission("coco", [pred, pred], coco.zip)
    with pytest.raises(PanopticFileError, match=r"an image id of cityscapes .*, got 139 with file"):
        write_submission("cityscapes", [_without_categories(pred)], coco.root / "a.zip")
    with pytest.raises(FileNotFoundError, match=r"panoptic PNG .*000000000139\.png of image 139"):
        write_submission("coco", [pred], coco.zip, folder=coco.root)
    with pytest.raises(PanopticFileError, match=r"a list `annotations`"):
        write_submission("coco", [coco.images], coco.zip)


def _without_categories(path: Path) -> Path:
    content = json.loads(path.read_text())
    del content["categories"]
    path.write_text(json.dumps(content))
    return path


def test_the_command(coco: Made, capsys: pytest.CaptureFixture[str]) -> None:
    pred, images = str(coco.root / "pred.json"), ["--images", str(coco.images), "--quiet"]
    out = coco.root / "again" / COCO_ZIP
    out.parent.mkdir()
    assert main(["coco", pred, "--out", str(out), *images]) == 0
    assert f"0 errors, 0 warnings\nWritten: {out}" in capsys.readouterr().out
    assert main(["check", str(out), *images]) == 0
    assert main(["check", str(out), "--quiet"]) == 0  # the number of images is a warning
    assert main(["check", str(out), "--quiet", "--strict", "--json", str(coco.root / "r.json")]) == 1
    assert json.loads((coco.root / "r.json").read_text())["findings"][0]["rule"] == "image-count"
    coco.files.pop(coco.pngs[0])
    capsys.readouterr()
    assert main(["check", str(coco.pack()), *images]) == 1
    assert "error png-missing (1 times)" in capsys.readouterr().out
    assert main(["coco", pred, "--out", str(coco.root / "wrong.zip")]) == 1
    assert capsys.readouterr().err.startswith("panoptic-submit: error: Expected `out` to be called panoptic_")
    (coco.root / "pred" / "000000000139.png").write_bytes(b"")
    assert main(["coco", pred, "--out", str(out), *images]) == 1
    assert "Not written: cure the errors first." in capsys.readouterr().out
    assert not check_submission(out, images=coco.images).findings  # the earlier one is still there
    for wrong in ([], ["check"], ["coco", pred], ["kitti", pred, "--out", "a.zip"]):
        with pytest.raises(SystemExit) as status:
            main(wrong)
        assert status.value.code == 2


def test_cityscapes_own_program_reads_it(
    make: Callable[[str], Made], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The evaluation that the server runs (cityscapesScripts) finds the zip's files perfect."""
    evaluation = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
    made = make("cityscapes")
    with zipfile.ZipFile(made.zip) as archive:
        archive.extractall(tmp_path / "unpacked")
    truth = json.loads((made.root / "pred.json").read_text())
    found = json.loads((tmp_path / "unpacked" / "cityscapes_panoptic_test.json").read_text())
    pairs = list(zip(truth["annotations"], found["annotations"], strict=True))
    categories = {row["id"]: row for row in truth["categories"]}
    folders = str(made.root / "pred"), str(tmp_path / "unpacked" / "cityscapes_panoptic_test")
    counts = evaluation.pq_compute_single_core(0, pairs, *folders, categories)
    result, _ = counts.pq_average(categories, isthing=None)
    capsys.readouterr()
    assert (result["pq"], result["n"]) == (1.0, 3)
