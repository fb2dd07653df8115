"""Which segments of a prediction and its ground truth share pixels: what all segment metrics start from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from panoptic_core.metrics._overlaps import Int32Map, Overlaps, overlaps
from panoptic_fusion import PanopticSegmentation

Mode = Literal["default", "exact"]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class SegmentTable(NamedTuple):
    """The segments of one map as host arrays, all ``(S,)``, in the order in which the file lists them.

    Only the exact mode reads ``areas``, of the ground truth, and takes fractions as it finds them.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    areas: NDArray[Any]


@dataclass(frozen=True, eq=False)
class SegmentPairs:
    """The pairs of one image that share pixels, and both sides' segments.

    Sides are sorted by id. Place 0 of every column is void, the last place is for ids that are not listed.

    Attributes:
        shared: Every pair of places with its pixels.
        pred: The predicted segments.
        target: The true segments.
        excusing: ``(S + 2,)`` bool, the true crowds that excuse predictions.
        mode: ``"default"`` or ``"exact"``.
    """

    shared: Overlaps
    pred: SegmentTable
    target: SegmentTable
    excusing: NDArray[np.bool_]
    mode: Mode

    @cached_property
    def pred_pixels(self) -> FloatArray:
        """Pixels of each predicted segment."""
        return _sums(self.shared.pred, self.shared.pixels, len(self.pred.ids))

    @cached_property
    def pred_on_void(self) -> FloatArray:
        """Pixels of each predicted segment where the truth is void."""
        t, p, pixels = self.shared
        return _sums(p, pixels * (t == 0), len(self.pred.ids))

    @cached_property
    def target_pixels(self) -> FloatArray:
        """Pixels of each true segment."""
        return _sums(self.shared.target, self.shared.pixels, len(self.target.ids))

    @property
    def target_areas(self) -> NDArray[Any]:
        """Areas of the true segments: counted, or as given in the exact mode."""
        return self.target.areas if self.mode == "exact" else self.target_pixels

    @cached_property
    def listed(self) -> NDArray[np.bool_]:
        """Which pairs are of two listed segments, ``(P,)``."""
        return (self.target.ids[self.shared.target] > 0) & (self.pred.ids[self.shared.pred] > 0)

    @cached_property
    def same_class(self) -> NDArray[np.bool_]:
        """Which pairs are of two listed segments of one class, ``(P,)``."""
        t, p, _ = self.shared
        return self.listed & (self.target.labels[t] == self.pred.labels[p])

    def iou(self, rows: IntArray) -> FloatArray:
        """Return the IoU of pairs as PQ has it: the prediction's pixels on void do not count."""
        t, p, pixels = (column[rows] for column in self.shared)
        union = self.pred_pixels[p] + self.target_areas[t] - pixels - self.pred_on_void[p]
        with np.errstate(divide="ignore", invalid="ignore"):  # only areas given wrongly make a union of 0
            return np.asarray(pixels / union, dtype=np.float64)


def pair_segments(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
) -> SegmentPairs:
    """Pair the segments of one image.

    Arguments and errors as :func:`~panoptic_core.metrics.panoptic_quality.count_segments`.
    """
    return pair_maps(
        pred.id_map,
        segment_table(pred),
        target.id_map,
        segment_table(target),
        num_classes,
        mode=mode,
        image=image,
    )


def pair_maps(
    pred_map: Int32Map | Tensor,
    pred: SegmentTable,
    target_map: Int32Map | Tensor,
    target: SegmentTable,
    num_classes: int,
    *,
    mode: Mode = "default",
    image: int | str | None = None,
    strict: bool = False,
) -> SegmentPairs:
    """Check both sides and count the shared pixels.

    Arguments and errors as :func:`~panoptic_core.metrics.panoptic_quality.count_maps`.
    """
    where = "" if image is None else f"Image {image!r}: "
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
    return SegmentPairs(
        shared,
        _sorted(pred, pred_order),
        _sorted(target, target_order),
        excusing=_excusing_crowds(target, target_order, last_only=mode == "exact"),
        mode=mode,
    )


def _sums(places: IntArray, pixels: IntArray, count: int) -> FloatArray:
    return np.asarray(np.bincount(places, weights=pixels, minlength=count), dtype=np.float64)


def _excusing_crowds(target: SegmentTable, order: NDArray[np.int64], *, last_only: bool) -> NDArray[np.bool_]:
    """Return which targets are crowds that excuse predictions, ``(S + 2,)`` in sorted order."""
    crowds = target.iscrowd.copy()
    if last_only:
        rows = np.flatnonzero(crowds)
        last = {int(target.labels[row]): row for row in rows.tolist()}  # later rows replace earlier ones
        crowds[:] = False
        crowds[list(last.values())] = True
    return np.concatenate([[False], crowds[order], [False]])


def segment_table(segmentation: PanopticSegmentation) -> SegmentTable:
    """Return a segmentation's columns on the host."""
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
