"""PQ counts: by hand, against the official loop (exact mode) and a literal loop (default mode)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from panoptic_core.metrics import PQCounts, SegmentTable, count_maps, count_segments, sum_counts
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

NUM_CLASSES = 5


def seg(
    id_map: Any, ids: list[int], labels: list[int], crowd: list[bool] | None = None
) -> PanopticSegmentation:
    things = [label < 2 for label in labels]
    return PanopticSegmentation.from_id_map(
        torch.tensor(id_map), ids, labels, things, iscrowd=crowd, keep=True
    )


def assert_counts(counts: PQCounts, iou: list[float], tp: list[int], fp: list[int], fn: list[int]) -> None:
    assert (counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()) == (tp, fp, fn)
    np.testing.assert_allclose(counts.iou, iou, rtol=1e-12)
    assert counts.iou.dtype == np.float64
    assert counts.tp.dtype == counts.fp.dtype == counts.fn.dtype == np.int64


def test_ten_pixels_by_hand() -> None:
    # target 1 1 1 1 2 2 2 2 0 0   1: class 0, 2: class 1, 0: void
    # pred   8 8 8 9 9 9 9 9 9 9   8: class 0, 9: class 1
    # 8 with 1: 3 shared, union 3 + 4 - 3 = 4, IoU 3/4: TP of class 0.
    # 9 with 2: 4 shared, union 7 + 4 - 4 - 2 (9's pixels on void) = 5, IoU 4/5: TP of class 1.
    target = seg([[1, 1, 1, 1, 2, 2, 2, 2, 0, 0]], [1, 2], [0, 1])
    pred = seg([[8, 8, 8, 9, 9, 9, 9, 9, 9, 9]], [8, 9], [0, 1])
    for mode in ("default", "exact"):
        assert_counts(
            count_segments(pred, target, 2, mode=mode),  # type: ignore[arg-type]
            [0.75, 0.8], [1, 1], [0, 0], [0, 0],
        )  # fmt: skip


def test_iou_of_one_half_is_no_match() -> None:
    # 2 shared of a union of 4 is exactly 0.5, which is not > 0.5: one FP and one FN.
    target, pred = seg([[1, 1, 1, 0]], [1], [0]), seg([[0, 9, 9, 9]], [9], [0])
    # union = 3 + 3 - 2 - 1 (the pixel of 9 on void) = 3: IoU 2/3. Without the void pixel: 3 + 3 - 2 = 4.
    assert_counts(count_segments(pred, target, 1), [2 / 3], [1], [0], [0])
    target = seg([[1, 1, 1, 2]], [1, 2], [0, 1])
    assert_counts(count_segments(pred, target, 2), [0, 0], [0, 0], [1, 0], [1, 1])


def test_wrong_class_is_both_errors() -> None:
    target, pred = seg([[1, 1]], [1], [0]), seg([[1, 1]], [1], [1])
    assert_counts(count_segments(pred, target, 2), [0, 0], [0, 0], [0, 1], [1, 0])


def test_void_and_crowd_of_the_class_excuse_more_than_half() -> None:
    # pred 5 (class 0): 1 pixel on void, 1 on a crowd of class 0, 1 on stuff: 2/3 > 0.5, no FP.
    # pred 6 (class 1): 1 on the crowd (another class), 1 on void: 1/2 is not > 0.5, FP.
    target = seg([[0, 1, 2, 1, 0]], [1, 2], [0, 2], [True, False])
    pred = seg([[5, 5, 5, 6, 6]], [5, 6], [0, 1])
    assert_counts(count_segments(pred, target, 3), [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1])


def test_two_crowds_of_a_class() -> None:
    # Official rule: only the last crowd of the list excuses, so the prediction on the first one is a FP.
    target = seg([[1, 1, 2, 2]], [1, 2], [0, 0], [True, True])
    pred = seg([[5, 5, 6, 6]], [5, 6], [0, 0])
    assert_counts(count_segments(pred, target, 1, mode="exact"), [0], [0], [1], [0])
    assert_counts(count_segments(pred, target, 1), [0], [0], [0], [0])


def test_wrong_given_areas_count_only_in_exact_mode() -> None:
    # The map shows 4 pixels, the file claims 1: union = 4 + 1 - 4 = 1, "IoU" 4.
    table = SegmentTable(np.array([1]), np.array([0]), np.array([False]), np.array([1]))
    id_map = np.ones((2, 2), dtype=np.int32)
    assert_counts(count_maps(id_map, table, id_map, table, 1, mode="exact"), [4.0], [1], [0], [0])
    assert_counts(count_maps(id_map, table, id_map, table, 1), [1.0], [1], [0], [0])
    zero = table._replace(areas=np.array([0]))  # union 0
    assert count_maps(id_map, table, id_map, zero, 1, mode="exact").iou.tolist() == [float("inf")]


def test_nothing_to_count() -> None:
    void = PanopticSegmentation.empty(2, 3)
    one = seg([[1, 1, 1], [1, 1, 1]], [1], [0])
    assert_counts(count_segments(void, void, 1), [0], [0], [0], [0])
    assert_counts(count_segments(void, one, 1), [0], [0], [0], [1])
    assert_counts(count_segments(one, void, 1), [0], [0], [0], [0])  # all of it on void
    assert_counts(
        count_segments(PanopticSegmentation.empty(0, 0), PanopticSegmentation.empty(0, 0), 1),
        [0],
        [0],
        [0],
        [0],
    )


def test_segments_without_pixels() -> None:
    ghost, plain = seg([[1, 1]], [1, 2], [0, 0]), seg([[1, 1]], [1], [0])
    assert_counts(count_segments(ghost, plain, 1), [1], [1], [0], [0])
    assert_counts(count_segments(plain, ghost, 1), [1], [1], [0], [0])
    assert_counts(count_segments(plain, ghost, 1, mode="exact"), [1], [1], [0], [1])
    with pytest.raises(
        ValueError, match=r"Image 7: expected each listed predicted segment to own a pixel, got 1 .*: 2"
    ):
        count_segments(ghost, plain, 1, mode="exact", image=7)


def test_strict_refuses_segments_without_pixels_on_both_sides() -> None:
    id_map = np.ones((2, 2), dtype=np.int32)
    one = SegmentTable(np.array([1]), np.array([0]), np.array([False]), np.array([4]))
    two = SegmentTable(np.array([9, 1]), np.array([0, 0]), np.array([False, False]), np.array([4, 4]))
    with pytest.raises(ValueError, match="listed predicted segment to own a pixel, got 1 that do not: 9"):
        count_maps(id_map, two, id_map, one, 1, strict=True)
    with pytest.raises(ValueError, match="listed ground-truth segment to own a pixel, got 1 that do not: 9"):
        count_maps(id_map, one, id_map, two, 1, strict=True)
    assert_counts(count_maps(id_map, one, id_map, two, 1, mode="exact", strict=True), [1], [1], [0], [1])


@pytest.mark.parity
@pytest.mark.parametrize("areas", ["right", "wrong"])
@pytest.mark.parametrize("largest_id", [30, 40_000, 1 << 24])
def test_exact_mode_is_the_official_one(
    random_pair: Callable[..., Any], official_counts: Callable[..., PQCounts], largest_id: int, areas: str
) -> None:
    pairs = [random_pair(seed, largest_id=largest_id) for seed in range(120)]
    if areas == "wrong":
        rng = np.random.default_rng(0)
        factors = [rng.uniform(0.5, 1.4, len(pair.target.ids)) for pair in pairs]
        pairs = [
            pair._replace(target=pair.target._replace(areas=(pair.target.areas * factor).astype(np.int64)))
            for pair, factor in zip(pairs, factors, strict=True)
        ]
    ours = [count_maps(*pair, NUM_CLASSES, mode="exact") for pair in pairs]
    official = official_counts(pairs)
    total = sum_counts(ours, NUM_CLASSES)
    assert_counts(
        total, official.iou.tolist(), official.tp.tolist(), official.fp.tolist(), official.fn.tolist()
    )
    assert total.tp.sum() > 50
    assert total.fp.sum() > 50


@pytest.mark.parity
def test_exact_mode_forgives_ground_truth_what_the_official_one_forgives(
    random_pair: Callable[..., Any], official_counts: Callable[..., PQCounts]
) -> None:
    # Ids of the ground-truth PNG that no segment lists, and listed segments that the PNG does not show.
    pairs = []
    for seed in range(60):
        pair = random_pair(seed)
        first = np.arange(len(pair.target.ids)) < 2
        unlisted = SegmentTable(*(column[~first] for column in pair.target))
        hidden = np.where(np.isin(pair.target_map, pair.target.ids[first]), 0, pair.target_map).astype(
            np.int32
        )
        pairs += [pair._replace(target=unlisted), pair._replace(target_map=hidden)]
    official = official_counts(pairs)
    total = sum_counts([count_maps(*pair, NUM_CLASSES, mode="exact") for pair in pairs], NUM_CLASSES)
    assert_counts(
        total, official.iou.tolist(), official.tp.tolist(), official.fp.tolist(), official.fn.tolist()
    )


def literal_default(pred_map: Any, pred: SegmentTable, target_map: Any, target: SegmentTable) -> PQCounts:
    """The definition as a loop over full masks; areas counted, every crowd excuses."""
    counts = PQCounts.zeros(NUM_CLASSES)
    void = target_map == 0
    found_t, found_p = set(), set()
    for t, t_label, crowd in zip(target.ids, target.labels, target.iscrowd, strict=True):
        for p, p_label in zip(pred.ids, pred.labels, strict=True):
            a, b = target_map == t, (pred_map == p) & ~void
            iou = (a & b).sum() / max((a | b).sum(), 1)
            if not crowd and t_label == p_label and iou > 0.5:
                counts.tp[t_label] += 1
                counts.iou[t_label] += iou
                found_t.add(t)
                found_p.add(p)
        if not crowd and t not in found_t:
            counts.fn[t_label] += 1
    for p, label in zip(pred.ids, pred.labels, strict=True):
        crowds = target.ids[target.iscrowd & (target.labels == label)]
        mask = pred_map == p
        if p not in found_p and (mask & (void | np.isin(target_map, crowds))).sum() / mask.sum() <= 0.5:
            counts.fp[label] += 1
    return counts


@pytest.mark.parity
def test_default_mode_is_the_definition(random_pair: Callable[..., Any]) -> None:
    for seed in range(150):
        pair = random_pair(seed)
        wrong_areas = pair._replace(target=pair.target._replace(areas=pair.target.areas * 3 + 1))
        expected = literal_default(*pair)
        for one in (pair, wrong_areas):
            assert_counts(
                count_maps(*one, NUM_CLASSES),
                *(getattr(expected, name).tolist() for name in ("iou", "tp", "fp", "fn")),
            )


def test_order_of_segments_and_names_of_ids_do_not_matter(random_pair: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    for seed in range(30):
        pair = random_pair(seed, largest_id=60)
        order = rng.permutation(len(pair.pred.ids))
        names = np.append(0, rng.choice((1 << 24) - 1, 60, replace=False) + 1).astype(np.int32)
        other = SegmentTable(*(column[order] for column in pair.pred))
        other = other._replace(ids=names[other.ids].astype(np.int64))
        one = count_maps(*pair, NUM_CLASSES)
        two = count_maps(names[pair.pred_map], other, *pair[2:], NUM_CLASSES)
        assert_counts(two, *(getattr(one, name).tolist() for name in ("iou", "tp", "fp", "fn")))


def test_truth_against_itself_is_perfect() -> None:
    scene = tiny_scene()
    for mode in ("default", "exact"):
        counts = count_segments(scene.segmentation, scene.segmentation, 5, mode=mode)  # type: ignore[arg-type]
        # sky, building, road one each, two cars, one person; the crowd matches nothing and costs nothing.
        assert_counts(counts, [1, 2, 1, 1, 1], [1, 2, 1, 1, 1], [0] * 5, [0] * 5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_prediction_counts_the_same() -> None:
    scene = tiny_scene()
    shifted = PanopticSegmentation.from_id_map(
        scene.segmentation.id_map.roll(2, 1),
        scene.segmentation.ids,
        scene.segmentation.labels,
        scene.segmentation.is_thing,
    )
    host, gpu = (count_segments(p, scene.segmentation, 5) for p in (shifted, shifted.to("cuda")))
    assert_counts(gpu, host.iou.tolist(), host.tp.tolist(), host.fp.tolist(), host.fn.tolist())


def test_sums_do_not_depend_on_the_order(random_pair: Callable[..., Any]) -> None:
    parts = [count_maps(*random_pair(seed), NUM_CLASSES) for seed in range(50)]
    total = sum_counts(parts, NUM_CLASSES)
    again = sum_counts(parts[::-1], NUM_CLASSES)
    assert total.iou.tobytes() == again.iou.tobytes()
    added = sum(parts, PQCounts.zeros(NUM_CLASSES))
    assert_counts(added, total.iou.tolist(), total.tp.tolist(), total.fp.tolist(), total.fn.tolist())
    assert_counts(sum_counts([], 2), [0, 0], [0, 0], [0, 0], [0, 0])


@given(st.lists(st.floats(0, 1e3) | st.floats(0, 1e-12), max_size=40))
def test_sums_are_correctly_rounded(values: list[float]) -> None:
    ones = np.ones(1, dtype=np.int64)
    total = sum_counts((PQCounts(np.array([value]), ones, ones, ones) for value in values), 1)
    assert total.iou[0] == math.fsum(values)
    assert total.tp.tolist() == [len(values)]
    infinite = [PQCounts(np.array([value]), ones, ones, ones) for value in (0.5, math.inf, 0.25)]
    assert sum_counts(infinite, 1).iou.tolist() == [math.inf]


def test_errors_name_the_image() -> None:
    one, two = seg([[1, 1]], [1], [0]), seg([[1], [1]], [1], [0])
    with pytest.raises(
        ValueError, match=r"Image 'aachen_1': expected prediction and ground truth of one size, got \(1, 2\)"
    ):
        count_segments(one, two, 1, image="aachen_1")
    with pytest.raises(
        ValueError, match=r"Image 3: expected predicted labels in \[0, 1\), got values in \[4, 4\]"
    ):
        count_segments(seg([[1, 1]], [1], [4]), one, 1, image=3)
    with pytest.raises(ValueError, match=r"^expected ground-truth labels in \[0, 1\)"):
        count_segments(one, seg([[1, 1]], [1], [4]), 1)
    with pytest.raises(ValueError, match="`mode` to be 'default' or 'exact', got 'fast'"):
        count_segments(one, one, 1, mode="fast")  # type: ignore[arg-type]
    bare = SegmentTable(*(column[:0] for column in (np.zeros(0, np.int64),) * 4))
    id_map = np.array([[4, 9]], dtype=np.int32)
    with pytest.raises(
        ValueError, match=r"Image 5: expected every id of the prediction's map .* got 2 others: 4, 9"
    ):
        count_maps(id_map, bare, id_map, bare, 1, image=5)
    listed = SegmentTable(np.array([4, 9]), np.array([0, 0]), np.array([False, False]), np.array([1, 1]))
    with pytest.raises(ValueError, match=r"every id of the ground truth's map .* got 2 others"):
        count_maps(id_map, listed, torch.from_numpy(id_map), bare, 1)
