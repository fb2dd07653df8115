"""The common writer: parallel, atomic, resumable."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_core.categories import Category, CategoryTable
from panoptic_core.files import read_panoptic_json, read_panoptic_png
from panoptic_data.converting import Item, Plan, Segments, SplitPlan, convert
from panoptic_data.converting.state import FOLDER
from panoptic_data.datasets import CocoPanoptic

TABLE = CategoryTable("two", (Category(5, "cat", True, (200, 0, 0)), Category(9, "floor", False, (0, 80, 0))))


@dataclass(frozen=True)
class Reader:
    """Draws one cat on a floor; counts its calls in a file, may be slow, may fail."""

    calls: Path
    seconds: float = 0.0
    broken: tuple[str, ...] = ()

    def __call__(self, item: Item) -> Segments:
        with self.calls.open("a") as file:
            file.write(f"{item.image_id}\n")
        time.sleep(self.seconds)
        if item.image_id in self.broken:
            msg = f"{item.image}: bad polygon"
            raise ValueError(msg)
        rows = np.full((4, 6), 2)
        rows[0, 0] = 0
        rows[1:3, 2 : 3 + int(item.content) % 3] = 1
        return Segments.from_rows(rows, (5, 9), (False, False), TABLE)


def make_plan(root: Path, count: int = 6, **reader: object) -> Plan:
    (root / "photos").mkdir(exist_ok=True)
    items = []
    for i in range(count):
        path = root / "photos" / f"{i}.png"
        if not path.exists():
            Image.fromarray(np.full((4, 6, 3), i, dtype=np.uint8)).save(path)
        items.append(Item(f"im{i}", path, f"sub/{i}.png", f"sub/{i}.png", (), i))
    read = Reader(root / "calls", **reader)  # type: ignore[arg-type]
    return Plan("test", root / "photos", {"a": 1}, TABLE, read, (SplitPlan("train", items),))


def calls(root: Path) -> list[str]:
    path = root / "calls"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def snapshot(out: Path) -> dict[str, bytes]:
    """All files that a user reads: not the state."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != FOLDER
    }


def test_files_by_hand(tmp_path: Path) -> None:
    (outcome,) = convert(make_plan(tmp_path, 1), tmp_path / "out", workers=1)
    content = json.loads((tmp_path / "out/annotations/panoptic_train.json").read_text())
    assert content["images"] == [{"id": "im0", "file_name": "sub/0.png", "width": 6, "height": 4}]
    (annotation,) = content["annotations"]
    # 4 x 6 = 24 pixels: 1 void, the cat is 2 high and 1 wide at x = 2, y = 1, the floor has the other 21.
    cat, floor = 200, 80 * 256
    assert annotation == {
        "image_id": "im0",
        "file_name": "sub/0.png",
        "segments_info": [
            {"id": cat, "category_id": 5, "area": 2, "bbox": [2, 1, 1, 2], "iscrowd": 0},
            {"id": floor, "category_id": 9, "area": 21, "bbox": [0, 0, 6, 4], "iscrowd": 0},
        ],
    }
    assert content["categories"] == TABLE.to_json()
    ids = read_panoptic_png(tmp_path / "out/annotations/panoptic_train/sub/0.png")
    assert (ids[0, 0], ids[1, 2], ids[3, 3]) == (0, cat, floor)
    assert (outcome.num_images, outcome.num_kept, outcome.num_segments) == (1, 0, 2)
    assert outcome.void == 1 / 24


def test_the_result_is_a_data_set(tmp_path: Path) -> None:
    convert(make_plan(tmp_path), tmp_path / "out", workers=1)
    dataset = CocoPanoptic(
        str(tmp_path / "out"), "annotations/panoptic_train.json", {"img": "train"}, table="json"
    )
    assert len(dataset) == 6
    assert dataset.table.names == ("cat", "floor")


def test_bytes_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    convert(plan, tmp_path / "one", workers=1)
    convert(plan, tmp_path / "three", workers=3)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "three")


def test_a_second_run_does_nothing_again(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    convert(plan, tmp_path / "out", workers=1)
    first = snapshot(tmp_path / "out")
    assert len(calls(tmp_path)) == 6
    (outcome,) = convert(plan, tmp_path / "out", workers=2)
    assert calls(tmp_path) == []
    assert (outcome.num_images, outcome.num_kept) == (6, 6)
    assert snapshot(tmp_path / "out") == first


def test_only_what_changed_or_broke_is_made_again(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    convert(plan, tmp_path / "out", workers=1)
    first = snapshot(tmp_path / "out")
    calls(tmp_path)
    maps = tmp_path / "out/annotations/panoptic_train/sub"
    (maps / "1.png").unlink()
    data = bytearray((maps / "2.png").read_bytes())
    data[-20] ^= 1  # one bit, same size
    (maps / "2.png").write_bytes(data)
    os.utime(tmp_path / "photos/3.png", (1, 1))
    convert(plan, tmp_path / "out", workers=1)
    assert calls(tmp_path) == ["im1", "im2", "im3"]
    assert snapshot(tmp_path / "out") == first


def test_images_that_left_the_source_leave_the_result(tmp_path: Path) -> None:
    convert(make_plan(tmp_path, 4), tmp_path / "out", workers=1)
    convert(make_plan(tmp_path, 3), tmp_path / "out", workers=1)
    assert sorted(p.name for p in (tmp_path / "out/annotations/panoptic_train/sub").iterdir()) == [
        "0.png",
        "1.png",
        "2.png",
    ]
    assert not (tmp_path / "out/train/sub/3.png").is_symlink()


def test_bad_images_are_named_and_the_others_done(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, broken=("im1", "im4"))
    (tmp_path / "photos/2.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((5, 5, 3), dtype=np.uint8)).save(tmp_path / "photos/3.png")
    (outcome,) = convert(plan, tmp_path / "out", workers=2)
    assert [path.name for path, _ in outcome.failures] == ["1.png", "2.png", "3.png", "4.png"]
    reasons = [why for _, why in outcome.failures]
    assert "bad polygon" in reasons[0]
    assert "none could be recognised" in reasons[1]
    assert "size 5x5 (height x width), got 4x6" in reasons[2]
    found = read_panoptic_json(outcome.json_path)
    assert [image["id"] for image in found.images] == ["im0", "im5"]
    assert outcome.log.read_text().count("failed: ") == 4
    # Mended, only they are done again.
    calls(tmp_path)
    for name in ("2", "3"):
        Image.fromarray(np.zeros((4, 6, 3), dtype=np.uint8)).save(tmp_path / f"photos/{name}.png")
    (outcome,) = convert(make_plan(tmp_path), tmp_path / "out", workers=1)
    assert calls(tmp_path) == ["im1", "im2", "im3", "im4"]
    assert (outcome.num_images, outcome.failures) == (6, ())


def test_a_png_of_an_image_that_now_fails_goes(tmp_path: Path) -> None:
    convert(make_plan(tmp_path), tmp_path / "out", workers=1)
    (tmp_path / "photos/2.png").write_bytes(b"no image")
    convert(make_plan(tmp_path), tmp_path / "out", workers=1)
    assert not (tmp_path / "out/annotations/panoptic_train/sub/2.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": {"a": 2}}, r'options: \{"a": 1\} there, \{"a": 2\} now'),
        ({"source": Path("/elsewhere")}, r"source: .*photos there, /elsewhere now"),
        ({"format": "other"}, "format: test there, other now"),
    ],
)
def test_another_conversion_into_the_same_folder(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    plan = make_plan(tmp_path)
    convert(plan, tmp_path / "out", workers=1)
    before = snapshot(tmp_path / "out")
    other = replace(plan, **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        convert(other, tmp_path / "out", workers=1)
    assert snapshot(tmp_path / "out") == before
    calls(tmp_path)
    convert(other, tmp_path / "out", workers=1, restart=True)
    assert len(calls(tmp_path)) == 6


def test_foreign_files_are_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "out/annotations/panoptic_train.json"
    target.parent.mkdir(parents=True)
    target.write_text("mine")
    with pytest.raises(ValueError, match=r"no split 'train' yet.*--restart"):
        convert(make_plan(tmp_path), tmp_path / "out", workers=1)
    assert target.read_text() == "mine"


def test_other_photographs_are_not_overwritten(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 1)
    mine = tmp_path / "out/train/sub/0.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine, in another size")
    with pytest.raises(ValueError, match=r"got .*out/train/sub/0.png, which no conversion wrote"):
        convert(plan, tmp_path / "out", workers=1)
    assert mine.read_text() == "mine, in another size"
    convert(plan, tmp_path / "out", workers=1, images="none")
    assert mine.read_text() == "mine, in another size"


def test_splits_have_the_same_classes(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    convert(plan, tmp_path / "out", workers=1)
    table = CategoryTable("one", (Category(5, "dog", True, (200, 0, 0)), TABLE[1]))
    other = replace(plan, table=table, splits=(replace(plan.splits[0], name="val"),))
    with pytest.raises(ValueError, match=r"\['cat', 'floor'\] there, \['dog', 'floor'\] now"):
        convert(other, tmp_path / "out", workers=1)


@pytest.mark.parametrize("mode", ["link", "copy", "none"])
def test_photographs(tmp_path: Path, mode: str) -> None:
    convert(make_plan(tmp_path, 1), tmp_path / "out", workers=1, images=mode)  # type: ignore[arg-type]
    path = tmp_path / "out/train/sub/0.png"
    assert path.is_symlink() == (mode == "link")
    assert path.exists() == (mode != "none")
    if mode != "none":
        assert path.read_bytes() == (tmp_path / "photos/0.png").read_bytes()
    if mode == "link":
        assert not os.path.isabs(os.readlink(path))  # noqa: PTH115, PTH117


def test_copies_where_links_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    convert(make_plan(tmp_path, 1), tmp_path / "out", workers=1)
    path = tmp_path / "out/train/sub/0.png"
    assert path.is_file()
    assert not path.is_symlink()


def test_a_photograph_that_is_in_its_place_stays(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 1)
    (tmp_path / "train/sub").mkdir(parents=True)
    photo = tmp_path / "train/sub/0.png"
    (tmp_path / "photos/0.png").rename(photo)
    plan = replace(plan, splits=(SplitPlan("train", [replace(plan.splits[0].items[0], image=photo)]),))
    convert(plan, tmp_path, workers=1)
    assert photo.is_file()
    assert not photo.is_symlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": "im1"}, "its own image_id, got 'im1'"),
        ({"map_name": "sub/1.png"}, "its own map_name"),
        ({"image_name": "../0.png"}, "stay inside"),
        ({"image_name": "/0.png"}, "stay inside"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, change: dict[str, str], message: str) -> None:
    plan = make_plan(tmp_path, 2)
    items = [replace(plan.splits[0].items[0], **change), plan.splits[0].items[1]]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        convert(replace(plan, splits=(SplitPlan("train", items),)), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a"), "its own name, got a, a"),
        (("annotations",), "got 'annotations'"),
        (("../a",), "new folder"),
        (("",), "new folder"),
    ],
)
def test_splits_that_cannot_be(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    plan = make_plan(tmp_path, 1)
    splits = tuple(replace(plan.splits[0], name=name) for name in names)
    with pytest.raises(ValueError, match=message):
        convert(replace(plan, splits=splits), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_line_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    convert(plan, tmp_path / "out", workers=1)
    first = snapshot(tmp_path / "out")
    state = tmp_path / "out" / FOLDER / "train.jsonl"
    data = state.read_bytes()
    calls(tmp_path)
    state.write_bytes(data[:-30])
    convert(plan, tmp_path / "out", workers=1)
    assert calls(tmp_path) == ["im5"]
    assert (snapshot(tmp_path / "out"), state.read_bytes()) == (first, data)


RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_writer import make_plan
from panoptic_data.converting import convert
root = Path({root!r})
convert(make_plan(root, 24, seconds=0.15), root / "out", workers=2)
"""


def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    convert(make_plan(tmp_path / "reference", 24), tmp_path / "reference/out", workers=1)
    code = RUN.format(folder=str(Path(__file__).parent), root=str(tmp_path))
    state = tmp_path / "out" / FOLDER / "train.jsonl"
    for lines in (4, 8):  # the job and three images; the job and seven
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        end = time.monotonic() + 60
        while not state.exists() or state.read_bytes().count(b"\n") < lines:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)  # this process alone: its children must notice by themselves
        process.wait()
        assert not (tmp_path / "out/annotations/panoptic_train.json").exists()
        _wait_for_the_end_of_group(process.pid)
        for path in (tmp_path / "out/annotations/panoptic_train").rglob("*.png"):
            if not path.name.startswith("."):
                read_panoptic_png(path)  # whole
    finished = state.read_bytes().count(b"\n") - 1
    assert 7 <= finished < 24  # the kill came in the middle
    calls(tmp_path)
    (outcome,) = convert(make_plan(tmp_path, 24), tmp_path / "out", workers=2)
    assert outcome.num_kept == finished
    assert len(calls(tmp_path)) == 24 - finished
    assert snapshot(tmp_path / "out").keys() == snapshot(tmp_path / "reference/out").keys()
    for name, data in snapshot(tmp_path / "reference/out").items():
        assert (tmp_path / "out" / name).read_bytes() == data, name


def _wait_for_the_end_of_group(group: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("Processes of the killed run are still there.")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = tmp_path / "out" / FOLDER
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, (folder / "train.lock").open("w") as file:
        patch.setattr("panoptic_data.converting.state._PATIENCE", 0.0)
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="Another conversion writes to"):
            convert(make_plan(tmp_path), tmp_path / "out", workers=1)
