"""Overlapping instance masks in as few map channels as needed, joined to the segments that show them.

A map holds one value a pixel, so masks that overlap need several. Instances whose mask is exactly a visible
segment need none at all, and disjoint ones share one: an image with a few occlusions takes one or two.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_data.transforms.runs import find_extents
from panoptic_data.transforms.tables import InstanceTable, SegmentTable

MIN_JOIN_IOU = 0.1
"""Below this IoU a segment is not taken for the visible part of an instance."""


class InstanceMasks(NamedTuple):
    """The masks of one image as an instance file gives them: they may overlap.

    Attributes:
        ids: Annotation ids ``(N,)`` int64.
        labels: Contiguous thing ids ``(N,)`` int64.
        iscrowd: ``(N,)`` bool.
        windows: ``(N, 4)`` int64, xyxy, half-open, inside the image.
        crops: ``N`` bool arrays; the mask inside its window. Outside it is empty.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    windows: NDArray[np.int64]
    crops: Sequence[NDArray[np.bool_]]


def lay_instances(
    row_map: NDArray[np.int32], segments: SegmentTable, masks: InstanceMasks
) -> tuple[NDArray[np.int32], InstanceTable]:
    """Put instance masks into channels behind the segment map; empty masks are left out.

    Args:
        row_map: ``(H, W)`` int32; row + 1 in `segments`, 0 is void.
        segments: The table of the map.
        masks: The instances of the image, overlapping or not.

    Returns:
        The map ``(H, W)`` if no channel had to be added, else ``(H, W, 1 + L)``, int32; and the table that
        says where each instance is.
    """
    overlaps = np.zeros((len(masks.ids), len(segments) + 1), dtype=np.int64)  # pixels of instance i in row r
    for i, (crop, window) in enumerate(zip(masks.crops, masks.windows, strict=True)):
        overlaps[i] = np.bincount(_view(row_map, window)[crop], minlength=len(segments) + 1)
    areas = overlaps.sum(axis=1)
    row_areas = find_extents(row_map, len(segments) + 1).areas

    channels = np.zeros(len(areas), dtype=np.int64)
    values = np.zeros(len(areas), dtype=np.int32)
    layers: list[NDArray[np.int32]] = []
    for i, (crop, window) in enumerate(zip(masks.crops, masks.windows, strict=True)):
        if areas[i] == 0:
            continue
        row = int(overlaps[i].argmax())
        if row > 0 and overlaps[i, row] == areas[i] == row_areas[row]:
            values[i] = row
            continue
        values[i] = i + 1
        channels[i] = 1 + _lay(layers, crop, window, i + 1, row_map.shape)

    kept = areas > 0
    table = InstanceTable(
        labels=masks.labels[kept],
        iscrowd=masks.iscrowd[kept],
        channels=channels[kept],
        values=values[kept],
        segment_ids=join_segments(masks, areas, overlaps[:, 1:], segments, row_areas[1:])[kept],
    )
    return (np.stack([row_map, *layers], axis=-1) if layers else row_map), table


def join_segments(
    masks: InstanceMasks,
    areas: NDArray[np.int64],
    overlaps: NDArray[np.int64],
    segments: SegmentTable,
    segment_areas: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Find the panoptic segment that shows each instance: by annotation id, else by IoU.

    A pair must agree in class and in crowd or not, and share a pixel. What no id joins is matched one to one
    by falling IoU of the whole mask and the visible segment, down to :data:`MIN_JOIN_IOU`.

    Args:
        masks: ``N`` instances.
        areas: Their pixels ``(N,)``.
        overlaps: Pixels of instance ``i`` in segment ``s``, ``(N, S)``.
        segments: ``S`` segments.
        segment_areas: Their pixels ``(S,)``.

    Returns:
        Segment ids ``(N,)`` int32; 0 where no segment shows the instance.
    """
    joined = np.zeros(len(areas), dtype=np.int32)
    admissible = (
        (overlaps > 0)
        & (masks.labels[:, None] == segments.labels[None, :])
        & (masks.iscrowd[:, None] == segments.iscrowd[None, :])
    )
    same_id = admissible & (masks.ids[:, None] == segments.ids[None, :].astype(np.int64))
    for i, s in np.argwhere(same_id):
        joined[i] = segments.ids[s]
        admissible[i] = False
        admissible[:, s] = False

    unions = areas[:, None] + segment_areas[None, :] - overlaps
    ious = np.where(admissible, overlaps / np.maximum(unions, 1), 0.0)
    for pair in np.argsort(-ious, axis=None, kind="stable"):
        i, s = divmod(int(pair), len(segments))
        if ious[i, s] < MIN_JOIN_IOU:
            break
        if admissible[i, s]:
            joined[i] = segments.ids[s]
            admissible[i] = False
            admissible[:, s] = False
    return joined


def _lay(
    layers: list[NDArray[np.int32]],
    crop: NDArray[np.bool_],
    window: NDArray[np.int64],
    value: int,
    size: tuple[int, ...],
) -> int:
    """Write a mask into the first layer where nothing lies under it; return that layer's index."""
    for index, layer in enumerate(layers):
        view = _view(layer, window)
        if not view[crop].any():
            view[crop] = value
            return index
    layers.append(np.zeros(size, dtype=np.int32))
    _view(layers[-1], window)[crop] = value
    return len(layers) - 1


def _view(label_map: NDArray[np.int32], window: NDArray[np.int64]) -> NDArray[np.int32]:
    x0, y0, x1, y1 = window
    return label_map[y0:y1, x0:x1]
