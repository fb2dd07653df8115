"""Boundary PQ: panoptic quality whose IoU also asks for the outlines.

Cheng et al., "Boundary IoU", CVPR 2021, arXiv:2103.16562. The boundary of a segment are its pixels that lie
within d pixels of its outline, d = 2 % of the image's diagonal, rounded, at least 1; the rim of the image is
outline too. The IoU of PQ is replaced by the lesser of the IoU of the masks and the IoU of the boundaries,
for the match and for the sum alike.

Void and crowds as in the authors' evaluation (bowenc0221/boundary-iou-api): the pixels of a predicted
boundary where the truth is void do not count; crowds match nothing; what excuses a prediction is PQ's rule,
on whole masks. Distances are chessboard distances there (erosions by 3 x 3), and so here.
"""

import math
from typing import Any

import numpy as np
from torch import Tensor

from panoptic_core.metrics._columns import Columns, pq_columns
from panoptic_core.metrics._overlaps import Int32Map, overlaps
from panoptic_core.metrics.matching import candidates, count_matches, match_pairs
from panoptic_core.metrics.pairing import FloatArray, IntArray, SegmentPairs

DILATION = 0.02
_INSIDE = -1  # no segment's id


def boundary_width(height: int, width: int, ratio: float = DILATION) -> int:
    """Return the width of boundaries in an image of that size, in pixels."""
    return max(1, round(ratio * math.hypot(height, width)))


def count_boundary(
    pairs: SegmentPairs, pred_map: Int32Map | Tensor, target_map: Int32Map | Tensor, num_classes: int
) -> Columns:
    """Match and count by the lesser IoU."""
    rows = candidates(pairs)
    rows = rows[pairs.iou(rows) > 0.5]  # no other pair can match
    iou = _boundary_iou(pairs, pred_map, target_map, rows)
    return pq_columns(count_matches(pairs, match_pairs(pairs, limit=(rows, iou)), num_classes))


def inside(ids: Any, width: int) -> Any:
    """Return which pixels have only their own id within `width` pixels, none of them outside of the image.

    Args:
        ids: ``(H, W)`` array or tensor.
        width: At least 1.

    Returns:
        ``(H - 2 width, W - 2 width)`` bool: the rest of the map is near the rim.
    """
    corner = ids[:-1, :-1]
    mixed = (corner != ids[:-1, 1:]) | (corner != ids[1:, :-1]) | (corner != ids[1:, 1:])  # of each 2 x 2
    mixed = _any_of(mixed, 2 * width, along=0)
    return ~_any_of(mixed, 2 * width, along=1)


def _any_of(flags: Any, count: int, *, along: int) -> Any:
    """Return whether any of `count` flags in a row is set, from each place that has as many; by doubling."""
    have = 1
    while have < count:
        step = min(have, count - have)
        flags = flags[:-step] | flags[step:] if along == 0 else flags[:, :-step] | flags[:, step:]
        have += step
    return flags


def _boundary_iou(
    pairs: SegmentPairs, pred_map: Int32Map | Tensor, target_map: Int32Map | Tensor, rows: IntArray
) -> FloatArray:
    width = boundary_width(*pred_map.shape)
    pred_band, target_band = (_only_boundaries(ids, width) for ids in (pred_map, target_map))
    t, p, pixels = overlaps(pred_band, target_band, pairs.pred.ids[1:-1], pairs.target.ids[1:-1])
    pred_pixels = np.bincount(p, weights=pixels, minlength=len(pairs.pred.ids))
    target_pixels = np.bincount(t, weights=pixels, minlength=len(pairs.target.ids))
    on_void = np.bincount(p, weights=pixels * (t == 0), minlength=len(pairs.pred.ids))

    t_row, p_row = pairs.shared.target[rows], pairs.shared.pred[rows]
    codes, wanted = t * len(pairs.pred.ids) + p, t_row * len(pairs.pred.ids) + p_row  # codes rise
    place = np.searchsorted(codes, wanted).clip(max=max(len(codes) - 1, 0))
    shared = np.where(codes[place] == wanted, pixels[place], 0) if len(codes) else np.zeros(len(rows))
    union = pred_pixels[p_row] + target_pixels[t_row] - shared - on_void[p_row]
    return np.asarray(shared / union, dtype=np.float64)  # a drawn segment has a boundary


def _only_boundaries(ids: Int32Map | Tensor, width: int) -> Any:
    """Return the map with what is inside of segments set to an id that is not listed; void stays void."""
    height, breadth = ids.shape
    result = ids.clone() if isinstance(ids, Tensor) else ids.copy()
    if min(height, breadth) > 2 * width:
        middle = result[width:-width, width:-width]
        middle[inside(ids, width) & (middle != 0)] = _INSIDE
    return result
