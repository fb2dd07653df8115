"""Pictures of how much every pixel of an image gives to a chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.images import write_picture
from panoptic_core.errors import CommandError
from panoptic_core.inference import Prediction
from panoptic_core.visualization import comparison, draw_affinity

_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_LYING = (5, 6, 7, 8)  # rotation tags that exchange height and width


class AffinityPictureError(CommandError, ValueError):
    """There is no affinity of such a pixel. The message says why."""


def check_points(images: Sequence[Path], points: Sequence[tuple[int, int]]) -> None:
    """Find out from the headers of images whether they have these pixels.

    Args:
        images: The files; what is no image is left to others.
        points: x and y each.

    Raises:
        AffinityPictureError: If images differ in size, or a pixel lies outside of them.
    """
    if not points:
        return
    first: tuple[Path, tuple[int, int]] | None = None
    for path in images:
        try:
            size = _size_of(path)
        except _UNREADABLE:
            continue
        if first is None:
            first = path, size
        elif size != first[1]:
            msg = (
                "Expected --affinity-at with one image, or images of one size, got "
                f"`{first[0]}` of {_in_words(first[1])} and `{path}` of {_in_words(size)}. Name one image."
            )
            raise AffinityPictureError(msg)
        for point in points:
            _check_point(point, size, path)


def write_affinity_picture(
    path: str | Path,
    image: NDArray[np.uint8],
    prediction: Prediction,
    table: CategoryTable,
    point: tuple[int, int],
) -> str:
    """Write image, prediction and the affinity of a pixel side by side.

    Args:
        path: The PNG to write.
        image: ``(H, W, 3)`` uint8 RGB.
        prediction: With ``raw``.
        table: Names and colours.
        point: x and y of the pixel.

    Returns:
        What the title says.

    Raises:
        AffinityPictureError: If the pixel lies outside of the image, or the network has no affinity.
    """
    x, y = point
    size = prediction.segmentation.shape
    _check_point(point, size, "the image")
    maps = None if prediction.raw is None else prediction.raw.affinity
    if maps is None or maps.phi0 is None:
        msg = (
            "Expected a network with an affinity for --affinity-at, got one whose raw outputs have no "
            "`affinity` with features. Use a dense-affinity model with an affinity head, or leave it out."
        )
        raise AffinityPictureError(msg)
    affinity = maps.affinity_at(x, y, size).detach().cpu().numpy()
    title = (
        f"affinity at {x}, {y}: {affinity.min():.2g} to {affinity.max():.2g}, gamma {float(maps.gamma):.2g}"
    )
    panels = {title: draw_affinity(image, affinity, x, y)}
    write_picture(path, comparison(image, prediction.segmentation, table, extra=panels))
    return title


def _check_point(point: tuple[int, int], size: tuple[int, int], where: str | Path) -> None:
    (x, y), (height, width) = point, size
    if not (0 <= x < width and 0 <= y < height):
        msg = (
            f"Expected --affinity-at X Y with X in [0, {width}) and Y in [0, {height}), pixels of `{where}`, "
            f"got {x} {y}. Choose a pixel inside."
        )
        raise AffinityPictureError(msg)


def _size_of(path: Path) -> tuple[int, int]:
    """Return height and width of an image the right way up."""
    with Image.open(path) as image:
        lying = image.getexif().get(ExifTags.Base.Orientation) in _LYING
        width, height = image.size
    return (width, height) if lying else (height, width)


def _in_words(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"
