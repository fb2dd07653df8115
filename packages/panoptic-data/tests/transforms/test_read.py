from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptic_core.categories import CITYSCAPES
from panoptic_core.files import read_panoptic_png, write_panoptic_png
from panoptic_data.transforms.read import cityscapes_segments, read_cityscapes, read_ids


def test_cityscapes_rules_by_hand() -> None:
    # 7 road (stuff); 26 car without a number (crowd); 26000, 26003 cars; 4 static, 29001 caravan: void.
    id_map = np.array([[7, 7, 26, 26000], [26003, 4, 29001, 0]], dtype=np.int32)
    found, table = cityscapes_segments(id_map, CITYSCAPES.labels, CITYSCAPES.num_things, "x.png")
    assert found.tolist() == [[7, 7, 26, 26000], [26003, 0, 0, 0]]
    assert table.ids.tolist() == [7, 26, 26000, 26003]
    assert [CITYSCAPES.names[label] for label in table.labels] == ["road", "car", "car", "car"]
    assert table.is_thing.tolist() == [False, True, True, True]
    assert table.iscrowd.tolist() == [False, True, False, False]


def test_all_void() -> None:
    found, table = cityscapes_segments(
        np.full((3, 3), 4, dtype=np.int32), CITYSCAPES.labels, CITYSCAPES.num_things, "x.png"
    )
    assert not found.any()
    assert len(table) == 0


def test_unknown_ids_name_the_file() -> None:
    id_map = np.array([[7, 77001, 60]], dtype=np.int32)
    with pytest.raises(
        ValueError, match=r"a/b\.png.* got 60, 77001\. Check that the file is a .*instanceIds"
    ):
        cityscapes_segments(id_map, CITYSCAPES.labels, CITYSCAPES.num_things, "a/b.png")


def test_every_official_label_is_known() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    ids = np.array([[label.id for label in labels if label.id >= 0]], dtype=np.int32)
    _, table = cityscapes_segments(ids.copy(), CITYSCAPES.labels, CITYSCAPES.num_things, "x.png")
    assert table.ids.tolist() == [label.id for label in labels if label.id >= 0 and not label.ignoreInEval]


def results_for(path: Path) -> dict:
    return {
        "seg_map_path": str(path),
        "category_labels": dict(CITYSCAPES.labels),
        "num_things": CITYSCAPES.num_things,
    }


def test_reads_16_bit_png(tmp_path: Path) -> None:
    path = tmp_path / "a_gtFine_instanceIds.png"
    Image.fromarray(np.array([[7, 33012]], dtype=np.uint16)).save(path)
    id_map, table = read_cityscapes(results_for(path))
    assert id_map.tolist() == [[7, 33012]]
    assert id_map.dtype == np.int32
    assert table.labels.tolist() == [CITYSCAPES.lookup(7), CITYSCAPES.lookup(33)]


@pytest.mark.parametrize("content", [b"", b"not a png", None], ids=["empty", "text", "cut short"])
def test_unreadable_png_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.png"
    if content is None:
        Image.fromarray(np.random.default_rng(0).integers(0, 9, (64, 64)).astype(np.uint16)).save(path)
        content = path.read_bytes()[:200]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"readable PNG .* at .*broken\.png, got [0-9]+ bytes .*gtFine"):
        read_cityscapes(results_for(path))


def test_colour_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a_gtFine_color.png"
    Image.fromarray(np.zeros((2, 2, 3), dtype=np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"one channel of instance ids in .*color\.png, got .*\(2, 2, 3\)"):
        read_cityscapes(results_for(path))


def some_ids() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 1 << 24, (7, 5)), np.ones((6, 9), dtype=np.int64))


@pytest.mark.parity
def test_ids_match_the_core_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_panoptic_png(path, some_ids())
    found = read_ids(path)
    assert found.dtype == np.int32
    assert found.tolist() == read_panoptic_png(path).tolist() == some_ids().tolist()


def test_png_with_alpha_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[[1, 2, 3, 9]]], dtype=np.uint8)).save(path)
    assert read_ids(path).tolist() == [[1 + 2 * 256 + 3 * 65536]]


def test_rotation_tag_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(np.array([[[1, 0, 0], [2, 0, 0]]], dtype=np.uint8)).save(path, exif=exif)
    assert read_ids(path).tolist() == [[1, 2]]


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_panoptic_png(path, some_ids())
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(45, len(whole) - 16, 40):  # inside the compressed pixels
        data = bytearray(whole)
        data[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"a\.png"):
            read_ids(path)


@pytest.mark.parametrize("mode", ["P", "L", "I;16"])
def test_other_kinds_of_png_are_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    Image.new(mode, (3, 2)).save(path)
    with pytest.raises(ValueError, match=r"a\.png to be an RGB PNG"):
        read_ids(path)


def test_missing_or_cut_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        read_ids(path)
    write_panoptic_png(path, some_ids())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"a\.png"):
        read_ids(path)
