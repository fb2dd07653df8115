"""COCO's average precision of boxes and masks, by pycocotools (https://cocodataset.org/#detection-eval)."""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panoptic_core.categories import CategoryTable

Kind = Literal["box", "mask"]
_IOU_TYPES = {"box": "bbox", "mask": "segm"}


@dataclass(frozen=True)
class Detections:
    """What a model found in one image.

    Attributes:
        labels: ``(N,)`` thing labels.
        scores: ``(N,)``.
        boxes: ``(N, 4)`` xyxy in pixels.
        masks: ``N`` compressed RLEs (:func:`panoptic_core.files.box_masks_to_rle`); needed for mask AP.
    """

    labels: ArrayLike
    scores: ArrayLike
    boxes: ArrayLike
    masks: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class GroundTruth:
    """The annotated instances of one image.

    Attributes:
        labels: ``(N,)`` thing labels.
        boxes: ``(N, 4)`` xyxy in pixels.
        masks: ``N`` compressed RLEs; needed for mask AP.
        iscrowd: ``(N,)`` bool; crowds excuse detections. None if not given.
        areas: ``(N,)`` pixels, which sort into small, medium and large; by default those of the masks, or of
            the boxes.
    """

    labels: ArrayLike
    boxes: ArrayLike
    masks: Sequence[Mapping[str, Any]] | None = None
    iscrowd: ArrayLike | None = None
    areas: ArrayLike | None = None


@dataclass(frozen=True)
class APResult:
    """COCO's numbers, in percent; NaN where there is no ground truth to find.

    Attributes:
        ap: Mean over IoU 0.50, 0.55, ..., 0.95.
        ap50: At IoU 0.5.
        ap75: At IoU 0.75.
        ap_small: Of areas below 32^2.
        ap_medium: Of areas between 32^2 and 96^2.
        ap_large: Of larger areas.
        per_class: ``ap`` by class name, in label order.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    per_class: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        return asdict(self)


def coco_ap(
    detections: Sequence[Detections],
    ground_truth: Sequence[GroundTruth],
    classes: CategoryTable | Sequence[str],
    *,
    kinds: Sequence[Kind] = ("box", "mask"),
    max_detections: int = 100,
) -> dict[Kind, APResult]:
    """Compute box and mask AP.

    Args:
        detections: One entry an image.
        ground_truth: One entry an image, in the same order.
        classes: The category table (its things count) or the names of the thing classes in label order.
        kinds: ``"box"``, ``"mask"`` or both.
        max_detections: The best so many of an image count.

    Returns:
        The result of each kind.

    Raises:
        ValueError: If the numbers of images or of columns differ, a label is not a thing, or masks are
        missing;
            the message names the image by its place.

    Example:
        >>> truth = GroundTruth([0], [[0, 0, 10, 10]])
        >>> found = Detections([0, 0], [0.9, 0.8], [[0, 0, 10, 10], [50, 50, 60, 60]])
        >>> round(coco_ap([found], [truth], ["car"], kinds=["box"])["box"].ap, 6)
        100.0
    """
    names = classes.names[: classes.num_things] if isinstance(classes, CategoryTable) else tuple(classes)
    if len(detections) != len(ground_truth):
        msg = f"Expected as many images in both lists, got {len(detections)} and {len(ground_truth)}."
        raise ValueError(msg)
    results: dict[Kind, APResult] = {}
    for kind in kinds:
        if kind not in _IOU_TYPES:
            msg = f"Expected `kinds` of 'box' and 'mask', got {kind!r}."
            raise ValueError(msg)
        truth_rows: list[dict[str, Any]] = []
        found_rows: list[dict[str, Any]] = []
        for i, (found, truth) in enumerate(zip(detections, ground_truth, strict=True)):
            truth_rows += _truth_rows(truth, i, len(names), kind)
            found_rows += _found_rows(found, i, len(names), kind)
        results[kind] = _evaluate(truth_rows, found_rows, len(detections), names, kind, max_detections)
    return results


def _evaluate(
    truth: list[dict[str, Any]],
    found: list[dict[str, Any]],
    num_images: int,
    names: Sequence[str],
    kind: Kind,
    max_detections: int,
) -> APResult:
    if not num_images or not names:
        return _result([np.zeros(0)] * 6, {name: np.zeros(0) for name in names})
    with redirect_stdout(StringIO()):  # pycocotools prints its progress
        evaluation = COCOeval(
            _coco(truth, num_images, names), _coco(found, num_images, names), _IOU_TYPES[kind]
        )
        evaluation.params.maxDets = [max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # (IoU, recall, class, area range, 1); -1: no ground truth
    thresholds = evaluation.params.iouThrs
    at_50, at_75 = (int(np.argmin(np.abs(thresholds - value))) for value in (0.5, 0.75))
    values = [
        precision[:, :, :, 0, 0],
        precision[at_50, :, :, 0, 0],
        precision[at_75, :, :, 0, 0],
        *(precision[:, :, :, area, 0] for area in (1, 2, 3)),
    ]
    return _result(values, {name: precision[:, :, label, 0, 0] for label, name in enumerate(names)})


def _result(precisions: Sequence[Any], per_class: Mapping[str, Any]) -> APResult:
    ap, ap50, ap75, small, medium, large = map(_mean, precisions)
    classes = {name: _mean(precision) for name, precision in per_class.items()}
    return APResult(ap, ap50, ap75, small, medium, large, classes)


def _mean(precision: Any) -> float:
    known = precision[precision > -1]
    return 100 * float(known.mean()) if known.size else float("nan")


def _coco(annotations: list[dict[str, Any]], num_images: int, names: Sequence[str]) -> COCO:
    """Return an index over annotations in memory; ids count from 1, as pycocotools takes 0 for "no match"."""
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": 0, "width": 0} for i in range(num_images)],  # sizes are in the RLEs
        "annotations": annotations,
        "categories": [{"id": label, "name": name} for label, name in enumerate(names)],
    }
    coco.createIndex()
    return coco


def _truth_rows(truth: GroundTruth, image: int, num_classes: int, kind: Kind) -> list[dict[str, Any]]:
    labels, boxes = _columns(truth, image, num_classes, kind, "ground truth")
    crowds = np.zeros(len(labels)) if truth.iscrowd is None else np.asarray(truth.iscrowd)
    areas = _areas(truth, boxes) if truth.areas is None else np.asarray(truth.areas)
    _check_length(image, "ground truth", len(labels), iscrowd=crowds, areas=areas)
    rows = _rows(image, labels, boxes, truth.masks, areas)
    return [row | {"iscrowd": int(crowd)} for row, crowd in zip(rows, crowds.tolist(), strict=True)]


def _found_rows(found: Detections, image: int, num_classes: int, kind: Kind) -> list[dict[str, Any]]:
    labels, boxes = _columns(found, image, num_classes, kind, "detections")
    scores = np.asarray(found.scores, dtype=np.float64).reshape(-1)
    _check_length(image, "detections", len(labels), scores=scores)
    areas = _areas(found, boxes) if kind == "mask" else _box_areas(boxes)
    rows = _rows(image, labels, boxes, found.masks, areas)
    return [row | {"score": score} for row, score in zip(rows, scores.tolist(), strict=True)]


def _columns(instances: Detections | GroundTruth, image: int, num_classes: int, kind: Kind, what: str) -> Any:
    labels = np.asarray(instances.labels, dtype=np.int64).reshape(-1)
    boxes = np.asarray(instances.boxes, dtype=np.float64).reshape(-1, 4)
    _check_length(image, what, len(labels), boxes=boxes)
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        msg = (
            f"Image {image}, {what}: expected thing labels in [0, {num_classes}), got values in "
            f"[{labels.min()}, {labels.max()}]. Stuff has no instances."
        )
        raise ValueError(msg)
    if kind == "mask" and instances.masks is None:
        msg = f"Image {image}, {what}: expected `masks` for mask AP, got none. Give RLEs, or ask for 'box'."
        raise ValueError(msg)
    if instances.masks is not None:
        _check_length(image, what, len(labels), masks=instances.masks)
    return labels, boxes


def _check_length(image: int, what: str, count: int, **columns: Any) -> None:
    for name, column in columns.items():
        if len(column) != count:
            msg = f"Image {image}, {what}: expected {count} `{name}`, one for each label, got {len(column)}."
            raise ValueError(msg)


def _areas(instances: Detections | GroundTruth, boxes: Any) -> Any:
    if instances.masks is None:
        return _box_areas(boxes)
    return np.array([float(coco_mask.area(rle)) for rle in instances.masks])


def _box_areas(boxes: Any) -> Any:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _rows(
    image: int, labels: Any, boxes: Any, masks: Sequence[Mapping[str, Any]] | None, areas: Any
) -> list[dict[str, Any]]:
    rows = []
    for i, (label, (x0, y0, x1, y1)) in enumerate(zip(labels.tolist(), boxes.tolist(), strict=True)):
        row = {
            "image_id": image,
            "category_id": label,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": float(areas[i]),
            "iscrowd": 0,
        }
        rows.append(row if masks is None else row | {"segmentation": masks[i]})
    return rows
