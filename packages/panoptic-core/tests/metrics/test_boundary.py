"""Boundary PQ: by hand, beside erosions of each mask, and its relation to PQ."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from panoptic_core.metrics import PQCounts, count_extended, count_maps, count_segments, summarize_extended
from panoptic_core.metrics._boundary import boundary_width, count_boundary, inside
from panoptic_core.metrics._columns import pq_counts
from panoptic_core.metrics.pairing import pair_maps
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation


def test_width_by_hand() -> None:
    assert boundary_width(1024, 2048) == 46  # 0.02 * 2289.7 = 45.8
    assert boundary_width(480, 640) == 16  # 0.02 * 800
    assert boundary_width(3, 4) == 1  # at least a pixel


def square(ids: np.ndarray) -> PanopticSegmentation:
    return PanopticSegmentation.from_id_map(torch.from_numpy(ids), [1, 2], [0, 1], [True, False])


def test_by_hand() -> None:
    # 40 x 40: the diagonal is 56.6, so boundaries are 1 pixel wide. The thing is a square of 20 x 20, found
    # one pixel to the right: masks share 20 * 19 = 380 of 420, IoU 0.905. Boundaries are 76 pixels each, the
    # rings of the squares; they share 19 pixels of the top and bottom rows: 38 of 114, IoU 1 / 3: no match.
    truth, pred = np.full((40, 40), 2, dtype=np.int32), np.full((40, 40), 2, dtype=np.int32)
    truth[10:30, 10:30] = 1
    pred[10:30, 11:31] = 1
    assert count_segments(square(pred), square(truth), 2).tp.tolist() == [1, 1]
    counts = count_extended(square(pred), square(truth), [True, False], measures=["boundary"])
    result = summarize_extended(counts, [True, False]).boundary
    assert result is not None
    thing, stuff = result.per_class
    assert (thing.tp, thing.fp, thing.fn) == (0, 1, 1)
    # The stuff has the image's rim, 4 * 39 = 156 pixels, and the pixels around the square, corners included:
    # 22 * 22 - 20 * 20 = 84, so 240. Around the squares they share 21 pixels of the rows above and below
    # (columns 10 to 30 of 9 to 30 and 10 to 31): 156 + 42 = 198 of 240 + 240 - 198 = 282.
    assert (stuff.tp, stuff.fp, stuff.fn) == (1, 0, 0)
    assert stuff.sq == pytest.approx(100 * 198 / 282)


def test_void_is_taken_off_boundaries_by_hand() -> None:
    # The thing is 20 x 10 beside void, the prediction goes on into the void: the masks' IoU is 1. The true
    # ring has 2 * 20 + 2 * 8 = 56 pixels. The prediction's ring of 20 x 20 has 76, of them on void 2 * 10 in
    # the top and bottom rows and 18 in the last column; the other 38 are on the true ring: 38 of 56.
    truth, pred = np.full((40, 40), 2, dtype=np.int32), np.full((40, 40), 2, dtype=np.int32)
    truth[:, 20:] = 0
    truth[10:30, 10:20] = 1
    pred[10:30, 10:30] = 1
    counts = count_extended(square(pred), square(truth), [True, False], measures=["boundary"])
    result = summarize_extended(counts, [True, False]).boundary
    assert result is not None
    assert result.things.sq == pytest.approx(100 * 38 / 56)


def test_the_masks_may_be_the_lesser_by_hand() -> None:
    # A square of 50 x 50 with a hole of 34 x 34 in the prediction. Masks: 2500 - 1156 = 1344 of 2500. The
    # boundaries share the square's ring, 4 * 49 = 196; the hole's has 36 * 36 - 1156 = 140: 196 of 336, more.
    truth, pred = np.full((52, 52), 2, dtype=np.int32), np.full((52, 52), 2, dtype=np.int32)
    truth[1:51, 1:51] = pred[1:51, 1:51] = 1
    pred[9:43, 9:43] = 2
    counts = count_extended(square(pred), square(truth), [True, False], measures=["boundary"])
    result = summarize_extended(counts, [True, False]).boundary
    assert result is not None
    assert result.things.sq == pytest.approx(100 * 1344 / 2500)


def literal_inside(ids: np.ndarray, width: int) -> np.ndarray:
    """Erode each segment's mask `width` times by 3 x 3, nothing outside of the image."""
    result = np.zeros(ids.shape, dtype=bool)
    for one in np.unique(ids):
        mask = np.pad(ids == one, 1)
        for _ in range(width):
            shifts = [np.roll(mask, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
            mask = np.logical_and.reduce(shifts)
        result |= mask[1:-1, 1:-1]
    return result


@pytest.mark.parity
@pytest.mark.parametrize("width", [1, 2, 3, 5, 6])
def test_inside_is_what_erosions_leave(random_pair: Callable[..., Any], width: int) -> None:
    for seed in range(8):
        ids = random_pair(seed, size=(24, 40)).target_map
        expected = literal_inside(ids, width)
        assert np.array_equal(inside(ids, width), expected[width:-width, width:-width])
        assert np.array_equal(
            inside(torch.from_numpy(ids), width).numpy(), expected[width:-width, width:-width]
        )
        expected[width:-width, width:-width] = False
        assert not expected.any()  # the rim is boundary


def literal(pair: Any, num_classes: int) -> PQCounts:
    """Match by the lesser IoU of masks and boundaries, segment by segment."""
    width = boundary_width(*pair.pred_map.shape)
    pred_band, target_band = (~literal_inside(ids, width) for ids in (pair.pred_map, pair.target_map))
    void = pair.target_map == 0
    counts = PQCounts.zeros(num_classes)
    matched = set()
    for one, label, crowd in zip(*pair.target[:3], strict=True):
        mask = pair.target_map == one
        hit = False
        for other, other_label in zip(*pair.pred[:2], strict=True):
            found = pair.pred_map == other
            if crowd or label != other_label or not (mask & found).any():
                continue
            iou = (mask & found).sum() / (mask | (found & ~void)).sum()
            inner, outer = mask & target_band, found & pred_band
            iou = min(iou, (inner & outer).sum() / (inner | (outer & ~void)).sum())
            if iou > 0.5:
                counts.iou[label] += iou
                counts.tp[label] += 1
                hit = True
                matched.add(other)
        counts.fn[label] += not hit and not crowd
    for other, label in zip(*pair.pred[:2], strict=True):
        found = pair.pred_map == other
        crowds = pair.target.ids[pair.target.iscrowd & (pair.target.labels == label)]
        excused = (found & (void | np.isin(pair.target_map, crowds))).sum()
        counts.fp[label] += other not in matched and excused / found.sum() <= 0.5
    return counts


@pytest.mark.parity
@pytest.mark.parametrize("size", [(24, 30), (70, 60), (3, 9)], ids=str)
def test_literal_loop(random_pair: Callable[..., Any], size: tuple[int, int]) -> None:
    matches = 0
    for seed in range(25):
        pair = random_pair(seed, size=size)
        counts = pq_counts(count_boundary(pair_maps(*pair, 5), pair.pred_map, pair.target_map, 5))
        expected = literal(pair, 5)
        for name in ("tp", "fp", "fn"):
            assert getattr(counts, name).tolist() == getattr(expected, name).tolist()
        np.testing.assert_allclose(counts.iou, expected.iou, rtol=1e-12)
        matches += int(counts.tp.sum())
    assert matches


def test_truth_against_itself_and_never_above_pq(random_pair: Callable[..., Any]) -> None:
    scene = tiny_scene().segmentation
    result = summarize_extended(count_extended(scene, scene, tiny_scene().table), tiny_scene().table).boundary
    assert result is not None
    assert result.all.pq == 100
    for seed in range(20):
        pair = random_pair(seed, size=(60, 60))
        pairs = pair_maps(*pair, 5)
        lesser = pq_counts(count_boundary(pairs, pair.pred_map, pair.target_map, 5))
        counts = count_maps(*pair, 5)
        assert (lesser.iou <= counts.iou + 1e-12).all()
        assert (lesser.tp + lesser.fn).tolist() == (counts.tp + counts.fn).tolist()


def test_maps_stay_as_they_are(random_pair: Callable[..., Any]) -> None:
    pair = random_pair(3, size=(60, 60))
    before = pair.pred_map.copy(), pair.target_map.copy()
    count_boundary(pair_maps(*pair, 5), pair.pred_map, pair.target_map, 5)
    assert np.array_equal(before[0], pair.pred_map)
    assert np.array_equal(before[1], pair.target_map)


@pytest.mark.gpu
def test_gpu_counts_the_same() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    scene = tiny_scene(96, 128)
    moved = PanopticSegmentation.from_id_map(
        scene.segmentation.id_map.roll(2, 1),
        scene.segmentation.ids,
        scene.segmentation.labels,
        scene.segmentation.is_thing,
    )
    host = count_extended(moved, scene.segmentation, scene.table)
    gpu = count_extended(moved.to("cuda"), scene.segmentation.to("cuda"), scene.table)
    for name in host.parts:
        assert np.array_equal(host.full(name).sums, gpu.full(name).sums)
        assert np.array_equal(host.full(name).counts, gpu.full(name).counts)
