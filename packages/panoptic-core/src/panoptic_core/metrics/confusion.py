"""Mean intersection over union of label maps, from a confusion matrix (Everingham et al., PASCAL VOC)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics._overlaps import overlaps


@dataclass(frozen=True)
class IoUResult:
    """Semantic segmentation quality of a set of images, in percent.

    Attributes:
        miou: Mean of the class values that are not NaN; NaN if there is none.
        pixel_accuracy: Share of the annotated pixels that got their class; NaN without annotated pixels.
        per_class: IoU by class name in label order; NaN where a class is neither predicted nor annotated.
    """

    miou: float
    pixel_accuracy: float
    per_class: dict[str, float]


def confusion_matrix(
    pred: Tensor | NDArray[np.integer],
    target: Tensor | NDArray[np.integer],
    num_classes: int,
    *,
    ignore_index: int = 255,
    image: int | str | None = None,
) -> NDArray[np.int64]:
    """Count the pixels of each pair of annotated and predicted class; matrices of images add up.

    Args:
        pred: ``(H, W)`` labels in ``[0, C)``; `ignore_index` where nothing was predicted.
        target: ``(H, W)`` labels in ``[0, C)``; `ignore_index` where nothing is annotated.
        num_classes: ``C``.
        ignore_index: The value of void: -1, or at least ``C``.
        image: The image's id or name, for errors.

    Returns:
        ``(C, C + 1)``: a row for each annotated class, a column for each predicted class; the last column
        holds annotated pixels without a prediction. Pixels without annotation do not count.

    Raises:
        ValueError: If the maps differ in size, or hold other values.
        TypeError: If a map does not hold integers.
    """
    pred, target = (torch.from_numpy(m) if isinstance(m, np.ndarray) else m for m in (pred, target))
    where = "" if image is None else f"Image {image!r}: "
    if pred.shape != target.shape:
        msg = (
            f"{where}expected prediction and ground truth of one size, got {tuple(pred.shape)} and "
            f"{tuple(target.shape)}. Predict at the size of the annotation."
        )
        raise ValueError(msg)
    for labels, kind in ((pred, "predicted"), (target, "ground-truth")):
        if labels.is_floating_point() or labels.dtype == torch.bool:
            msg = f"{where}expected {kind} labels as integers, got {labels.dtype}. Convert them (`.long()`)."
            raise TypeError(msg)
    if not -1 <= ignore_index < 2**31 - 2 or 0 <= ignore_index < num_classes:
        msg = f"Expected `ignore_index` to be -1 or at least {num_classes}, got {ignore_index}."
        raise ValueError(msg)
    listed = np.arange(1, num_classes + 1)
    if ignore_index >= num_classes:
        listed = np.append(listed, ignore_index + 1)
    shared = overlaps(_as_ids(pred), _as_ids(target), listed, listed)
    # Places: 0 is a void of -1, 1..C the classes, C + 1 another void if there is one, the last a stray value.
    stray = len(listed) + 1
    for places, labels, kind in ((shared.pred, pred, "predicted"), (shared.target, target, "ground-truth")):
        if places.size and ((places == stray).any() or (ignore_index != -1 and (places == 0).any())):
            wrong = labels[(labels != ignore_index) & ((labels < 0) | (labels >= num_classes))]
            msg = (
                f"{where}expected {kind} labels in [0, {num_classes}) or {ignore_index} (void), "
                f"got {int(wrong[0])}. Map category ids to labels by the set's CategoryTable."
            )
            raise ValueError(msg)
    rows, columns = (
        np.where(places == 0, num_classes, places - 1) for places in (shared.target, shared.pred)
    )
    counts = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    np.add.at(counts, (rows, columns), shared.pixels)
    return counts[:num_classes]


def _as_ids(labels: Tensor) -> Tensor:
    """Return label + 1 as int32: void of -1 becomes 0, all classes are ids > 0."""
    return torch.add(labels, 1, out=torch.empty_like(labels, dtype=torch.int32))


def mean_iou(confusion: NDArray[np.int64], names: CategoryTable | Sequence[str] | None = None) -> IoUResult:
    """Compute IoUs from the sum of confusion matrices.

    Args:
        confusion: ``(C, C + 1)`` as :func:`confusion_matrix` returns it.
        names: Class names or the category table; by default the labels.

    Raises:
        ValueError: If the matrix has another shape, or names differ in number.

    Example:
        >>> result = mean_iou(np.array([[3, 1, 0], [0, 2, 2]]))  # 3 / 4 and 2 / (4 + 1)
        >>> result.miou, result.per_class
        (57.5, {'0': 75.0, '1': 40.0})
    """
    classes = len(confusion)
    if confusion.shape != (classes, classes + 1):
        msg = f"Expected `confusion` to be (C, C + 1), got {confusion.shape}. Use `confusion_matrix`."
        raise ValueError(msg)
    names = names.names if isinstance(names, CategoryTable) else names
    names = [str(label) for label in range(classes)] if names is None else names
    if len(names) != classes:
        msg = f"Expected a name for each of the {classes} classes, got {len(names)} names."
        raise ValueError(msg)
    hits = np.diagonal(confusion)
    annotated, predicted = confusion.sum(axis=1), confusion.sum(axis=0)[:classes]
    iou = class_iou(hits, annotated, predicted)
    with np.errstate(invalid="ignore"):
        accuracy = 100 * hits.sum() / annotated.sum()
    occurs = ~np.isnan(iou)
    miou = float(iou[occurs].mean()) if occurs.any() else float("nan")
    return IoUResult(miou, float(accuracy), dict(zip(names, iou.tolist(), strict=True)))


def class_iou(
    hits: NDArray[np.int64], annotated: NDArray[np.int64], predicted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the IoU of each class from pixel counts ``(C,)``, percent; NaN where a class does not occur."""
    with np.errstate(invalid="ignore"):
        return 100 * hits / (annotated + predicted - hits)
