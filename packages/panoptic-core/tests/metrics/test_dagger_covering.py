"""PQ-dagger and Parsing Covering: by hand, and beside the printed sums over masks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from panoptic_core.metrics import ClassMeans, ExtendedSum, count_extended, summarize_extended
from panoptic_core.metrics._covering import count_covering
from panoptic_core.metrics._dagger import count_dagger
from panoptic_core.metrics.matching import match_pairs
from panoptic_core.metrics.pairing import pair_maps
from panoptic_fusion import PanopticSegmentation

IS_THING = [True, False, False]  # car, road, sky


def seg(rows: list[list[int]], labels: dict[int, int], crowds: tuple[int, ...] = ()) -> PanopticSegmentation:
    ids = sorted(labels)
    return PanopticSegmentation.from_id_map(
        torch.tensor(rows),
        ids,
        [labels[i] for i in ids],
        [IS_THING[labels[i]] for i in ids],
        iscrowd=[i in crowds for i in ids],
    )


def measure(*images: tuple[PanopticSegmentation, PanopticSegmentation]) -> tuple[ClassMeans, ClassMeans]:
    total = ExtendedSum(3, ["dagger", "covering"])
    for truth, pred in images:
        total.add(count_extended(pred, truth, IS_THING, measures=["dagger", "covering"]))
    result = summarize_extended(total.total(), IS_THING, names=["car", "road", "sky"])
    assert result.dagger is not None
    assert result.covering is not None
    return result.dagger, result.covering


def test_by_hand() -> None:
    # Image 1: road is 4 of 6 pixels, predicted on 2 of them: IoU 2 / 4. The car is 2 pixels, found whole,
    # with a false pixel: IoU 2 / 3, a match.
    first = seg([[1, 1, 1, 1, 2, 2]], {1: 1, 2: 0}), seg([[1, 1, 0, 3, 3, 3]], {1: 1, 3: 0})
    # Image 2: road 5 pixels, predicted on 1, which sky takes: IoU 1 / 5; sky is only predicted.
    second = seg([[1, 1, 1, 1, 1, 0]], {1: 1}), seg([[1, 2, 2, 2, 2, 2]], {1: 1, 2: 2})
    dagger, covering = measure(first, second)
    assert dagger.per_class["car"] == pytest.approx(100 * 2 / 3)  # PQ: 2 / 3 over one match
    assert dagger.per_class["road"] == pytest.approx(100 * (0.5 + 0.2) / 2)
    assert math.isnan(dagger.per_class["sky"])  # no true segment
    assert dagger.n == (2, 1, 1)
    assert dagger.all == pytest.approx((200 / 3 + 35) / 2)
    assert covering.per_class["car"] == pytest.approx(100 * 2 / 3)
    assert covering.per_class["road"] == pytest.approx(100 * (4 * 0.5 + 5 * 0.2) / 9)
    assert math.isnan(covering.per_class["sky"])
    assert (covering.things, covering.stuff) == (covering.per_class["car"], covering.per_class["road"])


def test_void_and_crowds_by_hand() -> None:
    # Truth: void, void, crowd car (8), car (2) x 2, road (1). The prediction's car (5) has a void, the crowd
    # and both pixels of the car.
    truth = seg([[0, 0, 8, 2, 2, 1]], {1: 1, 2: 0, 8: 0}, crowds=(8,))
    pred = seg([[4, 5, 5, 5, 5, 4]], {4: 1, 5: 0})
    dagger, covering = measure((truth, pred))
    assert dagger.per_class["car"] == pytest.approx(100 * 2 / 3)  # PQ leaves void out, not the crowd
    assert covering.per_class["car"] == 100  # the covering leaves both out
    assert dagger.per_class["road"] == covering.per_class["road"] == 100  # without its pixel on void


def test_the_best_of_several_covers_and_all_pairs_of_stuff_add_up() -> None:
    truth = seg([[1, 1, 1, 1, 1, 2, 2, 2, 2, 2]], {1: 0, 2: 1})
    pred = seg([[3, 3, 4, 4, 4, 5, 5, 6, 6, 6]], {3: 0, 4: 0, 5: 1, 6: 1})
    dagger, covering = measure((truth, pred))
    assert covering.per_class["car"] == pytest.approx(60)  # the larger piece
    assert covering.per_class["road"] == pytest.approx(60)
    assert dagger.per_class["car"] == pytest.approx(100 * 0.6 / 1.5)  # a match and a false car
    assert dagger.per_class["road"] == pytest.approx(40 + 60)  # S_c x S'_c: both pairs


def literal(pair: Any, num_classes: int) -> tuple[np.ndarray, ...]:
    """Sum over masks as the papers print it; crowds and void as their evaluations treat them."""
    covered, segments = np.zeros(num_classes), np.zeros(num_classes)
    weighted, areas = np.zeros(num_classes), np.zeros(num_classes)
    crowds = pair.target.ids[pair.target.iscrowd]
    void = pair.target_map == 0
    nothing = void | np.isin(pair.target_map, crowds)
    for one, label, crowd in zip(*pair.target[:3], strict=True):
        if crowd:
            continue
        mask = pair.target_map == one
        segments[label] += 1
        areas[label] += mask.sum()
        best = 0.0
        for other, other_label in zip(*pair.pred[:2], strict=True):
            found = pair.pred_map == other
            if other_label == label and (mask & found).any():
                covered[label] += (mask & found).sum() / (mask | (found & ~void)).sum()
                best = max(best, (mask & found).sum() / (mask | (found & ~nothing)).sum())
        weighted[label] += mask.sum() * best
    return covered, segments, weighted, areas


@pytest.mark.parity
@pytest.mark.parametrize("seed", range(30))
def test_literal_sums(random_pair: Callable[..., Any], seed: int) -> None:
    pair = random_pair(seed)
    pairs = pair_maps(*pair, 5)
    covered, segments, weighted, areas = literal(pair, 5)
    dagger, covering = count_dagger(pairs, match_pairs(pairs), 5), count_covering(pairs, 5)
    np.testing.assert_allclose(dagger.sums[:, 1], covered, rtol=1e-12)
    assert dagger.counts[:, 3].tolist() == segments.tolist()
    np.testing.assert_allclose(covering.sums[:, 0], weighted, rtol=1e-12)
    assert covering.counts[:, 0].tolist() == areas.tolist()


@given(seed=st.integers(0, 2**32 - 1))
def test_values_are_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = {1: 0, 2: 0, 3: 1, 4: 2}

    def image() -> PanopticSegmentation:
        ids = rng.integers(0, 5, (4, 6))
        drawn = {one: labels[one] for one in np.unique(ids).tolist() if one}
        return seg(ids.tolist(), drawn)

    truth, pred = image(), image()
    for means in measure((truth, pred)):
        values = [v for v in means.per_class.values() if not math.isnan(v)]
        assert all(0 <= value <= 100 + 1e-9 for value in values)
    for means in measure((truth, truth)):
        assert all(math.isnan(v) or v == pytest.approx(100) for v in means.per_class.values())
