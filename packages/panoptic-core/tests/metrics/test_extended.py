"""All measures at once: sizes and pixels by hand, sums, results and their forms."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from panoptic_core.metrics import (
    MEASURES,
    ExtendedSum,
    confusion_matrix,
    count_extended,
    count_maps,
    count_segments,
    mean_iou,
    summarize,
    summarize_extended,
    thing_stuff_confusion,
)
from panoptic_core.metrics._columns import pq_counts
from panoptic_core.metrics._sizes import count_sizes
from panoptic_core.metrics.matching import match_pairs
from panoptic_core.metrics.pairing import pair_maps
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

SCENE = tiny_scene()
TABLE = SCENE.table


def moved(by: int) -> PanopticSegmentation:
    seg = SCENE.segmentation
    return PanopticSegmentation.from_id_map(seg.id_map.roll(by, 1), seg.ids, seg.labels, seg.is_thing)


def test_sizes_by_hand() -> None:
    # 32 x 100: the truth has squares of 31 x 32 = 992 (small) and 32 x 32 = 1024 (at the limit: medium).
    # The first is found with one row too many, 1024 pixels: a match of IoU 992 / 1024, small as its truth.
    # The second is missed; a false one of 32 pixels is small.
    truth, pred = torch.zeros(32, 100, dtype=torch.int32), torch.zeros(32, 100, dtype=torch.int32)
    truth[:, 99] = 3  # stuff around what follows
    truth[:31, :32], truth[31:, :32], truth[:, 40:72], truth[:, 80:99] = 1, 3, 2, 3
    pred[:, :32], pred[:, 80] = 1, 2
    target = PanopticSegmentation.from_id_map(truth, [1, 2, 3], [0, 0, 1], [True, True, False])
    found = PanopticSegmentation.from_id_map(pred, [1, 2], [0, 0], [True, True])
    result = summarize_extended(
        count_extended(found, target, [True, False], measures=["sizes"]), [True, False]
    ).sizes
    assert result is not None
    rows = {size: result[size].per_class[0] for size in ("small", "medium", "large")}
    counts = {size: (row.tp, row.fp, row.fn) for size, row in rows.items()}
    assert counts == {"small": (1, 1, 0), "medium": (0, 0, 1), "large": (0, 0, 0)}
    assert rows["small"].pq == pytest.approx(100 * (992 / 1024) / 1.5)
    assert rows["medium"].pq == 0
    assert math.isnan(rows["large"].pq)


def test_sizes_add_up_to_pq(random_pair: Callable[..., Any]) -> None:
    for seed in range(20):
        pair = random_pair(seed, size=(90, 120))
        pairs = pair_maps(*pair, 5)
        parts = count_sizes(pairs, match_pairs(pairs), 5)
        whole = count_maps(*pair, 5)
        kinds = [pq_counts(parts, kind) for kind in range(3)]
        for name in ("tp", "fp", "fn"):
            assert sum(getattr(part, name) for part in kinds).tolist() == getattr(whole, name).tolist()
        np.testing.assert_allclose(sum(part.iou for part in kinds), whole.iou, rtol=1e-12)


def test_pixels_are_those_of_the_confusion_matrix() -> None:
    truth, pred = SCENE.segmentation, moved(3).select(SCENE.segmentation.labels != 3)
    result = summarize_extended(count_extended(pred, truth, TABLE, measures=["pixels"]), TABLE)
    matrix = confusion_matrix(pred.label_map(), truth.label_map(), len(TABLE))
    assert result.map_iou == mean_iou(matrix, TABLE)
    expected = thing_stuff_confusion(matrix, TABLE)
    assert result.things_and_stuff is not None
    assert result.things_and_stuff.pixels.tolist() == expected.pixels.tolist()
    assert expected.pixels[:, 2].any()


def test_order_and_grouping_change_nothing() -> None:
    parts = [count_extended(moved(by), SCENE.segmentation, TABLE) for by in range(6)]
    forward, backward, grouped = (ExtendedSum(len(TABLE)) for _ in range(3))
    for part in parts:
        forward.add(part)
    for part in reversed(parts):
        backward.add(part)
    for half in (parts[:2], parts[2:]):
        running = ExtendedSum(len(TABLE))
        for part in half:
            running.add(part)
        grouped.add(running.total())
    for measure in MEASURES:
        a, b, c = (each.total().full(measure) for each in (forward, backward, grouped))
        assert a.sums.tobytes() == b.sums.tobytes()
        assert a.counts.tobytes() == b.counts.tobytes() == c.counts.tobytes()
        np.testing.assert_allclose(a.sums, c.sums, rtol=1e-15)


def test_perfect_maps_are_100() -> None:
    result = summarize_extended(count_extended(SCENE.segmentation, SCENE.segmentation, TABLE), TABLE)
    values = result.values()
    for name in ("PQ_dagger", "PC", "PQ_boundary", "map_mIoU", "thing_as_thing", "stuff_as_stuff"):
        assert values[name] == 100
    assert all(count == 0 for name, count in values.items() if name[:3] in ("FN_", "FP_"))
    assert {f"PQ_dagger{s}" for s in ("", "_th", "_st")} <= values.keys()
    assert {f"PQ_{size}" for size in ("small", "medium", "large")} <= values.keys()


def test_only_what_was_asked_for() -> None:
    counts = count_extended(moved(1), SCENE.segmentation, TABLE, measures=["covering"])
    result = summarize_extended(counts, TABLE)
    assert list(result.to_dict()) == ["covering"]
    assert list(result.values()) == ["PC", "PC_th", "PC_st"]
    assert counts.kinds_of_errors() is None
    assert result.to_table().splitlines()[0].split() == ["All", "Things", "Stuff"]
    assert "Parsing Covering" in result.to_table()
    assert "PQ-dagger" not in result.to_table()


def test_json_has_no_nan() -> None:
    empty = PanopticSegmentation.from_id_map(torch.zeros(4, 4, dtype=torch.int32), [], [], [])
    result = summarize_extended(count_extended(empty, empty, TABLE), TABLE)
    text = json.dumps(result.to_dict(), allow_nan=False)
    assert json.loads(text)["dagger"]["all"] is None
    assert json.loads(text)["errors"]["misses"]["all"]["missed"] == 0
    assert "-" in result.to_table()


def test_dagger_of_things_is_pq() -> None:
    pred = moved(4)
    result = summarize_extended(count_extended(pred, SCENE.segmentation, TABLE), TABLE)
    plain = summarize(count_segments(pred, SCENE.segmentation, len(TABLE)), TABLE)
    assert result.dagger is not None
    assert result.dagger.things == plain.things.pq


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"measures among dagger, covering, .* got PQ2"):
        count_extended(SCENE.segmentation, SCENE.segmentation, TABLE, measures=["PQ2"])
    counts = count_extended(SCENE.segmentation, SCENE.segmentation, TABLE)
    with pytest.raises(ValueError, match="as many classes as the counts have, 5, got 2"):
        summarize_extended(counts, [True, False])
