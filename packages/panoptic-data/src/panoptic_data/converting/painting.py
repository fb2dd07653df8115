"""From shapes that may overlap to a map where each pixel has one owner: painted one over the other."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.files import rle_to_box_masks, segmentation_to_rle
from panoptic_data.converting.plan import Segments

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True, eq=False)
class Region:
    """Some pixels of an image.

    Attributes:
        x: The first column of the crop.
        y: The first row of the crop.
        crop: ``(h, w)`` bool, inside the image.
    """

    x: int
    y: int
    crop: NDArray[np.bool_]

    @property
    def area(self) -> int:
        """How many pixels it has."""
        return int(self.crop.sum())


@dataclass(frozen=True, eq=False)
class Layer:
    """One annotation.

    Attributes:
        name: What notes call it.
        category_id: Its class; None = its pixels belong to nobody.
        region: Its pixels.
        key: Layers of a class with the same key are one object; None = an object of its own.
        iscrowd: Whether it is a crowd.
    """

    name: str
    category_id: int | None
    region: Region
    key: Hashable = None
    iscrowd: bool = False


def paint(layers: Sequence[Layer], size: Size, table: CategoryTable, notes: Sequence[str] = ()) -> Segments:
    """Paint layers over each other, the last one on top.

    Layers of one stuff class become one segment. What has no pixel, or none that is visible, is left out and
    noted.

    Args:
        layers: From the bottom to the top.
        size: The image's height and width.
        table: The classes.
        notes: What is known already.
    """
    rows = np.zeros(size, dtype=np.int64)
    row_of: dict[Hashable, int] = {}
    members: list[list[Layer]] = []
    found = list(notes)
    for layer in layers:
        region = layer.region
        if not region.area:
            found.append(f"{layer.name} covers no pixel and is left out")
            continue
        row = 0
        if layer.category_id is not None:
            key = _key_of(layer, table)
            row = row_of.setdefault(key, len(members) + 1)
            if row > len(members):
                members.append([])
            members[row - 1].append(layer)
        height, width = region.crop.shape
        rows[region.y : region.y + height, region.x : region.x + width][region.crop] = row
    visible = np.bincount(rows.reshape(-1), minlength=len(members) + 1)[1:] > 0
    for parts, is_visible in zip(members, visible, strict=True):
        if not is_visible:
            found.append(f"{', '.join(part.name for part in parts)}: hidden by others, and left out")
    renumbered = np.append(0, np.where(visible, visible.cumsum(), 0))
    kept = [parts[0] for parts, is_visible in zip(members, visible, strict=True) if is_visible]
    category_ids = [layer.category_id for layer in kept if layer.category_id is not None]
    crowds = [layer.iscrowd for layer in kept]
    return Segments.from_rows(renumbered[rows], category_ids, crowds, table, found)


def _key_of(layer: Layer, table: CategoryTable) -> Hashable:
    assert layer.category_id is not None
    if table.lookup(layer.category_id) >= table.num_things:
        return ("stuff", layer.category_id)
    own = layer.key if layer.key is not None else ("alone", id(layer))
    return ("thing", layer.category_id, layer.iscrowd, own)


def from_segmentation(segmentation: Any, size: Size) -> Region:
    """Return the pixels of COCO polygons or of a COCO RLE, by pycocotools' rules.

    Polygons of one or two points have no area, and no pixel.

    Raises:
        ValueError: If it is neither, or an RLE of another size.
    """
    if isinstance(segmentation, list):
        segmentation = [one for one in segmentation if not (isinstance(one, list) and len(one) in (0, 2, 4))]
        if not segmentation:
            return Region(0, 0, np.zeros((0, 0), dtype=bool))
    masks = rle_to_box_masks([segmentation_to_rle(segmentation, size)])
    x0, y0, _, _ = masks.window(0, size)
    return Region(x0, y0, masks.crop(0, size).numpy())


def from_polygon(points: Sequence[Sequence[float]], size: Size) -> Region:
    """Return the pixels of one polygon of x, y points."""
    return from_segmentation([[float(value) for point in points for value in point]], size)


def from_rectangle(x0: float, y0: float, x1: float, y1: float, size: Size, degrees: float = 0.0) -> Region:
    """Return the pixels whose centres lie in a rectangle, turned clockwise about its centre."""
    half = abs(x1 - x0) / 2, abs(y1 - y0) / 2

    def inside(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        # Half-open, so that rectangles that touch share no pixel.
        return (-half[0] <= x) & (x < half[0]) & (-half[1] <= y) & (y < half[1])

    return _turned((x0 + x1) / 2, (y0 + y1) / 2, half, size, degrees, inside)


def from_ellipse(cx: float, cy: float, rx: float, ry: float, size: Size, degrees: float = 0.0) -> Region:
    """Return the pixels whose centres lie in an ellipse, turned clockwise about its centre."""
    if not (rx > 0 and ry > 0):
        return Region(0, 0, np.zeros((0, 0), dtype=bool))

    def inside(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return (x / rx) ** 2 + (y / ry) ** 2 <= 1

    return _turned(cx, cy, (rx, ry), size, degrees, inside)


def _turned(
    cx: float, cy: float, half: tuple[float, float], size: Size, degrees: float, inside: Any
) -> Region:
    values = (cx, cy, *half, degrees)
    if not all(math.isfinite(value) for value in values):
        msg = f"Expected finite coordinates, got centre {cx}, {cy} and half sides {half}."
        raise ValueError(msg)
    height, width = size
    reach = math.hypot(*half) if degrees % 180 else None
    rx, ry = (reach, reach) if reach is not None else half
    left, right = _clip(cx - rx, width), _clip(cx + rx + 1, width)
    top, bottom = _clip(cy - ry, height), _clip(cy + ry + 1, height)
    x = np.arange(left, right)[None, :] + 0.5 - cx
    y = np.arange(top, bottom)[:, None] + 0.5 - cy
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    crop = inside(x * cosine + y * sine, y * cosine - x * sine)
    return Region(left, top, np.broadcast_to(crop, (max(bottom - top, 0), max(right - left, 0))))


def _clip(value: float, limit: int) -> int:
    return int(min(max(math.floor(value), 0), limit))


def from_crop(crop: NDArray[np.bool_], x: int, y: int, size: Size) -> Region:
    """Return the part of a crop that lies in the image."""
    height, width = size
    top, left = max(-y, 0), max(-x, 0)
    inner = crop[top : max(height - y, 0), left : max(width - x, 0)]
    return Region(min(max(x, 0), width), min(max(y, 0), height), np.ascontiguousarray(inner))


def category_of(name: str, ids: Mapping[str, int], where: str) -> int:
    """Return the category id of a class's name.

    Raises:
        ValueError: If there is no such class.
    """
    if name not in ids:
        known = ", ".join(ids)
        msg = f"Expected the label of {where} to be one of {known}, got {name!r}. Add it to the classes."
        raise ValueError(msg)
    return ids[name]
