"""Reading what other people's folders hold: the names of images, and the values of label maps."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from panoptic_data.checks import IMAGE_SUFFIXES, describe_place, require_folder


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder; linked folders too, after the others, and each folder once."""
    seen: set[str] = set()
    waiting = [str(folder)]
    while waiting:
        for place, folders, names in os.walk(waiting.pop(0), onerror=_refuse):
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            yield from (Path(place, name) for name in names)
            waiting += [str(path) for name in sorted(folders) if (path := Path(place, name)).is_symlink()]


def _refuse(error: OSError) -> None:
    raise error


def list_images(folder: str | Path, what: str, cure: str) -> list[str]:
    """Return the names of all images below a folder, with ``/``, sorted.

    Raises:
        FileNotFoundError: If there is no such folder, or no image in it.
    """
    place = require_folder(folder, what, cure)
    names = sorted(
        path.relative_to(place).as_posix()
        for path in walk_files(place)
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not names:
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        msg = f"Expected {what} ({endings}) in {place}, got none: {describe_place(place)}. {cure}"
        raise FileNotFoundError(msg)
    return names


def read_labels(path: Path) -> tuple[NDArray[np.int64], bool]:
    """Read a label map.

    Args:
        path: A PNG (or another lossless picture) of grey values, of a palette's indices, or of colours.

    Returns:
        ``(H, W)`` values, for colours R + 256 G + 65536 B, and whether they are colours.

    Raises:
        ValueError: If it cannot be read, or is a JPEG.
    """
    try:
        with Image.open(path) as image:
            if image.format == "JPEG":
                msg = f"Expected a lossless label map at {path}, got a JPEG, which changes values. Take PNGs."
                raise ValueError(msg)
            is_rgb = image.mode in ("RGB", "RGBA")
            if not is_rgb and image.mode not in ("L", "P", "1", "I", "I;16", "I;16B"):
                msg = f"Expected grey, palette or RGB values in {path}, got an image of mode '{image.mode}'."
                raise ValueError(msg)
            if is_rgb and image.format == "PNG" and _bits(path) > 8:
                msg = f"Expected 8 bits a colour in {path}, got {_bits(path)}. Write grey values of 16 bits."
                raise ValueError(msg)
            values = np.asarray(image)
    except (OSError, SyntaxError) as error:  # Pillow's, for files that are none or cut off
        reason = "no image is recognised" if isinstance(error, UnidentifiedImageError) else error
        msg = f"Expected a label map at {path}, but it cannot be read: {reason}. Write it again."
        raise ValueError(msg) from error
    values = values.astype(np.int64)
    if values.min() < 0:
        msg = f"Expected values >= 0 in {path}, got {values.min()}. Write it as a PNG of 8 or 16 bits."
        raise ValueError(msg)
    return (values[..., :3] @ np.array([1, 256, 65536]) if is_rgb else values), is_rgb


def _bits(path: Path) -> int:
    """Return the bits a channel of a PNG; of 16 bits a colour Pillow would drop the lower 8."""
    with path.open("rb") as file:
        return file.read(25)[24]


def find_values(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sorted values of a map, and for each pixel the place of its value among them."""
    top = int(values.max())
    if top >= 1 << 16:
        found, place = np.unique(values, return_inverse=True)
        return found, place.reshape(values.shape)
    found = np.flatnonzero(np.bincount(values.reshape(-1), minlength=top + 1))  # no sorting of pixels
    table = np.zeros(top + 1, dtype=np.int64)
    table[found] = np.arange(found.size)
    return found, table[values]
