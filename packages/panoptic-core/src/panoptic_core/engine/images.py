"""Read images the way up that the data pipeline saw them, and write pictures of predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from panoptic_core.categories import CategoryTable
from panoptic_core.files import atomic_path
from panoptic_core.visualization import comparison

_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class UnreadableImageError(ValueError):
    """A file cannot be decoded as an image. The message names it."""


def read_rgb(path: str | Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read an image as RGB.

    Args:
        path: The file.
        size: ``(H, W)`` that the pipeline saw. A rotation tag is followed, except where only the untouched
            image has this size (pipelines may be told to ignore the tag).

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        UnreadableImageError: If it cannot be decoded to the end.
    """
    try:
        with Image.open(path) as image:
            plain = image.convert("RGB")
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        msg = f"`{path}` is no image that can be recognised."
        raise UnreadableImageError(msg) from error
    except _UNREADABLE as error:
        msg = f"`{path}` cannot be decoded: {error}."
        raise UnreadableImageError(msg) from error
    fits_plain_only = size is not None and upright.size != size[::-1] and plain.size == size[::-1]
    return np.asarray(plain if fits_plain_only else upright)


def draw_sample(path: str | Path, sample: Any, table: CategoryTable) -> None:
    """Write a picture of one of a model's outputs: image, ground truth, prediction, mismatch.

    Args:
        path: The PNG to write; its folder is made.
        sample: A ``DetDataSample`` with ``img_path`` and ``pred_panoptic``; ``gt_panoptic`` may be missing.
        table: Names and colours.
    """
    prediction = sample.pred_panoptic.cpu()
    target = sample.get("gt_panoptic")
    image = read_rgb(sample.img_path, prediction.shape)
    write_picture(path, comparison(image, prediction, table, None if target is None else target.cpu()))


def write_picture(path: str | Path, picture: NDArray[np.uint8]) -> None:
    """Write ``(H, W, 3)`` uint8 RGB as a PNG, whole or not at all; the folder is made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
