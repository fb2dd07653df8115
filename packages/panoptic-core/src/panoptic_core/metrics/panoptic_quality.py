"""Panoptic quality (PQ) of Kirillov et al. (CVPR 2019, arXiv:1801.00868, section 4.1).

Two modes. ``"exact"`` gives the counts of panopticapi (the COCO and Cityscapes evaluation) to the last one,
its oddities included: areas of the ground truth are believed as given, and of several crowd regions of a
class
only the last one excuses predictions. ``"default"`` counts the areas and lets every crowd region excuse.
The two agree wherever the given areas are right and no image has two crowd regions of one class.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from panoptic_core.metrics._overlaps import Int32Map, Overlaps, overlaps
from panoptic_fusion import PanopticSegmentation

Mode = Literal["default", "exact"]


@dataclass(frozen=True, eq=False)
class PQCounts:
    """What PQ is made of, for each class; ``a + b`` joins two sets of images.

    Attributes:
        iou: ``(C,)`` float64, the summed IoU of the matched pairs.
        tp: ``(C,)`` int64, matched pairs.
        fp: ``(C,)`` int64, predictions without a match.
        fn: ``(C,)`` int64, ground truth without a match.
    """

    iou: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]

    @classmethod
    def zeros(cls, num_classes: int) -> Self:
        """Return the counts of no image."""
        return cls(np.zeros(num_classes), *(np.zeros(num_classes, dtype=np.int64) for _ in range(3)))

    @property
    def num_classes(self) -> int:
        """``C``."""
        return len(self.iou)

    def __add__(self, other: "PQCounts") -> "PQCounts":
        return PQCounts(self.iou + other.iou, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def sum_counts(counts: Iterable[PQCounts], num_classes: int) -> PQCounts:
    """Join the counts of many images; their order changes nothing, not even the last bit.

    Args:
        counts: One entry an image, or any other parts; may be empty, and is never held as a whole.
        num_classes: ``C``.
    """
    running = CountsSum(num_classes)
    for part in counts:
        running.add(part)
    return running.total()


class CountsSum:
    """A running sum of counts, exact: the order in which parts are added changes nothing.

    Args:
        num_classes: ``C``.
    """

    def __init__(self, num_classes: int) -> None:
        self._partials: list[list[float]] = [[] for _ in range(num_classes)]
        self._counts = PQCounts.zeros(num_classes)

    def add(self, part: PQCounts) -> None:
        """Add the counts of an image, or of any other part."""
        for name in ("tp", "fp", "fn"):
            getattr(self._counts, name).__iadd__(getattr(part, name))
        for label in np.flatnonzero(part.iou).tolist():
            _add_exactly(self._partials[label], float(part.iou[label]))

    def total(self) -> PQCounts:
        """Return what was added so far."""
        counts = self._counts
        iou = np.array([math.fsum(values) for values in self._partials], dtype=np.float64)
        return PQCounts(iou, counts.tp.copy(), counts.fp.copy(), counts.fn.copy())


def _add_exactly(partials: list[float], value: float) -> None:
    """Add a number to a list of floats whose exact sum is kept (Shewchuk 1997, grow-expansion)."""
    if not math.isfinite(sum(partials) + value):  # areas given as nonsense
        partials[:] = [sum(partials) + value]
        return
    kept = 0
    for other in partials:
        large, small = (value, other) if abs(value) >= abs(other) else (other, value)
        value = large + small
        rest = small - (value - large)
        if rest:
            partials[kept] = rest
            kept += 1
    partials[kept:] = [value]


class SegmentTable(NamedTuple):
    """The segments of one map as host arrays, all ``(S,)``, in the order in which the file lists them.

    Only the exact mode reads ``areas``, of the ground truth, and takes fractions as it finds them.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    areas: NDArray[Any]


def count_segments(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
) -> PQCounts:
    """Match the segments of one image and count.

    Args:
        pred: The prediction.
        target: The ground truth; crowd segments excuse predictions of their class, void excuses all.
        num_classes: ``C``, things and stuff together.
        mode: ``"default"`` counts the target's areas; ``"exact"`` believes ``target.areas``.
        image: The image's id or name, for errors.

    Returns:
        Counts by class; on the host, also for GPU tensors (whose pixels are counted on the GPU).

    Raises:
        ValueError: If the two differ in size, a label is not in ``[0, C)``, or a map holds an id that its
            segmentation does not list; the message names the image.

    Example:
        >>> import torch
        >>> truth = PanopticSegmentation.from_id_map(
        ...     torch.tensor([[1, 1, 1, 2]]), [1, 2], [0, 1], [True, False]
        ... )
        >>> guess = PanopticSegmentation.from_id_map(
        ...     torch.tensor([[5, 5, 7, 7]]), [5, 7], [0, 1], [True, False]
        ... )
        >>> counts = count_segments(guess, truth, num_classes=2)
        >>> counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()  # IoU 2/3 matches, 1/2 does not
        ([1, 0], [0, 1], [0, 1])
    """
    return count_maps(
        pred.id_map, _columns(pred), target.id_map, _columns(target), num_classes, mode=mode, image=image
    )


class Matches(NamedTuple):
    """Which segments found each other, all arrays on the host.

    The ``M`` matched pairs: ``target_ids``, ``pred_ids``, ``labels`` and ``iou`` (float64 in (0.5, 1]), all
    ``(M,)``. Ground truth without a match (FN): ``missed_ids`` and ``missed_labels``. Predictions without a
    match that nothing excuses (FP): ``wrong_ids`` and ``wrong_labels``.
    """

    target_ids: NDArray[np.int64]
    pred_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    iou: NDArray[np.float64]
    missed_ids: NDArray[np.int64]
    missed_labels: NDArray[np.int64]
    wrong_ids: NDArray[np.int64]
    wrong_labels: NDArray[np.int64]


def match_segments(
    pred: PanopticSegmentation, target: PanopticSegmentation, num_classes: int, *, mode: Mode = "default"
) -> Matches:
    """Say which segments of one image match, and which are missed and wrong; arguments as `count_segments`.

    Ground-truth crowds, and predictions that void or a crowd excuses, are in none of the three lists.
    """
    return _match_maps(
        pred.id_map, _columns(pred), target.id_map, _columns(target), num_classes, mode, "", strict=False
    )


def count_maps(
    pred_map: Int32Map | Tensor,
    pred: SegmentTable,
    target_map: Int32Map | Tensor,
    target: SegmentTable,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
    strict: bool = False,
) -> PQCounts:
    """Do the work of :func:`count_segments` on bare maps ``(H, W)`` int32 and their segment tables.

    The predicted areas are always counted. A listed segment without a pixel does not count, except that
    ``"exact"`` follows panopticapi: it refuses such predictions, and misses such ground truth (FN).

    Args:
        pred_map: The prediction's ids, 0 is void.
        pred: Its segments.
        target_map: The ground truth's ids, 0 is void.
        target: Its segments.
        num_classes: ``C``.
        mode: As :func:`count_segments`.
        image: The image's id or name, for errors.
        strict: Refuse listed segments without a pixel, on both sides: in files they are mistakes.

    Raises:
        ValueError: As :func:`count_segments`.
    """
    where = "" if image is None else f"Image {image!r}: "
    matches = _match_maps(pred_map, pred, target_map, target, num_classes, mode, where, strict=strict)
    return PQCounts(
        np.bincount(matches.labels, weights=matches.iou, minlength=num_classes).astype(np.float64),
        np.bincount(matches.labels, minlength=num_classes),
        np.bincount(matches.wrong_labels, minlength=num_classes),
        np.bincount(matches.missed_labels, minlength=num_classes),
    )


def _match_maps(
    pred_map: Int32Map | Tensor,
    pred: SegmentTable,
    target_map: Int32Map | Tensor,
    target: SegmentTable,
    num_classes: int,
    mode: Mode,
    where: str,
    *,
    strict: bool,
) -> Matches:
    """Check both sides, count the shared pixels and match; ``where`` opens every error."""
    if mode not in ("default", "exact"):
        msg = f"Expected `mode` to be 'default' or 'exact', got {mode!r}."
        raise ValueError(msg)
    if tuple(pred_map.shape) != tuple(target_map.shape):
        msg = (
            f"{where}expected prediction and ground truth of one size, got {tuple(pred_map.shape)} and "
            f"{tuple(target_map.shape)}. Predict at the size of the annotation, or pair the right files."
        )
        raise ValueError(msg)
    _check_labels(pred.labels, num_classes, where, "predicted")
    _check_labels(target.labels, num_classes, where, "ground-truth")
    pred_order, target_order = np.argsort(pred.ids), np.argsort(target.ids)
    shared = overlaps(pred_map, target_map, pred.ids[pred_order], target.ids[target_order])
    _check_listed(shared.pred, pred, pred_map, where, "prediction")
    if mode == "exact" or strict:
        _check_drawn(shared.pred, pred.ids[pred_order], where, "predicted")
    if mode == "default":
        _check_listed(shared.target, target, target_map, where, "ground truth")
    if mode == "default" and strict:
        _check_drawn(shared.target, target.ids[target_order], where, "ground-truth")
    return _match(
        shared,
        _sorted(pred, pred_order),
        _sorted(target, target_order),
        excusing=_excusing_crowds(target, target_order, last_only=mode == "exact"),
        given_areas=mode == "exact",
    )


def _match(
    shared: Overlaps,
    pred: SegmentTable,
    target: SegmentTable,
    *,
    excusing: NDArray[np.bool_],
    given_areas: bool,
) -> Matches:
    """Match; index 0 of every column is void, the last one is for ids that are not listed."""
    t, p, pixels = shared
    count = len(pred.ids)
    pred_areas = np.bincount(p, weights=pixels, minlength=count)
    on_void = np.bincount(p, weights=pixels * (t == 0), minlength=count)
    if given_areas:
        target_areas: NDArray[Any] = target.areas
        missed = (target.ids > 0) & ~target.iscrowd
    else:
        target_areas = np.bincount(t, weights=pixels, minlength=len(target.ids))
        missed = (target.ids > 0) & ~target.iscrowd & (target_areas > 0)

    same_class = (target.labels[t] == pred.labels[p]) & (target.ids[t] > 0) & (pred.ids[p] > 0)
    rows = np.flatnonzero(same_class & ~target.iscrowd[t])
    t_pair, p_pair, shared_pixels = t[rows], p[rows], pixels[rows]
    union = pred_areas[p_pair] + target_areas[t_pair] - shared_pixels - on_void[p_pair]
    with np.errstate(divide="ignore", invalid="ignore"):  # only areas given wrongly can make a union of 0
        iou = shared_pixels / union
    hit = iou > 0.5
    t_hit, p_hit = t_pair[hit], p_pair[hit]

    missed[t_hit] = False
    excused = on_void
    if excusing.any():
        excused = on_void + np.bincount(p, weights=pixels * (same_class & excusing[t]), minlength=count)
    wrong = (pred.ids > 0) & (pred_areas > 0)
    wrong[p_hit] = False
    wrong &= excused / np.maximum(pred_areas, 1) <= 0.5
    return Matches(
        target_ids=target.ids[t_hit],
        pred_ids=pred.ids[p_hit],
        labels=target.labels[t_hit],
        iou=iou[hit],
        missed_ids=target.ids[missed],
        missed_labels=target.labels[missed],
        wrong_ids=pred.ids[wrong],
        wrong_labels=pred.labels[wrong],
    )


def _excusing_crowds(target: SegmentTable, order: NDArray[np.int64], *, last_only: bool) -> NDArray[np.bool_]:
    """Return which targets are crowds that excuse predictions, ``(S + 2,)`` in sorted order."""
    crowds = target.iscrowd.copy()
    if last_only:
        rows = np.flatnonzero(crowds)
        last = {int(target.labels[row]): row for row in rows.tolist()}  # later rows replace earlier ones
        crowds[:] = False
        crowds[list(last.values())] = True
    return np.concatenate([[False], crowds[order], [False]])


def _columns(segmentation: PanopticSegmentation) -> SegmentTable:
    columns = (segmentation.ids, segmentation.labels, segmentation.iscrowd, segmentation.areas)
    ids, labels, iscrowd, areas = (column.cpu().numpy() for column in columns)
    return SegmentTable(ids.astype(np.int64), labels, iscrowd, areas)


def _sorted(table: SegmentTable, order: NDArray[np.int64]) -> SegmentTable:
    """Return the table by rising id, void in front and a row for ids that are not listed at the end."""
    return SegmentTable(
        np.concatenate([[0], table.ids[order], [-1]]),
        np.concatenate([[-1], table.labels[order], [-1]]),
        np.concatenate([[False], table.iscrowd[order], [False]]),
        np.concatenate([[0], table.areas[order], [0]]),
    )


def _check_labels(labels: NDArray[np.int64], num_classes: int, where: str, kind: str) -> None:
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        msg = (
            f"{where}expected {kind} labels in [0, {num_classes}), got values in "
            f"[{labels.min()}, {labels.max()}]. Map category ids to labels by the set's CategoryTable."
        )
        raise ValueError(msg)


def _check_listed(
    places: NDArray[np.int64], table: SegmentTable, id_map: Int32Map | Tensor, where: str, kind: str
) -> None:
    if places.size and places.max() > len(table.ids):
        values = np.unique(id_map.cpu().numpy() if isinstance(id_map, Tensor) else id_map)
        strangers = np.setdiff1d(values, np.append(table.ids, 0))
        shown = ", ".join(map(str, strangers[:5].tolist())) + (", ..." if strangers.size > 5 else "")
        msg = (
            f"{where}expected every id of the {kind}'s map in its list of segments, got {strangers.size} "
            "others: "
            f"{shown}. List them, or set their pixels to 0 (void)."
        )
        raise ValueError(msg)


def _check_drawn(places: NDArray[np.int64], ids: NDArray[np.int64], where: str, kind: str) -> None:
    drawn = np.zeros(len(ids) + 2, dtype=bool)
    drawn[places] = True
    absent = ids[~drawn[1:-1]]
    if absent.size:
        shown = ", ".join(map(str, absent[:5].tolist())) + (", ..." if absent.size > 5 else "")
        msg = (
            f"{where}expected each listed {kind} segment to own a pixel, got {absent.size} that do not: "
            f"{shown}. "
            "Drop the entries of segments that vanished; the official evaluation refuses such predictions."
        )
        raise ValueError(msg)
