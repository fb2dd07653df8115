"""COCO's encoding: an RGB map of ids, ``R + 256 G + 65536 B``, and a list of facts; black is void."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from panoptic_fusion._checks import ArrayLike, as_tensor, check_shape
from panoptic_fusion.regions import segment_boxes
from panoptic_fusion.segmentation import PanopticSegmentation


def segmentation_to_coco(
    seg: PanopticSegmentation, *, category_ids: Sequence[int] | None = None
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Encode a map as COCO does.

    Args:
        seg: Ids below ``2**24``.
        category_ids: The data set's id of each contiguous label; by default the labels themselves.

    Returns:
        ``(H, W, 3)`` uint8 RGB on the host, and one dict of plain Python values for each segment: ``id``,
        ``category_id``, ``area``, ``bbox`` (x, y, width, height), ``iscrowd``.

    Raises:
        ValueError: If an id does not fit into 24 bits or a label has no category id.

    Example:
        >>> seg = PanopticSegmentation.from_id_map(torch.tensor([[0, 258]]), [258], [1], [True])
        >>> rgb, segments_info = segmentation_to_coco(seg, category_ids=[7, 21])
        >>> rgb.tolist()
        [[[0, 0, 0], [2, 1, 0]]]
        >>> segments_info
        [{'id': 258, 'category_id': 21, 'area': 1, 'bbox': [1, 0, 1, 1], 'iscrowd': 0}]
    """
    largest = max((segment.id for segment in seg.segments), default=0)
    if largest >= 2**24:
        msg = f"Expected ids below 2**24 = {2**24} (three bytes), got {largest}. Renumber the segments first."
        raise ValueError(msg)
    ids = seg.id_map.cpu().numpy().astype("<i4", copy=False)
    rgb = np.ascontiguousarray(ids).view(np.uint8).reshape(*seg.shape, 4)[..., :3].copy()
    segments_info = []
    for segment, (x0, y0, x1, y1) in zip(seg.segments, segment_boxes(seg).tolist(), strict=True):
        segments_info.append(
            {
                "id": segment.id,
                "category_id": _category_id(segment.label, category_ids),
                "area": segment.area,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": int(segment.iscrowd),
            }
        )
    return rgb, segments_info


def coco_to_segmentation(
    rgb: ArrayLike,
    segments_info: Sequence[dict[str, Any]],
    *,
    num_things: int,
    category_ids: Sequence[int] | None = None,
) -> PanopticSegmentation:
    """Decode COCO's RGB map and segment list.

    Args:
        rgb: ``(H, W, 3)`` uint8 RGB, or ``(H, W)`` integer ids that are decoded already.
        segments_info: Dicts with ``id``, ``category_id`` and, if there are any, ``iscrowd`` and ``score``.
        num_things: Number of thing classes.
        category_ids: The data set's id of each contiguous label, things first; by default the labels.

    Returns:
        The map with the same ids; segments without a pixel are dropped.

    Raises:
        ValueError: If the map holds an id that is not listed, or a category is unknown.
    """
    rgb = as_tensor(rgb, "rgb")
    if rgb.ndim == 3:
        check_shape(rgb, "rgb", (None, None, 3), "(H, W, 3) or (H, W)")
        if rgb.dtype != torch.uint8:
            msg = f"Expected `rgb` to be uint8, got {rgb.dtype}. Read the PNG as 8-bit RGB."
            raise TypeError(msg)
        red, green, blue = rgb.to(torch.int32).unbind(dim=2)
        rgb = red + 256 * green + 65536 * blue
    labels_of = None if category_ids is None else {category: i for i, category in enumerate(category_ids)}
    labels = [_label(int(info["category_id"]), int(info["id"]), labels_of) for info in segments_info]
    return PanopticSegmentation.from_id_map(
        rgb,
        [int(info["id"]) for info in segments_info],
        labels,
        [label < num_things for label in labels],
        scores=[float(info.get("score", 1.0)) for info in segments_info],
        iscrowd=[bool(info.get("iscrowd", 0)) for info in segments_info],
    )


def _category_id(label: int, category_ids: Sequence[int] | None) -> int:
    if category_ids is None:
        return label
    if label >= len(category_ids):
        msg = f"Expected labels below the {len(category_ids)} `category_ids`, got {label}."
        raise ValueError(msg)
    return int(category_ids[label])


def _label(category_id: int, segment_id: int, labels_of: dict[int, int] | None) -> int:
    if labels_of is None:
        return category_id
    if category_id not in labels_of:
        known = sorted(labels_of)
        msg = (
            f"Expected `category_id` of segment {segment_id} to be one of the {len(known)} `category_ids` "
            f"{known[:3]}...{known[-1:]}, got {category_id}. Pass the right table."
        )
        raise ValueError(msg)
    return labels_of[category_id]
