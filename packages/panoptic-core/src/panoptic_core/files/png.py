"""Panoptic PNG files: an RGB picture whose pixel (R, G, B) holds the segment id R + 256 G + 256^2 B.

The format is COCO's (https://cocodataset.org/#format-data, panoptic segmentation); id 0 is void.
"""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from panoptic_core.files._errors import PanopticFileError
from panoptic_core.files._pixels import take_words

MAX_ID = 256**3 - 1
"""The largest segment id that a panoptic PNG can hold."""

_RGB_MASK = np.uint32(0xFFFFFF)
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    zlib.error,
    struct.error,
    Image.DecompressionBombError,  # a size beyond all images, as a broken header has
)


def read_panoptic_png(path: str | os.PathLike[str]) -> NDArray[np.int32]:
    """Read the segment ids of a panoptic PNG.

    Args:
        path: An RGB PNG with 8 bits a channel; an alpha channel is ignored.

    Returns:
        ``(H, W)`` int32 ids in ``[0, 256**3)``; 0 is void.

    Raises:
        FileNotFoundError: If there is no such file.
        PanopticFileError: If it is no PNG, is broken, or is not RGB (palette, grey, 16 bit).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _decode(file, str(path))
    except FileNotFoundError:
        msg = (
            f"Expected the panoptic PNG {path}, but there is no such file. Check the folder and `file_name`."
        )
        raise FileNotFoundError(msg) from None


def decode_panoptic_png(data: bytes, name: str) -> NDArray[np.int32]:
    """Read the segment ids of a panoptic PNG in memory, such as one out of an archive.

    Args:
        data: The file's bytes.
        name: What to call it in errors.

    Returns:
        ``(H, W)`` int32 ids in ``[0, 256**3)``; 0 is void.

    Raises:
        PanopticFileError: As :func:`read_panoptic_png`.
    """
    return _decode(BytesIO(data), name)


def write_panoptic_png(path: str | os.PathLike[str], ids: NDArray[np.integer]) -> None:
    """Write segment ids as a panoptic PNG; the same ids give the same bytes.

    Args:
        path: Where to write; an existing file is replaced.
        ids: ``(H, W)`` integers in ``[0, 256**3)``; 0 is void.

    Raises:
        ValueError: If the array is not two-dimensional, is empty, or holds other values.
    """
    ids = np.asarray(ids)
    if ids.ndim != 2 or ids.size == 0 or ids.dtype.kind not in "iu":
        msg = f"Expected `ids` to be (H, W) integers, got {ids.dtype} of shape {ids.shape} for {path}."
        raise ValueError(msg)
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high > MAX_ID:
        msg = (
            f"Expected `ids` in [0, {MAX_ID}], got values in [{low}, {high}] for {path}. "
            "A panoptic PNG has 24 bits a pixel: renumber the segments."
        )
        raise ValueError(msg)
    height, width = ids.shape
    raw = np.ascontiguousarray(ids, dtype="<u4").tobytes()
    Image.frombytes("RGB", (width, height), raw, "raw", "RGBX").save(path, format="PNG")


def _decode(file: BinaryIO, name: str) -> NDArray[np.int32]:
    try:
        with Image.open(file) as image:
            _check_encoding(image, name)
            width, height = image.size
            words = take_words(image)
    except PanopticFileError:
        raise
    except UnidentifiedImageError:
        msg = f"Expected {name} to be a PNG, but no image could be recognised in it. Write or copy it again."
        raise PanopticFileError(msg) from None
    except _DECODE_ERRORS as error:
        msg = f"Expected {name} to be a whole PNG, but reading it failed: {error}. Write or copy it again."
        raise PanopticFileError(msg) from error
    words &= _RGB_MASK
    return words.view(np.int32).reshape(height, width)


def _check_encoding(image: Image.Image, path: str) -> None:
    if image.format != "PNG":
        msg = (
            f"Expected {path} to be a PNG, got a {image.format} file. Lossy formats change ids: "
            "take the original PNG, or write the ids again."
        )
        raise PanopticFileError(msg)
    if image.mode not in ("RGB", "RGBA"):
        kind = {"P": "a palette", "L": "a grey", "1": "a black and white", "LA": "a grey"}.get(image.mode)
        msg = (
            f"Expected {path} to be an RGB PNG (id = R + 256 G + 256^2 B), got {kind or 'an'} image of mode "
            f"'{image.mode}'. Write the ids by `write_panoptic_png`; a palette or grey PNG often holds "
            "labels."
        )
        raise PanopticFileError(msg)
    if any(isinstance(tile[3], str) and "16" in tile[3] for tile in getattr(image, "tile", [])):
        msg = f"Expected {path} to have 8 bits a channel, got 16. Write the ids by `write_panoptic_png`."
        raise PanopticFileError(msg)
