"""Files: same seed, same bytes; what JSON and PNG say is the same; nothing is overwritten by accident."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from panoptic_core.files import read_panoptic_json, read_panoptic_png
from panoptic_data.generator import GENERATED_SCENES, GENERATOR_VERSION, SceneSettings, write_scenes
from panoptic_data.generator.writer import find_damage


def _hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of six scenes, some with crowds and worn objects."""
    settings = SceneSettings(crowd=0.6)
    return write_scenes(tmp_path_factory.mktemp("scenes") / "out", 6, "96x128", 2, settings)


def test_the_layout(root: Path) -> None:
    names = [f"{index:06d}.png" for index in range(6)]
    assert sorted(path.name for path in root.iterdir()) == [
        "images", "instances.json", "manifest.json", "panoptic", "panoptic.json",
    ]  # fmt: skip
    assert sorted(path.name for path in (root / "images").iterdir()) == names
    assert sorted(path.name for path in (root / "panoptic").iterdir()) == names
    assert not list(root.parent.glob(".*.tmp"))


def test_the_same_bytes_in_another_process(root: Path, tmp_path: Path) -> None:
    words = [
        "generate",
        str(tmp_path / "out"),
        "--images",
        "6",
        "--size",
        "96x128",
        "--seed",
        "2",
        "--set",
        "crowd=0.6",
    ]
    code = "import sys; from panoptic_data.cli import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run(
        [sys.executable, "-c", code, *words], check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    assert _hashes(tmp_path / "out") == _hashes(root)


def test_the_same_bytes_from_several_processes(root: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    done: list[int] = []
    settings = SceneSettings(crowd=0.6)
    drawn = write_scenes(
        tmp_path / "out",
        6,
        "96x128",
        2,
        settings,
        workers=3,
        progress=lambda number: done.append(os.getpid()),
    )
    assert _hashes(drawn) == _hashes(root)
    assert done == [os.getpid()] * 6  # it is this process that reports
    after = torch.rand(())
    torch.manual_seed(0)
    assert torch.rand(()) == after, "whether scenes were cached must not change what is drawn afterwards"


def test_an_error_in_a_worker_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(index: int, *_: object) -> None:
        raise MemoryError(f"scene {index}")

    monkeypatch.setattr("panoptic_data.generator.records.make_scene", fail)
    with pytest.raises(MemoryError, match="scene 0"):
        write_scenes(tmp_path / "out", 4, 32, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_rejects_a_negative_number_of_workers(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`workers` to be 0 or more, got -1"):
        write_scenes(tmp_path / "out", 1, 32, workers=-1)


def _write_as_a_worker(out: Path) -> None:
    write_scenes(out, 2, 32, workers=2)


def test_a_worker_draws_alone(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=_write_as_a_worker, args=(tmp_path / "out",), daemon=True
    )
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert find_damage(tmp_path / "out") is None


def test_an_image_does_not_depend_on_how_many_there_are(root: Path, tmp_path: Path) -> None:
    fewer = _hashes(write_scenes(tmp_path / "out", 2, "96x128", 2, SceneSettings(crowd=0.6)))
    more = _hashes(root)
    pngs = [name for name in fewer if name.endswith(".png")]
    assert len(pngs) == 4
    assert all(fewer[name] == more[name] for name in pngs)
    few = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    many = json.loads((root / "panoptic.json").read_text())
    assert few["annotations"] == many["annotations"][:2]


def test_areas_and_boxes_are_those_of_the_png(root: Path) -> None:
    content = read_panoptic_json(root / "panoptic.json")
    assert content.table.names == GENERATED_SCENES.names
    for annotation, image in zip(content.annotations, content.images, strict=True):
        ids = read_panoptic_png(root / "panoptic" / annotation["file_name"])
        assert ids.shape == (image["height"], image["width"]) == (96, 128)
        assert Image.open(root / "images" / image["file_name"]).size == (128, 96)
        listed = {segment["id"]: segment for segment in annotation["segments_info"]}
        assert set(np.unique(ids).tolist()) - {0} == set(listed)
        for segment_id, segment in listed.items():
            rows, columns = np.nonzero(ids == segment_id)
            x, y = columns.min(), rows.min()
            assert segment["area"] == len(rows)
            assert segment["bbox"] == [x, y, columns.max() - x + 1, rows.max() - y + 1]


def test_instances_join_the_segments_by_id(root: Path) -> None:
    panoptic = json.loads((root / "panoptic.json").read_text())
    instances = json.loads((root / "instances.json").read_text())
    things = {category["id"] for category in instances["categories"]}
    assert things == set(GENERATED_SCENES.category_ids[: GENERATED_SCENES.num_things])
    segments = {
        (annotation["image_id"], segment["id"]): segment
        for annotation in panoptic["annotations"]
        for segment in annotation["segments_info"]
        if segment["category_id"] in things
    }
    assert {(one["image_id"], one["id"]) for one in instances["annotations"]} == set(segments)
    assert len({one["id"] for one in instances["annotations"]}) == len(segments), "ids are unique in the file"
    worn = crowds = 0
    for one in instances["annotations"]:
        segment = segments[one["image_id"], one["id"]]
        assert (one["category_id"], one["iscrowd"]) == (segment["category_id"], segment["iscrowd"])
        mask = coco_mask.decode(one["segmentation"]).astype(bool)
        ids = read_panoptic_png(root / "panoptic" / f"{one['image_id'] - 1:06d}.png")
        visible = ids == one["id"]
        assert one["area"] == mask.sum()
        assert one["bbox"] == coco_mask.toBbox(one["segmentation"]).tolist()
        assert not (visible & ~mask).any()
        mine = [other["id"] for other in instances["annotations"] if other.get("worn_by") == one["id"]]
        assert set(np.unique(ids[mask & ~visible]).tolist()) <= set(mine)
        worn += bool(mine)
        crowds += one["iscrowd"]
    assert worn > 0
    assert crowds > 0


def test_pycocotools_reads_the_instances(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = COCO(str(root / "instances.json"))
    assert len(coco.getImgIds()) == 6
    assert all(coco.annToMask(one).sum() == one["area"] for one in coco.anns.values())


def test_the_json_says_how_it_was_made(root: Path) -> None:
    info = json.loads((root / "panoptic.json").read_text())["info"]
    assert info["generator_version"] == GENERATOR_VERSION
    assert (info["size"], info["seed"], info["settings"]["crowd"]) == ([96, 128], 2, 0.6)


def test_refuses_to_mix_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(
        FileExistsError, match=r"new or empty, got a folder or file with content.*--overwrite"
    ):
        write_scenes(tmp_path, 1, 32)
    with pytest.raises(FileExistsError, match=r"the generator wrote, got one without manifest.json"):
        write_scenes(tmp_path, 1, 32, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_overwrites_its_own_folder_when_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    first = _hashes(write_scenes(out, 1, 32, 0))  # an empty folder is fine
    with pytest.raises(FileExistsError, match="Choose another, or pass --overwrite"):
        write_scenes(out, 1, 32, 1)
    assert _hashes(out) == first
    assert _hashes(write_scenes(out, 1, 32, 1, overwrite=True)) != first


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "out", 2, 32, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [0, -1, 65_537])
def test_rejects_numbers_of_images(number: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"`num_images` in \[1, 65536\], got {number}"):
        write_scenes(tmp_path / "out", number, 32)


def test_damage_is_described(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "out", 1, 32)
    assert find_damage(root) is None
    assert find_damage(root, {"seed": 1}) == "manifest.json describes other scenes"
    picture = root / "images" / "000000.png"
    content = picture.read_bytes()
    picture.write_bytes(content[:-3])
    assert find_damage(root) == f"images/000000.png has {len(content) - 3} bytes, not {len(content)}"
    picture.unlink()
    assert find_damage(root) == "images/000000.png is missing"
    (root / "manifest.json").write_text("{")
    assert "manifest.json cannot be read" in (find_damage(root) or "")
