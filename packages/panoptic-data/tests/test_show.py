"""Drawing the ground truth of every layout."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_core.categories import CategoryTable
from panoptic_data.cli import main
from panoptic_data.generator import write_scenes
from panoptic_data.show import draw_truth, show_truth
from panoptic_data.splits import choose_split, find_splits
from panoptic_fusion import PanopticSegmentation

SEGMENTS = [
    {"id": 7, "category_id": 3, "iscrowd": 0},
    {"id": 9, "category_id": 2, "iscrowd": 0},
    {"id": 11, "category_id": 1, "iscrowd": 1},
]
ID_MAP = np.array([[9, 9, 9, 9], [9, 7, 7, 11], [0, 7, 7, 11]], np.int32)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds two generated splits."""
    root = tmp_path_factory.mktemp("scenes")
    write_scenes(root / "train", 2, 48, 0)
    write_scenes(root / "val", 3, 48, 1)
    return root


def _names(root: Path) -> list[str]:
    return [split.name for split in find_splits(root)]


def test_generated_folders(scenes: Path, tmp_path: Path) -> None:
    assert _names(scenes) == ["val", "train"]
    assert _names(scenes / "train") == ["train"]
    shown = list(show_truth(find_splits(scenes)[0], tmp_path / "out"))
    assert [path.name for path, _ in shown] == ["000000.png", "000001.png", "000002.png"]
    content = json.loads((scenes / "val" / "panoptic.json").read_text())
    for (path, truth), annotation in zip(shown, content["annotations"], strict=True):
        assert sorted(truth.areas.tolist()) == sorted(one["area"] for one in annotation["segments_info"])
        width, height = Image.open(path).size
        assert width >= 2 * 48
        assert height >= 48


def test_coco_layout(write_coco: Callable[..., Path], tmp_path: Path) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)] * 2)
    home = tmp_path / "home"
    for split in ("train2017", "val2017"):
        shutil.copytree(root / "images", home / split)
        shutil.copytree(root / "panoptic", home / "annotations" / f"panoptic_{split}")
        shutil.copy(root / "panoptic.json", home / "annotations" / f"panoptic_{split}.json")
    assert _names(home) == ["val2017", "train2017"]
    [(path, truth)] = show_truth(choose_split(find_splits(home), "train2017"), tmp_path / "out", limit=1)
    assert path == tmp_path / "out" / "0.png"
    assert sorted(truth.areas.tolist()) == [2, 4, 5]
    assert truth.iscrowd.sum() == 1


def test_coco_images_in_other_folders(write_coco: Callable[..., Path], tmp_path: Path) -> None:
    root = write_coco([(ID_MAP, SEGMENTS)])
    for folder in ("images/mine", "images"):
        home = tmp_path / folder.replace("/", "_")
        shutil.copytree(root / "images", home / folder)
        shutil.copytree(root / "panoptic", home / "annotations" / "panoptic_mine")
        shutil.copy(root / "panoptic.json", home / "annotations" / "panoptic_mine.json")
        assert len(list(show_truth(find_splits(home)[0], tmp_path / "out"))) == 1


def test_cityscapes_layout(tmp_path: Path) -> None:
    ids = np.array(
        [[23, 23, 23, 23], [7, 26001, 26001, 24], [0, 26001, 7, 24]], np.uint16
    )  # sky, road, car, persons
    for split in ("train", "test"):
        stem = f"{split}/ulm/ulm_000000_000019"
        for folder, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_instanceIds")):
            path = tmp_path / folder / f"{stem}_{suffix}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(ids if folder == "gtFine" else np.zeros((3, 4, 3), np.uint8)).save(path)
    assert _names(tmp_path) == ["train"]
    [(path, truth)] = show_truth(find_splits(tmp_path)[0], tmp_path / "out")
    assert path.name == "ulm_000000_000019_leftImg8bit.png"
    assert sorted(zip(truth.ids.tolist(), truth.areas.tolist(), strict=True)) == [
        (7, 2),
        (23, 4),
        (24, 2),
        (26001, 3),
    ]
    assert truth.iscrowd.sum() == 1  # persons that nobody could separate


def test_the_picture_holds_image_and_overlay(table: CategoryTable) -> None:
    image = np.full((60, 80, 3), 200, np.uint8)
    labels = np.zeros((60, 80), np.int32)
    labels[:30] = 1
    truth = PanopticSegmentation.from_id_map(labels, [1], [2], [False])
    picture = draw_truth(image, truth, table)
    factor = 6  # 480 / 80
    np.testing.assert_array_equal(
        picture[: 60 * factor, : 80 * factor], image.repeat(factor, 0).repeat(factor, 1)
    )
    right = picture[: 60 * factor, 80 * factor : 160 * factor].astype(int)
    assert np.abs(right[10, 10] - 200).max() > 20, "the sky is tinted"


def test_wide_pictures_are_stacked(table: CategoryTable) -> None:
    truth = PanopticSegmentation.from_id_map(np.ones((40, 400), np.int32), [1], [2], [False])
    picture = draw_truth(np.zeros((40, 400, 3), np.uint8), truth, table)
    assert picture.shape[1] == 2 * 400
    assert picture.shape[0] >= 2 * 80


def test_unknown_layouts_and_splits(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a data set at .*nowhere, got no such folder"):
        find_splits(tmp_path / "nowhere")
    (tmp_path / "stray.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"one of these layouts: panoptic.json .* holds stray.txt"):
        find_splits(tmp_path)
    with pytest.raises(ValueError, match="`split` to be one of val, train, got 'test'"):
        choose_split(find_splits(scenes), "test")
    with pytest.raises(ValueError, match="`limit` to be at least 1, got 0"):
        list(show_truth(find_splits(scenes)[0], tmp_path / "out", 0))


def test_the_command(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", str(scenes), "--split", "train", "--out", str(tmp_path / "out"), "--limit", "1"]
    assert main(words) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Split train (also there: val)"
    assert second.startswith(f"{tmp_path / 'out' / '000000.png'}: ")
    assert second.endswith("void")
    assert main(["show", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("panoptic-data: Expected a data set at")


@pytest.mark.realdata
def test_real_sets(real_data: Path, tmp_path: Path) -> None:
    roots = [path for path in sorted(real_data.iterdir()) if path.is_dir()]
    assert roots
    for root in roots:
        for split in find_splits(root):
            shown = list(show_truth(split, tmp_path / root.name / split.name, limit=2))
            assert len(shown) == 2
            assert all(len(truth) > 1 for _, truth in shown)
