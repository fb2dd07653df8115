"""MMDetection's and DeepLab's encodings: a class label and an instance number in one integer."""

import torch
from torch import Tensor

from panoptic_fusion._checks import ArrayLike, as_tensor, check_count, check_integer, check_shape
from panoptic_fusion._id_maps import look_up, replace_values, runs
from panoptic_fusion.segmentation import PanopticSegmentation

MMDET_INSTANCE_OFFSET = 1000
"""MMDetection's ``INSTANCE_OFFSET``."""


def segmentation_to_mmdet(seg: PanopticSegmentation, *, num_classes: int) -> Tensor:
    """Encode a map as MMDetection does: ``label + 1000 * instance``.

    Args:
        seg: A panoptic map.
        num_classes: Number of classes; void pixels get this value.

    Returns:
        ``(H, W)`` int32 on the device of `seg`.

    Raises:
        ValueError: If a label is not below `num_classes`, or there are more than 999 classes.

    Example:
        >>> id_map = torch.tensor([[4, 6, 0, 9]])
        >>> seg = PanopticSegmentation.from_id_map(id_map, [4, 6, 9], [1, 1, 3], [True, True, False])
        >>> segmentation_to_mmdet(seg, num_classes=4).tolist()
        [[1001, 2001, 4, 3]]
    """
    if not 0 <= num_classes < MMDET_INSTANCE_OFFSET:
        msg = f"Expected `num_classes` in [0, 999], got {num_classes}: this encoding has no room for more."
        raise ValueError(msg)
    _check_labels(seg, num_classes, "num_classes")
    values = seg.labels + MMDET_INSTANCE_OFFSET * _instance_numbers(seg)
    return look_up(seg.id_map, seg.ids, values.to(torch.int32), num_classes)


def mmdet_to_segmentation(
    mmdet_seg: ArrayLike, *, num_things: int, num_classes: int, ignore_index: int = 255
) -> PanopticSegmentation:
    """Decode MMDetection's ``label + 1000 * instance``; ids are numbered from 1 by rising value.

    Args:
        mmdet_seg: ``(H, W)`` integers.
        num_things: Number of thing classes.
        num_classes: Number of classes; the label of void pixels.
        ignore_index: A second label of void, as ground truth holds it.

    Raises:
        ValueError: If a pixel holds an unknown label, or an instance of stuff.
    """
    return _decode(
        mmdet_seg, "mmdet_seg", False, MMDET_INSTANCE_OFFSET, num_things, num_classes, ignore_index
    )


def segmentation_to_deeplab(
    seg: PanopticSegmentation, *, divisor: int = 1000, ignore_index: int = 255
) -> Tensor:
    """Encode a map as DeepLab does: ``label * divisor + instance``, instances from 1 in each class.

    Args:
        seg: A panoptic map.
        divisor: The label divisor; 1000 in Cityscapes, 256 on COCO in some codes.
        ignore_index: Void pixels get ``ignore_index * divisor``.

    Returns:
        ``(H, W)`` int32 on the device of `seg`.

    Raises:
        ValueError: If a class has `divisor` or more instances, or a label is not below `ignore_index`.

    Example:
        >>> id_map = torch.tensor([[4, 6, 0, 9]])
        >>> seg = PanopticSegmentation.from_id_map(id_map, [4, 6, 9], [1, 1, 3], [True, True, False])
        >>> segmentation_to_deeplab(seg).tolist()
        [[1001, 1002, 255000, 3000]]
    """
    check_count(divisor, "divisor", low=1)
    if (ignore_index + 1) * divisor > 2**31:
        msg = f"Expected `ignore_index` * `divisor` to fit into int32, got {ignore_index} * {divisor}."
        raise ValueError(msg)
    _check_labels(seg, ignore_index, "ignore_index")
    same = (seg.labels[:, None] == seg.labels) & (_instance_numbers(seg) > 0)  # (S, S)
    instances = same.tril().sum(dim=1) * (_instance_numbers(seg) > 0)
    largest = int(instances.max()) if len(seg) else 0
    if largest >= divisor:
        msg = f"Expected fewer than `divisor` = {divisor} instances of a class, got {largest}. Raise it."
        raise ValueError(msg)
    values = seg.labels * divisor + instances
    return look_up(seg.id_map, seg.ids, values.to(torch.int32), ignore_index * divisor)


def deeplab_to_segmentation(
    deeplab_seg: ArrayLike, *, num_things: int, num_classes: int, divisor: int = 1000, ignore_index: int = 255
) -> PanopticSegmentation:
    """Decode ``label * divisor + instance``; ids are numbered from 1 by rising value.

    Args:
        deeplab_seg: ``(H, W)`` integers; negative values are void too.
        num_things: Number of thing classes.
        num_classes: Number of classes.
        divisor: The label divisor.
        ignore_index: The label of void pixels.

    Raises:
        ValueError: If a pixel holds an unknown label, or an instance of stuff.
    """
    check_count(divisor, "divisor", low=1)
    return _decode(deeplab_seg, "deeplab_seg", True, divisor, num_things, num_classes, ignore_index)


def _decode(
    encoded: ArrayLike,
    name: str,
    label_first: bool,
    base: int,
    num_things: int,
    num_classes: int,
    ignore_index: int,
) -> PanopticSegmentation:
    """Decode either arithmetic encoding."""
    encoded = as_tensor(encoded, name)
    check_shape(encoded, name, (None, None), "(H, W)")
    check_integer(encoded, name)
    run_values, _ = runs(encoded)
    values = torch.unique(run_values.long())  # (V,), rising
    quotient = torch.div(values, base, rounding_mode="floor")
    labels, instances = (quotient, values % base) if label_first else (values % base, quotient)
    void = (values < 0) | (labels == ignore_index)
    if not label_first:
        void = (values < 0) | (instances == 0) & ((labels == ignore_index) | (labels == num_classes))
    wrong = values[~void & ((labels >= num_classes) | (labels >= num_things) & (instances != 0))]
    if wrong.numel():
        msg = (
            f"Expected `{name}` to hold labels in [0, {num_classes}), instances only of [0, {num_things}), "
            f"got the value {int(wrong[0])}. Check `num_things`, `num_classes` and the encoding."
        )
        raise ValueError(msg)
    ids = torch.where(void, 0, (~void).cumsum(0)).to(torch.int32)  # (V,)
    labels, instances = labels[~void], instances[~void]
    is_thing = labels < num_things
    return PanopticSegmentation.from_id_map(
        replace_values(encoded, values, ids),
        ids[~void],
        labels,
        is_thing,
        iscrowd=is_thing & (instances == 0),
    )


def _instance_numbers(seg: PanopticSegmentation) -> Tensor:
    """Number the things from 1 in the order of the columns; stuff and crowds get 0, ``(S,)`` int64."""
    counted = seg.is_thing & ~seg.iscrowd
    return counted.cumsum(0) * counted


def _check_labels(seg: PanopticSegmentation, limit: int, name: str) -> None:
    largest = int(seg.labels.max()) if len(seg) else -1
    if largest >= limit:
        msg = f"Expected labels below `{name}` = {limit}, got {largest}. Pass the right `{name}`."
        raise ValueError(msg)
