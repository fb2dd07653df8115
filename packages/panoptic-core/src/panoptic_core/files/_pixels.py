"""The pixels of a Pillow image as 32-bit words, without a copy where Pillow shares its memory.

Pillow keeps RGB in four bytes a pixel. ``tobytes`` copies them twice, which costs up to a quarter of what
decoding a panoptic PNG does; since Pillow 11.2 an image also offers its memory by Arrow's C data interface.
"""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class _ArrowArray(ctypes.Structure):
    """``ArrowArray`` of https://arrow.apache.org/docs/format/CDataInterface.html."""


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def take_words(image: Image.Image) -> NDArray[np.uint32]:
    """Return an RGB or RGBA image's pixels as little-endian words ``R + 256 G + 256^2 B + 256^3 X``.

    The image is given up: the array may be its memory, which lives on with the array, and may be written to.

    Args:
        image: Of mode RGB or RGBA.

    Returns:
        ``(H * W,)`` uint32; the highest byte is undefined.
    """
    words = _shared_words(image)
    if words is None:
        raw = bytearray(image.tobytes("raw", "RGBA" if image.mode == "RGBA" else "RGBX"))
        words = np.frombuffer(raw, dtype="<u4")
    return words.astype(np.uint32, copy=False)


def _shared_words(image: Image.Image) -> NDArray[np.uint32] | None:
    """Return the image's own memory, or None where Pillow does not share it or keeps it in several blocks."""
    image.load()
    count = image.width * image.height
    try:
        _, capsule = image.__arrow_c_array__()  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return None
    pixels = _ArrowArray.from_address(_pointer_of(capsule, b"arrow_array"))
    if pixels.length != count or pixels.offset != 0 or pixels.n_children != 1:
        return None
    channels = pixels.children[0].contents
    if channels.length != 4 * count or channels.offset != 0 or channels.n_buffers != 2:
        return None
    memory: Any = (ctypes.c_uint8 * (4 * count)).from_address(channels.buffers[1])
    memory.owner = capsule  # keeps Pillow's memory alive as long as the array
    return np.frombuffer(memory, dtype="<u4")
