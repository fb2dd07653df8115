"""The files of one image, read without raising: what cannot be read is told as the name of a rule."""

import struct
import zlib
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from panoptic_data.transforms.read import read_ids
from panoptic_data.transforms.runs import find_runs

_TURNED = range(2, 9)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error, Image.DecompressionBombError)
_MODES = {"P": "a palette", "L": "a grey", "LA": "a grey", "1": "a black and white", "I;16": "a 16 bit grey"}


class Fault(NamedTuple):
    """Why a file cannot be used: the rule that it breaks, and what was found."""

    rule: str
    what: str


class ImageFile(NamedTuple):
    """What is known of an image file.

    ``size`` is (height, width) as stored, ``orientation`` EXIF's number (1 = upright), ``digest`` of its
    bytes; None if only the header was read.
    """

    size: tuple[int, int]
    orientation: int
    digest: bytes | None


class Pixels(NamedTuple):
    """The ids of a map but 0, rising ``(S,)``, their areas ``(S,)`` and boxes ``(S, 4)``, xywh."""

    ids: NDArray[np.int64]
    areas: NDArray[np.int64]
    boxes: NDArray[np.int64]


def read_image(path: Path, *, quick: bool = False) -> ImageFile | Fault:
    """Read an image to its last byte, or, if `quick`, its header."""
    try:
        data = None if quick else path.read_bytes()
        with Image.open(path if data is None else BytesIO(data)) as image:
            width, height = image.size
            orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
            if data is not None:
                image.draft("RGB", (1, 1))  # a JPEG is still read to its end, and computed at 1/8
                image.load()
    except _BROKEN as error:
        return Fault("image-unreadable", f"{_bytes(path)} that cannot be decoded: {explain(error)}")
    digest = None if data is None else blake2b(data, digest_size=16).digest()
    return ImageFile((height, width), orientation if orientation in _TURNED else 1, digest)


def read_map(path: Path) -> NDArray[np.int32] | Fault:
    """Read the ids of a panoptic PNG."""
    try:
        with path.open("rb") as file:
            header = file.read(26)
        with Image.open(path) as image:
            kind, mode = image.format, image.mode
    except _BROKEN as error:
        return Fault("map-unreadable", f"{_bytes(path)} that cannot be decoded: {explain(error)}")
    if kind != "PNG":
        return Fault("map-encoding", f"it is a {kind} file")
    if mode not in ("RGB", "RGBA"):
        return Fault("map-encoding", f"it is {_MODES.get(mode, 'an')} image (mode {mode})")
    if header[24] != 8:
        return Fault("map-encoding", f"it has {header[24]} bits a channel")
    try:
        return read_ids(path)
    except (ValueError, OSError):
        return Fault("map-unreadable", f"{_bytes(path)}, and decoding stops before the last row")


def measure(id_map: NDArray[np.int32]) -> Pixels:
    """Count the pixels of each id but 0 and find its tight box.

    Example:
        >>> measure(np.array([[0, 5, 5], [0, 5, 0]], dtype=np.int32))
        Pixels(ids=array([5]), areas=array([3]), boxes=array([[1, 0, 2, 2]]))
    """
    values, rows, starts, stops = find_runs(id_map)
    ids, place = np.unique(values.astype(np.int64), return_inverse=True)
    areas = np.bincount(place, weights=stops - starts, minlength=len(ids)).astype(np.int64)
    low = np.full((len(ids), 2), max(id_map.shape), dtype=np.int64)
    high = np.zeros((len(ids), 2), dtype=np.int64)
    np.minimum.at(low[:, 0], place, starts)
    np.minimum.at(low[:, 1], place, rows)
    np.maximum.at(high[:, 0], place, stops)
    np.maximum.at(high[:, 1], place, rows + 1)
    keep = ids != 0
    return Pixels(ids[keep], areas[keep], np.concatenate([low, high - low], axis=1)[keep])


def exchange_red_and_blue(ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the ids that the same bytes have in the order B G R.

    Example:
        >>> exchange_red_and_blue(np.array([1 + 256 * 2 + 65536 * 3])) == 3 + 256 * 2 + 65536 * 1
        array([ True])
    """
    return (ids >> 16) & 0xFF | ids & 0xFF00 | (ids & 0xFF) << 16


def explain(error: Exception) -> str:
    """Return Pillow's reason, without the address of a buffer."""
    return "no image is recognised" if isinstance(error, UnidentifiedImageError) else str(error)


def _bytes(path: Path) -> str:
    try:
        return f"{path.stat().st_size} bytes"
    except OSError:
        return "a file"
