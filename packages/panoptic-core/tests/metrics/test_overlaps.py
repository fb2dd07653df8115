"""Shared pixels of segment pairs: against np.unique, in every branch of the counting."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from panoptic_core.metrics import _overlaps
from panoptic_core.metrics._overlaps import Overlaps, overlaps


def reference(pred: np.ndarray, target: np.ndarray, pred_ids: np.ndarray, target_ids: np.ndarray) -> dict:
    def place(value: int, ids: np.ndarray) -> int:
        listed = [0, *ids.tolist()]
        return listed.index(value) if value in listed else len(listed)

    counts: dict[tuple[int, int], int] = {}
    for t, p in zip(target.ravel().tolist(), pred.ravel().tolist(), strict=True):
        key = place(t, target_ids), place(p, pred_ids)
        counts[key] = counts.get(key, 0) + 1
    return counts


def as_dict(shared: Overlaps) -> dict:
    keys = list(zip(shared.target.tolist(), shared.pred.tolist(), strict=True))
    assert keys == sorted(set(keys))
    return dict(zip(keys, shared.pixels.tolist(), strict=True))


def test_six_pixels_by_hand() -> None:
    # target 7 7 9 | pred 3 4 4      pairs (target, pred): (7,3) (7,4) (9,4)
    #        0 9 5 |      0 0 4             (0,0) (9,0) (5,4), and 5 is not listed
    target = np.array([[7, 7, 9], [0, 9, 5]], dtype=np.int32)
    pred = np.array([[3, 4, 4], [0, 0, 4]], dtype=np.int32)
    shared = overlaps(pred, target, np.array([3, 4]), np.array([7, 9]))
    assert as_dict(shared) == {(0, 0): 1, (1, 1): 1, (1, 2): 1, (2, 0): 1, (2, 2): 1, (3, 2): 1}


BRANCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "small blocks": {"_BLOCK": 7},
    "one count at the end": {"_DENSE_BLOCK": 0},
    "sorted codes": {"_DENSE_BLOCK": 0, "_DENSE_TOTAL": 0},
    "no direct table": {"_DIRECT": 0},
    "no hash table": {"_DIRECT": 0, "_MAX_HASH_BITS": 0},
}


@pytest.mark.parity
@pytest.mark.parametrize("largest_id", [20, 1 << 16, 1 << 24, (1 << 31) - 1])
@pytest.mark.parametrize("branch", BRANCHES)
def test_matches_literal_loop(
    monkeypatch: pytest.MonkeyPatch, random_pair: Callable[..., Any], branch: str, largest_id: int
) -> None:
    for name, value in BRANCHES[branch].items():
        monkeypatch.setattr(_overlaps, name, value)
    for seed in range(12):
        pair = random_pair(seed, largest_id=largest_id)
        pred_ids, target_ids = (
            np.sort(pair.pred.ids),
            np.sort(pair.target.ids)[seed % 2 :],
        )  # one may be unlisted
        shared = overlaps(pair.pred_map, pair.target_map, pred_ids, target_ids)
        assert as_dict(shared) == reference(pair.pred_map, pair.target_map, pred_ids, target_ids)
        tensors = torch.from_numpy(pair.pred_map), torch.from_numpy(pair.target_map)
        for one, other in zip(shared, overlaps(*tensors, pred_ids, target_ids), strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(
            shared, _overlaps._overlaps_on_device(*tensors, pred_ids, target_ids), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ids", [[3], [3, 1 << 20]], ids=["direct", "hashed"])
def test_negative_ids_are_not_listed(ids: list[int]) -> None:
    pred, target = np.array([[-1, 3, -7]], dtype=np.int32), np.array([[-5, -5, 3]], dtype=np.int32)
    listed, last = np.array(ids), len(ids) + 1
    expected = {(last, last): 1, (last, 1): 1, (1, last): 1}
    assert as_dict(overlaps(pred, target, listed, listed)) == expected
    tensors = torch.from_numpy(pred), torch.from_numpy(target)
    assert as_dict(_overlaps._overlaps_on_device(*tensors, listed, listed)) == expected


def test_many_ids_need_no_luck_with_the_hash() -> None:
    ids = np.random.default_rng(0).choice(1 << 24, 5000, replace=False).astype(np.int32)
    ids = np.sort(ids[ids > 0])
    id_map = ids[: 64 * 64].reshape(64, 64)
    shared = overlaps(id_map, id_map, ids.astype(np.int64), ids.astype(np.int64))
    assert shared.pixels.tolist() == [1] * 4096
    np.testing.assert_array_equal(shared.pred, shared.target)


def test_no_pixels_and_views() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert as_dict(overlaps(np.zeros((0, 4), np.int32), np.zeros((0, 4), np.int32), none, none)) == {}
    id_map = np.arange(24, dtype=np.int32).reshape(4, 6)
    ids = np.arange(1, 24)
    assert as_dict(overlaps(id_map.T, id_map.T, ids, ids)) == {(i, i): 1 for i in range(24)}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_agrees_with_host(random_pair: Callable[..., Any]) -> None:
    for seed in range(20):
        pair = random_pair(seed)
        ids = np.sort(pair.pred.ids), np.sort(pair.target.ids)
        host = overlaps(pair.pred_map, pair.target_map, *ids)
        maps = torch.from_numpy(pair.pred_map).cuda(), torch.from_numpy(pair.target_map)
        for one, other in zip(host, overlaps(*maps, *ids), strict=True):
            np.testing.assert_array_equal(one, other)
