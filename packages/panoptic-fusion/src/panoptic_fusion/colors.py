"""A panoptic map as a picture: the class by its colour, the instance by a small variation of it."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_shape
from panoptic_fusion._id_maps import look_up
from panoptic_fusion.segmentation import PanopticSegmentation

_STEP = 28  # the strongest variation, in grey levels of 255


def colorize(
    seg: PanopticSegmentation, palette: ArrayLike | None = None, *, boundaries: bool = True
) -> np.ndarray:
    """Paint a panoptic map.

    Args:
        seg: A panoptic map on any device.
        palette: ``(C, 3)`` uint8 RGB, one colour for each class; by default `default_palette`.
        boundaries: Draw a white line, one pixel wide, where two segments meet and one of them is a thing, and
            white stripes over crowds.

    Returns:
        ``(H, W, 3)`` uint8 RGB on the host. Void is black. The same map gives the same picture: the variation
        of an instance depends on its place among the instances of its class only; a crowd is no instance and
        has the colour of its class.

    Raises:
        ValueError: If the palette has fewer colours than the largest label needs.

    Example:
        >>> seg = PanopticSegmentation.from_id_map(torch.tensor([[0, 5]]), [5], [1], [False])
        >>> palette = np.array([[9, 9, 9], [70, 130, 180]], dtype=np.uint8)
        >>> colorize(seg, palette).tolist()
        [[[0, 0, 0], [70, 130, 180]]]
    """
    segments = seg.segments
    classes = max((segment.label for segment in segments), default=-1) + 1
    colors = as_tensor(default_palette(classes) if palette is None else palette, "palette")
    check_shape(colors, "palette", (None, 3), "(C, 3)")
    if colors.dtype != torch.uint8:
        msg = f"Expected `palette` to be uint8 RGB in [0, 255], got {colors.dtype}."
        raise TypeError(msg)
    if colors.shape[0] < classes:
        msg = f"Expected `palette` to have a colour for label {classes - 1}, got {colors.shape[0]} colours."
        raise ValueError(msg)
    base = colors.cpu().numpy().astype(np.int32)
    seen: dict[int, int] = {}
    packed = []
    for segment in segments:
        color = base[segment.label]
        if segment.is_thing and not segment.iscrowd:
            color = np.clip(color + _variation(seen.setdefault(segment.label, 0)), 0, 255)
            seen[segment.label] += 1
        red, green, blue = color.tolist()
        packed.append(red + 256 * green + 65536 * blue)
    table = torch.tensor(packed, dtype=torch.int32, device=seg.device)
    image = look_up(seg.id_map, seg.ids, table, 0)
    if boundaries:
        image = image.masked_fill(thing_borders(seg) | crowd_stripes(seg), 0xFFFFFF)
    pixels = image.cpu().numpy().astype("<i4", copy=False)
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(*seg.shape, 4)[..., :3].copy()


def thing_borders(seg: PanopticSegmentation, width: int = 1) -> Tensor:
    """Return where two segments meet and one of them is a thing.

    Args:
        seg: A panoptic map on any device.
        width: Of the line, in pixels: it begins left of and above the border and grows right and down.

    Returns:
        ``(H, W)`` bool on the map's device.

    Raises:
        ValueError: If `width` is below 1.

    Example:
        >>> seg = PanopticSegmentation.from_id_map(torch.tensor([[0, 5, 5, 5]]), [5], [1], [True])
        >>> thing_borders(seg).tolist(), thing_borders(seg, 2).tolist()
        ([[True, False, False, False]], [[True, True, False, False]])
    """
    if width < 1:
        msg = f"Expected `width` to be at least 1, got {width}."
        raise ValueError(msg)
    things = look_up(seg.id_map, seg.ids, seg.is_thing, 0)  # (H, W) bool
    edges = torch.zeros_like(things)
    edges[:, :-1] |= (seg.id_map[:, 1:] != seg.id_map[:, :-1]) & (things[:, 1:] | things[:, :-1])
    edges[:-1] |= (seg.id_map[1:] != seg.id_map[:-1]) & (things[1:] | things[:-1])
    for axis, size in enumerate(edges.shape):
        narrow = edges.clone()
        for step in range(1, min(width, size)):
            edges.narrow(axis, step, size - step).logical_or_(narrow.narrow(axis, 0, size - step))
    return edges


def crowd_stripes(seg: PanopticSegmentation, width: int = 1) -> Tensor:
    """Return diagonal stripes over the crowd regions of a map, eight times as far apart as they are wide.

    Args:
        seg: A panoptic map on any device.
        width: Of a stripe, in pixels.

    Returns:
        ``(H, W)`` bool on the map's device.
    """
    crowds = look_up(seg.id_map, seg.ids, seg.iscrowd, 0)  # (H, W) bool
    rows, columns = (torch.arange(size, device=seg.device) for size in seg.shape)
    return crowds & ((rows[:, None] + columns) % (8 * width) < width)


def default_palette(num_classes: int) -> np.ndarray:
    """Return distinct colours for any number of classes, ``(num_classes, 3)`` uint8, always the same.

    Hues step by the golden ratio, so that neighbours differ; brightness and saturation take turns.

    Example:
        >>> default_palette(3).shape
        (3, 3)
    """
    number = np.arange(num_classes)
    hue = (0.61803398875 * number + 0.1) % 1.0
    saturation = np.array([0.75, 0.5, 0.9])[number % 3]
    value = np.array([0.95, 0.75, 0.6, 0.85])[number % 4]
    shifts = (np.array([5.0, 3.0, 1.0]) + 6.0 * hue[:, None]) % 6.0  # (C, 3), HSV to RGB
    chroma = np.clip(np.minimum(shifts, 4.0 - shifts), 0.0, 1.0)
    rgb = value[:, None] * (1.0 - saturation[:, None] * chroma)
    return np.rint(255.0 * rgb).astype(np.uint8)


def write_png(path: str | os.PathLike[str], picture: np.ndarray) -> None:
    """Write a picture as PNG with nothing but the standard library.

    Args:
        path: Of the file.
        picture: ``(H, W, 3)`` uint8 RGB with at least one pixel.

    Raises:
        ValueError: If it is no such array.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        msg = f"Expected `picture` to be (H, W, 3) uint8 RGB, got {picture.shape} {picture.dtype}."
        raise ValueError(msg)
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)  # no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    Path(path).write_bytes(data)


def _variation(place: int) -> np.ndarray:
    """Return the colour offset of the n-th instance of a class, ``(3,)`` int32; none for the first."""
    if place == 0:
        return np.zeros(3, dtype=np.int32)
    angles = 2.39996323 * place + np.array([0.0, 2.0943951, 4.1887902])  # the golden angle
    return np.rint(_STEP * np.cos(angles)).astype(np.int32)
