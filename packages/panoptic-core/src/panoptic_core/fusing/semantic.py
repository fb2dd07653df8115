"""Semantic predictions: label PNGs."""

import os
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from panoptic_core.categories import CategoryTable
from panoptic_core.files import PanopticFileError
from panoptic_core.fusing.parts import void_of

SemanticIds = Literal["labels", "dataset"]
"""What a label PNG holds: contiguous labels, or the data set's category ids."""

_UNKNOWN = -1
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error)


class LabelReader:
    """Reads label PNGs of one class table.

    Args:
        table: The classes.
        ids: ``"labels"``: the table's order, things first, 255 is void. ``"dataset"``: category ids; 255 is
            void, and 0 too, unless they are categories. Beyond 255 classes void is 65535 (16-bit PNGs).
    """

    def __init__(self, table: CategoryTable, ids: SemanticIds = "labels") -> None:
        self.table = table
        self.ids = ids
        self.void = void_of(len(table))
        codes = range(len(table)) if ids == "labels" else table.category_ids
        lookup = np.full(max(self.void, 255, *codes) + 1, _UNKNOWN, dtype=np.int32)
        lookup[self.void] = self.void
        if ids == "dataset":
            lookup[[0, 255]] = self.void
        lookup[list(codes)] = np.arange(len(table), dtype=np.int32)
        self._lookup = lookup

    def read(self, path: str | os.PathLike[str], size: tuple[int, int]) -> Tensor:
        """Read one label map.

        Args:
            path: A grey (8 or 16 bits) or palette PNG.
            size: The image's ``(H, W)``.

        Returns:
            ``(H, W)`` int32 labels; void as `void`.

        Raises:
            FileNotFoundError: If there is no such file.
            PanopticFileError: If it is no such PNG, has another size, or holds a value that is no class.
        """
        path = Path(path)
        values = _read_values(path)
        if values.shape != size:
            msg = (
                f"Expected {path} to be as large as its image, (height, width) = {size}, got {values.shape}. "
                "Resize the prediction with nearest neighbour, or pair the right files."
            )
            raise PanopticFileError(msg)
        low, high = int(values.min()), int(values.max())
        labels = self._lookup[np.clip(values, 0, len(self._lookup) - 1)]
        strange = labels == _UNKNOWN
        if low < 0 or high >= len(self._lookup):
            strange |= (values < 0) | (values >= len(self._lookup))
        if strange.any():
            found = np.unique(values[strange])
            shown = ", ".join(map(str, found[:5].tolist())) + (", ..." if found.size > 5 else "")
            if self.ids == "labels":
                wanted = f"labels in [0, {len(self.table)}), things first,"
                cure = "For the data set's own ids say --semantic-ids dataset."
            else:
                wanted, cure = f"category ids of '{self.table.name}'", "For labels say --semantic-ids labels."
            msg = f"Expected {path} to hold {wanted} or {self.void} (void), got {shown}. {cure}"
            raise PanopticFileError(msg)
        return torch.from_numpy(labels)


def _read_values(path: Path) -> NDArray[np.integer]:
    try:
        with Image.open(path) as image:
            kind, mode = image.format, image.mode
            values = np.asarray(image) if mode in ("L", "P", "1", "I", "I;16") else None
    except FileNotFoundError:
        msg = f"Expected the label PNG {path}, but there is no such file. Predict every image."
        raise FileNotFoundError(msg) from None
    except UnidentifiedImageError:
        msg = f"Expected {path} to be a PNG, but no image could be recognised in it. Write or copy it again."
        raise PanopticFileError(msg) from None
    except _DECODE_ERRORS as error:
        msg = f"Expected {path} to be a whole PNG, but reading it failed: {error}. Write or copy it again."
        raise PanopticFileError(msg) from error
    if values is None or kind != "PNG":
        msg = (
            f"Expected {path} to be a grey or palette PNG whose pixels are classes, got a {kind} of mode "
            f"'{mode}'. Colours cannot be read back: write the label map itself."
        )
        raise PanopticFileError(msg)
    return values.astype(np.uint8) if values.dtype == np.bool_ else values
