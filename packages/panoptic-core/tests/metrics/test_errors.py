"""The kinds of misses and false predictions: each by hand, and beside the rules in words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from panoptic_core.metrics import ErrorKinds, count_extended, count_maps, summarize_extended
from panoptic_core.metrics._errors import FALSES, MISSES, count_errors
from panoptic_core.metrics.matching import match_pairs
from panoptic_core.metrics.pairing import pair_maps
from panoptic_fusion import PanopticSegmentation

IS_THING = [True, True, False]  # car, bus, road


def seg(row: str, labels: dict[str, int], crowds: str = "") -> PanopticSegmentation:
    """Draw a map of one row: a letter a segment, a dot for void."""
    ids = {letter: 1 + place for place, letter in enumerate(labels)}
    drawn = torch.tensor([[ids.get(letter, 0) for letter in row]])
    things = [IS_THING[label] for label in labels.values()]
    crowd = [letter in crowds for letter in labels]
    return PanopticSegmentation.from_id_map(
        drawn, list(ids.values()), list(labels.values()), things, iscrowd=crowd
    )


def errors(truth: PanopticSegmentation, pred: PanopticSegmentation) -> ErrorKinds:
    counts = count_extended(pred, truth, IS_THING, measures=["errors"])
    result = summarize_extended(counts, IS_THING, names=["car", "bus", "road"]).errors
    assert result is not None
    return result


CASES = {
    # truth and prediction, their labels; the kinds of the misses and of the false predictions.
    "nothing": ("aaaa", "xxxx", {"a": 0}, {"x": 0}, {}, {}),
    "missed under stuff": ("aarrrrrrrr", "xxxxxxxxxx", {"a": 0, "r": 2}, {"x": 2}, {"missed": 1}, {}),
    "invented on stuff": ("rrrrrrrrrr", "xxyyyyyyyy", {"r": 2}, {"x": 0, "y": 2}, {}, {"invented": 1}),
    "wrong class": ("aaaa", "xxx.", {"a": 0}, {"x": 1}, {"wrong_class": 1}, {"wrong_class": 1}),
    "lost to void": ("aaaaa", "xx...", {"a": 0}, {"x": 1}, {"lost_to_void": 1}, {"invented": 1}),
    "half void is not lost": ("aaaa", "xx..", {"a": 0}, {"x": 1}, {"missed": 1}, {"invented": 1}),
    # IoU 3 / 8 with its own class.
    "badly outlined": (
        "aaaaaarr",
        "yyyxxxxx",
        {"a": 0, "r": 2},
        {"x": 0, "y": 1},
        {"badly_outlined": 1, "missed": 1},
        {"badly_outlined": 1, "invented": 1},
    ),
    # Two pieces of 3 and 3 lie in a, of 7.
    "split": ("aaaaaaa", "xxxyyy.", {"a": 0}, {"x": 0, "y": 0}, {"split": 1}, {"split": 2}),
    # One piece of 4 of 6 is the match, the other is a second find.
    "a piece beside a match": ("aaaaaa", "xxxxyy", {"a": 0}, {"x": 0, "y": 0}, {}, {"split": 1}),
    # x covers a and b: no IoU above 0.5.
    "merged": ("aaabbb", "xxxxxx", {"a": 0, "b": 0}, {"x": 0}, {"merged": 2}, {"merged": 1}),
    # x is the match of a, IoU 4 / 6, and swallows b.
    "merged into a match": ("aaaabb", "xxxxxx", {"a": 0, "b": 0}, {"x": 0}, {"merged": 1}, {}),
    "merging another class is none": (
        "aaabbb",
        "xxxxxx",
        {"a": 0, "b": 1},
        {"x": 0},
        {"badly_outlined": 1, "missed": 1},
        {"badly_outlined": 1},
    ),
    # Of x, two pixels are outside of the true void, one of them in a: IoU 1 / 5 with it.
    "void of the truth": (
        "aaaar...",
        "...xxx..",
        {"a": 0, "r": 2},
        {"x": 0},
        {"lost_to_void": 1, "missed": 1},
        {"badly_outlined": 1},
    ),
}


@pytest.mark.parametrize(
    ("true", "found", "labels", "guesses", "misses", "falses"), CASES.values(), ids=CASES.keys()
)
def test_by_hand(
    true: str, found: str, labels: Any, guesses: Any, misses: dict[str, int], falses: dict[str, int]
) -> None:
    result = errors(seg(true, labels), seg(found, guesses))
    assert {kind: n for kind, n in result.misses["all"].items() if n} == misses
    assert {kind: n for kind, n in result.falses["all"].items() if n} == falses


def test_crowds_are_no_true_segments() -> None:
    # x covers the car a and two thirds of c: it merges them, but a crowd is nothing to merge with.
    truth, pred = seg("aacccccc", {"a": 0, "c": 0}, crowds="c"), seg("xxxxxx..", {"x": 0})
    assert errors(truth, pred).falses["all"]["merged"] == 0
    assert errors(seg("aacccccc", {"a": 0, "c": 0}), pred).misses["all"]["merged"] == 2


def test_groups_classes_and_table() -> None:
    truth = seg("aabbrrrrrr", {"a": 0, "b": 1, "r": 2})
    pred = seg("xxyy......", {"x": 1, "y": 0})
    result = errors(truth, pred)
    assert result.misses["things"]["wrong_class"] == result.falses["things"]["wrong_class"] == 2
    assert result.misses["stuff"] == dict.fromkeys(MISSES, 0) | {"lost_to_void": 1}
    assert result.per_class["bus"]["falses"] == dict.fromkeys(FALSES, 0) | {"wrong_class": 1}
    assert result.to_table() == (
        "        FN  missed  lost to void  badly outlined  split  merged  wrong class\n"
        "All      3       0             1               0      0       0            2\n"
        "Things   2       0             0               0      0       0            2\n"
        "Stuff    1       0             1               0      0       0            0\n"
        "\n"
        "        FP  invented  badly outlined  split  merged  wrong class\n"
        "All      2         0               0      0       0            2\n"
        "Things   2         0               0      0       0            2\n"
        "Stuff    0         0               0      0       0            0"
    )


def literal(pair: Any) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Say the kind of every segment that has no match, by masks and the rules in words."""
    void = pair.target_map == 0
    truths = {
        int(i): (pair.target_map == i, int(label))
        for i, label, crowd in zip(*pair.target[:3], strict=True)
        if not crowd
    }
    founds = {
        int(i): ((pair.pred_map == i) & ~void, int(label)) for i, label in zip(*pair.pred[:2], strict=True)
    }

    def iou(t: int, p: int) -> float:
        mask, found = truths[t][0], founds[p][0]
        return float((mask & found).sum() / (mask | found).sum())

    def alike(t: int, p: int) -> bool:
        return truths[t][1] == founds[p][1]

    def lies_in(p: int, t: int) -> bool:
        return bool(2 * (truths[t][0] & founds[p][0]).sum() > founds[p][0].sum())

    def covers(p: int, t: int) -> bool:
        return bool(2 * (truths[t][0] & founds[p][0]).sum() > truths[t][0].sum())

    def split(t: int) -> bool:
        pieces = [p for p in founds if alike(t, p) and lies_in(p, t)]
        covered = sum(int((truths[t][0] & founds[p][0]).sum()) for p in pieces)
        return len(pieces) >= 2 and 2 * covered > truths[t][0].sum()

    def merges(p: int) -> bool:
        return sum(alike(t, p) and covers(p, t) for t in truths) >= 2

    match = {t: p for t in truths for p in founds if alike(t, p) and iou(t, p) > 0.5}
    misses, falses = [], []
    for t, (mask, label) in truths.items():
        rules = {
            "wrong_class": any(not alike(t, p) and iou(t, p) > 0.5 for p in founds),
            "split": split(t),
            "merged": any(alike(t, p) and covers(p, t) and merges(p) for p in founds),
            "lost_to_void": 2 * (pair.pred_map[mask] == 0).sum() > mask.sum(),
            "badly_outlined": any(alike(t, p) and iou(t, p) >= 0.1 for p in founds),
            "missed": True,
        }
        if t not in match:
            misses.append((label, next(kind for kind, holds in rules.items() if holds)))
    for p, (_, label) in founds.items():
        whole = pair.pred_map == p
        crowds = pair.target.ids[pair.target.iscrowd & (pair.target.labels == label)]
        rules = {
            "wrong_class": any(not alike(t, p) and iou(t, p) > 0.5 for t in truths),
            "split": any(alike(t, p) and lies_in(p, t) and (t in match or split(t)) for t in truths),
            "merged": merges(p),
            "badly_outlined": any(alike(t, p) and iou(t, p) >= 0.1 for t in truths),
            "invented": True,
        }
        excused = 2 * (whole & (void | np.isin(pair.target_map, crowds))).sum() > whole.sum()
        if p not in match.values() and not excused:
            falses.append((label, next(kind for kind, holds in rules.items() if holds)))
    return misses, falses


@pytest.mark.parity
def test_literal_rules(random_pair: Callable[..., Any]) -> None:
    seen = np.zeros(len(MISSES) + len(FALSES), dtype=np.int64)
    for seed in range(150):
        pair = random_pair(seed)
        if seed % 3 == 0:  # fewer classes: more splits and merges
            pair = pair._replace(
                pred=pair.pred._replace(labels=pair.pred.labels % 2),
                target=pair.target._replace(labels=pair.target.labels % 2),
            )
        pairs = pair_maps(*pair, 5)
        counts = count_errors(pairs, match_pairs(pairs), 5).counts
        expected = np.zeros_like(counts)
        misses, falses = literal(pair)
        for label, kind in misses:
            expected[label, MISSES.index(kind)] += 1
        for label, kind in falses:
            expected[label, len(MISSES) + FALSES.index(kind)] += 1
        assert counts.tolist() == expected.tolist()
        seen += counts.sum(axis=0)
    assert (seen > 0).all(), seen


@pytest.mark.parametrize("mode", ["default", "exact"])
def test_kinds_add_up_to_fn_and_fp(random_pair: Callable[..., Any], mode: Any) -> None:
    for seed in range(60):
        pair = random_pair(seed)
        lies = pair.target._replace(areas=pair.target.areas * (1 + seed % 3))  # the exact mode believes them
        pair = pair._replace(target=lies)
        pairs = pair_maps(*pair, 5, mode=mode)
        counts = count_errors(pairs, match_pairs(pairs), 5).counts
        pq = count_maps(*pair, 5, mode=mode)
        assert counts[:, : len(MISSES)].sum(axis=1).tolist() == pq.fn.tolist()
        assert counts[:, len(MISSES) :].sum(axis=1).tolist() == pq.fp.tolist()
