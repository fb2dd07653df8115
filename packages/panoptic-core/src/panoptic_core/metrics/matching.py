"""Which segments of a prediction and its ground truth find each other: the matching of panoptic quality.

Kirillov et al., CVPR 2019, arXiv:1801.00868, section 4.1: a pair of one class matches if its IoU exceeds 0.5;
void and crowds excuse predictions. At most one partner can exceed 0.5, so that nothing has to be searched.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from panoptic_core.metrics._overlaps import Int32Map, Overlaps, overlaps
from panoptic_fusion import PanopticSegmentation

Mode = Literal["default", "exact"]


class SegmentTable(NamedTuple):
    """The segments of one map as host arrays, all ``(S,)``, in the order in which the file lists them.

    Only the exact mode reads ``areas``, of the ground truth, and takes fractions as it finds them.
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    areas: NDArray[Any]


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
    """Say which segments of one image match, and which are missed and wrong.

    Arguments as :func:`~panoptic_core.metrics.panoptic_quality.count_segments`. Ground-truth
    crowds, and predictions that void or a crowd excuses, are in none of the three lists.
    """
    return match_maps(
        pred.id_map,
        segment_table(pred),
        target.id_map,
        segment_table(target),
        num_classes,
        mode,
        "",
        strict=False,
    )


def match_maps(
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
