"""Panoptic PNGs: ids survive the disk, and every kind of wrong file is told apart."""

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from panoptic_core.files import MAX_ID, PanopticFileError, _pixels, read_panoptic_png, write_panoptic_png


def test_two_pixels_by_hand(tmp_path: Path) -> None:
    # (R, G, B) = (1, 2, 3) is 1 + 2 * 256 + 3 * 65536 = 197121; white is 256^3 - 1.
    Image.fromarray(np.array([[[1, 2, 3], [255, 255, 255]]], dtype=np.uint8)).save(tmp_path / "a.png")
    ids = read_panoptic_png(tmp_path / "a.png")
    assert ids.tolist() == [[197121, MAX_ID]]
    assert ids.dtype == np.int32
    assert ids.flags.writeable
    write_panoptic_png(tmp_path / "b.png", ids)
    assert np.asarray(Image.open(tmp_path / "b.png")).tolist() == [[[1, 2, 3], [255, 255, 255]]]


@settings(max_examples=30, deadline=None)
@given(
    ids=arrays(np.int32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, MAX_ID))
)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, ids: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("png") / "x.png"
    write_panoptic_png(path, ids)
    np.testing.assert_array_equal(read_panoptic_png(path), ids)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint32])
def test_any_integer_dtype_and_order_is_written(tmp_path: Path, dtype: type) -> None:
    ids = np.asfortranarray(np.arange(12, dtype=dtype).reshape(3, 4))
    write_panoptic_png(tmp_path / "x.png", ids[::-1])
    np.testing.assert_array_equal(read_panoptic_png(tmp_path / "x.png"), ids[::-1])


def test_alpha_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[1, 2, 3, 0]]], dtype=np.uint8), "RGBA").save(tmp_path / "a.png")
    assert read_panoptic_png(tmp_path / "a.png").tolist() == [[197121]]


def test_same_ids_same_bytes(tmp_path: Path) -> None:
    ids = np.arange(600, dtype=np.int32).reshape(20, 30)
    for name in ("a.png", "b.png"):
        write_panoptic_png(tmp_path / name, ids)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def _save(path: Path, mode: str) -> None:
    Image.new(mode, (8, 8)).save(path)


def _save_16_bit(path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + b"\1\2" * 3)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _save_truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])


def _save_flipped_bits(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[45:60] = bytes(15)
    path.write_bytes(bytes(data))


def _save_enormous(path: Path) -> None:
    import struct
    import zlib

    Image.new("RGB", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: _save(path, "P"), "got a palette image of mode 'P'.*write_panoptic_png"),
        (lambda path: _save(path, "L"), "got a grey image of mode 'L'"),
        (lambda path: _save(path, "1"), "got a black and white image"),
        (lambda path: _save(path, "I;16"), "got an image of mode 'I;16'"),
        (_save_16_bit, "8 bits a channel, got 16"),
        (lambda path: Image.new("RGB", (8, 8)).save(path, format="JPEG"), "got a JPEG file.*change ids"),
        (lambda path: path.write_bytes(b""), "no image could be recognised"),
        (lambda path: path.write_bytes(b"not a picture"), "no image could be recognised"),
        (_save_truncated, "reading it failed.*Write or copy it again"),
        (_save_flipped_bits, "reading it failed|no image could be recognised"),
        (_save_enormous, "reading it failed: Image size .3600000000 pixels. exceeds limit"),
    ],
    ids=[
        "palette", "grey", "1 bit", "16 bit grey", "16 bit rgb", "jpeg", "empty", "text", "cut", "flipped",
        "enormous",
    ],
)  # fmt: skip
def test_wrong_files_are_named(tmp_path: Path, make: object, message: str) -> None:
    path = tmp_path / "frankfurt_000000.png"
    make(path)  # type: ignore[operator]
    with pytest.raises(PanopticFileError, match=message) as error:
        read_panoptic_png(path)
    assert str(path) in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"panoptic PNG .*gone\.png, but there is no such file"):
        read_panoptic_png(tmp_path / "gone.png")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros((2, 2, 3), np.int32), r"\(H, W\) integers, got int32 of shape \(2, 2, 3\)"),
        (np.zeros((0, 2), np.int32), "shape"),
        (np.zeros((2, 2)), "got float64"),
        (np.array([[-1]]), r"got values in \[-1, -1\]"),
        (np.array([[1 << 24]]), r"got values in \[16777216, 16777216\].*renumber"),
    ],
    ids=["three axes", "empty", "float", "negative", "too large"],
)
def test_ids_that_do_not_fit_are_refused(tmp_path: Path, ids: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_panoptic_png(tmp_path / "x.png", ids)
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    "size", [(1, 1), (7, 5), (2100, 2100)], ids=["one pixel", "odd", "several memory blocks"]
)
@pytest.mark.parametrize("shares", [True, False], ids=["shared memory", "copied"])
def test_pixels_with_and_without_sharing_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, size: tuple[int, int], shares: bool
) -> None:
    if not shares:
        monkeypatch.setattr(_pixels, "_shared_words", lambda image: None)
    ids = np.arange(size[0] * size[1], dtype=np.int32).reshape(size)
    write_panoptic_png(tmp_path / "x.png", ids)
    if mode == "RGBA":
        Image.open(tmp_path / "x.png").convert("RGBA").save(tmp_path / "x.png")
    read = read_panoptic_png(tmp_path / "x.png")
    gc.collect()
    others = [read_panoptic_png(tmp_path / "x.png") for _ in range(2)]  # would take over freed memory
    others[0] += 1
    np.testing.assert_array_equal(read, ids)
    assert read.flags.writeable
    assert read.dtype == np.int32
