"""The inverse of fusing: a panoptic map taken apart into instances and a semantic map, for checks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from panoptic_core.categories import CategoryTable
from panoptic_core.files import box_masks_to_rle
from panoptic_core.fusing.parts import void_of
from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs


def take_apart(segmentation: PanopticSegmentation, table: CategoryTable) -> RawOutputs:
    """Return what a perfect network would have said: things as instances of their scores, labels everywhere.

    Crowds are no instances; their pixels keep their label in the semantic map.

    Args:
        segmentation: A panoptic map, ground truth or not.
        table: The classes.

    Returns:
        Masks, labels, scores and ``sem_seg`` (255 is void).

    Example:
        >>> from panoptic_core.testing import tiny_scene
        >>> from panoptic_fusion import fuse_by_confidence
        >>> scene = tiny_scene()
        >>> raw = take_apart(scene.segmentation, scene.table)
        >>> raw.labels.tolist()
        [1, 1, 0]
        >>> seg = fuse_by_confidence(
        ...     raw.masks, raw.labels, raw.scores, raw.sem_seg, num_things=2, stuff_area_limit=0
        ... )
        >>> len(seg), len(scene.segmentation)  # the crowd of people stays void
        (6, 7)
    """
    segmentation = segmentation.cpu()
    picked = segmentation.is_thing & ~segmentation.iscrowd
    masks = [segmentation.id_map == number for number in segmentation.ids[picked].tolist()]
    parts = [BoxMasks.from_full(mask[None]) for mask in masks]
    empty = BoxMasks.from_crops([], torch.zeros(0, 4, dtype=torch.int64))
    return RawOutputs(
        segmentation.shape,
        table.num_things,
        len(table),
        sem_seg=segmentation.label_map(void_of(len(table))),
        masks=BoxMasks.cat(parts) if parts else empty,
        labels=segmentation.labels[picked],
        scores=segmentation.scores[picked],
    )


def instance_results(
    image_id: int | str, raw: RawOutputs, table: CategoryTable
) -> Sequence[Mapping[str, Any]]:
    """Return the instances of an image as entries of a COCO results JSON.

    Args:
        image_id: The image.
        raw: With masks, labels and scores.
        table: The classes; their category ids are written.
    """
    assert raw.masks is not None
    assert raw.labels is not None
    assert raw.scores is not None
    entries = []
    for rle, box, label, score in zip(
        box_masks_to_rle(raw.masks, raw.size),
        np.asarray(raw.masks.host_boxes, dtype=np.float64).tolist(),
        raw.labels.tolist(),
        raw.scores.tolist(),
        strict=True,
    ):
        x0, y0, x1, y1 = box
        counts = rle["counts"].decode() if isinstance(rle["counts"], bytes) else rle["counts"]
        entries.append(
            {
                "image_id": image_id,
                "category_id": table.category_ids[label],
                "score": score,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "segmentation": {"size": list(rle["size"]), "counts": counts},
            }
        )
    return entries
