"""The panoptic matching: by hand, against a literal loop, in any order, with nothing to match."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from panoptic_fusion import PanopticSegmentation
from panoptic_fusion.testing.literal import box_iou
from panoptic_heads.dense_affinity import NO_TRUTH, match_detections, match_segments

Box = tuple[int, int, int, int]
Detection = tuple[Box, int, float]
Truth = tuple[Box, int]


def _tensors(detections: list[Detection], truth: list[Truth]) -> tuple[Tensor, ...]:
    return (
        torch.tensor([d[0] for d in detections], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([d[1] for d in detections], dtype=torch.int64),
        torch.tensor([d[2] for d in detections], dtype=torch.float32),
        torch.tensor([t[0] for t in truth], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([t[1] for t in truth], dtype=torch.int64),
    )


def _match(detections: list[Detection], truth: list[Truth], min_iou: float = 0.5) -> dict[int, int]:
    """Return what each kept detection stands for."""
    kept, index = match_detections(*_tensors(detections, truth), min_iou=min_iou)
    assert kept.tolist() == sorted(kept.tolist())
    return dict(zip(kept.tolist(), index.tolist(), strict=True))


def test_surplus_is_removed_and_strangers_stay_by_hand() -> None:
    truth: list[Truth] = [((0, 0, 10, 10), 0)]
    detections: list[Detection] = [
        ((0, 0, 10, 8), 0, 0.9),  # IoU 80 / 100
        ((0, 0, 10, 9), 0, 0.6),  # IoU 90 / 100: the top match, though its score is lower
        ((0, 0, 10, 10), 1, 0.9),  # another class
        ((0, 0, 10, 4), 0, 0.9),  # IoU 40 / 100: a truth, but not admissible
        ((20, 20, 30, 30), 0, 0.9),  # nowhere near
    ]
    assert _match(detections, truth) == {1: 0, 2: NO_TRUTH, 3: NO_TRUTH, 4: NO_TRUTH}


def test_greedy_takes_the_best_pair_first_by_hand() -> None:
    # Detection 0: IoU 80/100 with truth 0, 80/120 with truth 1. Detection 1: 100/100 and 100/120.
    truth: list[Truth] = [((0, 0, 10, 10), 0), ((0, 0, 10, 12), 0)]
    detections: list[Detection] = [((0, 0, 10, 8), 0, 0.9), ((0, 0, 10, 10), 0, 0.5)]
    # 1 takes truth 0 first; 0, whose best is gone, still has an admissible one.
    assert _match(detections, truth) == {0: 1, 1: 0}
    # A third, for which nothing is left, is surplus.
    assert _match([*detections, ((0, 0, 10, 9), 0, 0.9)], truth) == {1: 0, 2: 1}
    # Greedy: two pairs were possible (0 with truth 1, 1 with truth 0), but the best single pair comes first.
    truth = [((0, 0, 10, 10), 0), ((0, 0, 10, 6), 0)]
    detections = [((0, 0, 10, 9), 0, 0.9), ((0, 0, 10, 15), 0, 0.9)]
    # 0: 90/100 with truth 0, 60/90 with truth 1. 1: 100/150 with truth 0, 60/150 with truth 1.
    assert _match(detections, truth) == {0: 0}


def test_the_threshold_is_met_not_exceeded() -> None:
    truth: list[Truth] = [((0, 0, 10, 10), 0)]
    assert _match([((0, 0, 10, 5), 0, 0.9)], truth) == {0: 0}  # IoU 50 / 100
    assert _match([((0, 0, 10, 5), 0, 0.9)], truth, min_iou=0.51) == {0: NO_TRUTH}
    assert _match([((0, 0, 10, 10), 0, 0.9)], truth, min_iou=1.0) == {0: 0}


def test_ties_go_to_the_score_then_to_coordinates() -> None:
    truth: list[Truth] = [((0, 0, 10, 10), 0)]
    left, right = (0, 0, 8, 10), (2, 0, 10, 10)  # both IoU 80 / 100
    assert _match([(left, 0, 0.6), (right, 0, 0.7)], truth) == {1: 0}
    assert _match([(left, 0, 0.7), (right, 0, 0.6)], truth) == {0: 0}
    assert _match([(right, 0, 0.7), (left, 0, 0.7)], truth) == {1: 0}
    assert _match([(left, 0, 0.7), (left, 0, 0.7)], truth) == {0: 0}  # nothing tells them apart
    # One detection between two truths.
    assert _match([((0, 0, 10, 10), 0, 0.7)], [(right, 0), (left, 0)]) == {0: 1}


def test_empty_boxes_match_nothing() -> None:
    point = (3, 3, 3, 3)
    assert _match([(point, 0, 0.9), ((5, 5, 2, 2), 0, 0.9)], [(point, 0)]) == {0: NO_TRUTH, 1: NO_TRUTH}


def test_nothing_to_match() -> None:
    box: Box = (0, 0, 4, 4)
    assert _match([], []) == {}
    assert _match([], [(box, 0)]) == {}
    assert _match([(box, 0, 0.9), (box, 1, 0.8)], []) == {0: NO_TRUTH, 1: NO_TRUTH}
    kept, index = match_detections(*_tensors([], [(box, 0)]))
    assert kept.dtype == index.dtype == torch.int64
    assert kept.shape == index.shape == (0,)


def _literally(detections: list[Detection], truth: list[Truth]) -> dict[int, int]:
    """Match as the docstring says, looking for the best remaining pair again and again."""
    iou = {
        (d, t): box_iou(torch.tensor(detections[d][0]), torch.tensor(truth[t][0]))
        for d in range(len(detections))
        for t in range(len(truth))
        if detections[d][1] == truth[t][1]
    }
    admissible = {pair for pair, value in iou.items() if value >= 0.5}
    matched: dict[int, int] = {}
    left = set(admissible)
    while left:
        best = None
        for d, t in sorted(left):
            rank = (iou[d, t], detections[d][2], [-v for v in detections[d][0]], [-v for v in truth[t][0]])
            if best is None or rank > best[0]:
                best = (rank, d, t)
        assert best is not None
        matched[best[1]] = best[2]
        left = {(d, t) for d, t in left if d != best[1] and t != best[2]}
    rest = {
        d: NO_TRUTH
        for d in range(len(detections))
        if not any((d, t) in iou and iou[d, t] >= 0.5 for t in range(len(truth)))
    }
    return matched | rest


# Small integers, so that equal overlaps and equal scores are common.
_boxes = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 4),
    st.integers(1, 4),
)
_detections = st.lists(st.tuples(_boxes, st.integers(0, 1), st.sampled_from([0.25, 0.5, 0.75])), max_size=7)
_truth = st.lists(st.tuples(_boxes, st.integers(0, 1)), max_size=5)


@pytest.mark.parity
@given(_detections, _truth)
def test_matches_a_literal_loop(detections: list[Detection], truth: list[Truth]) -> None:
    assert _match(detections, truth) == _literally(detections, truth)


@given(_detections, _truth, st.randoms(use_true_random=False))
def test_the_order_of_either_does_not_matter(
    detections: list[Detection], truth: list[Truth], random: object
) -> None:
    def as_seen(detections: list[Detection], truth: list[Truth]) -> list[tuple[Detection, Truth | None]]:
        matches = _match(detections, truth)
        return sorted(
            ((detections[d], truth[t] if t != NO_TRUTH else None) for d, t in matches.items()),
            key=repr,
        )

    shuffled, shuffled_truth = detections.copy(), truth.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(shuffled_truth)  # type: ignore[attr-defined]
    assert as_seen(shuffled, shuffled_truth) == as_seen(detections, truth)


@given(_detections, _truth)
def test_one_to_one_and_nothing_free_is_left(detections: list[Detection], truth: list[Truth]) -> None:
    matches = _match(detections, truth)
    taken = [t for t in matches.values() if t != NO_TRUTH]
    assert len(taken) == len(set(taken))
    surplus = set(range(len(detections))) - set(matches)
    for d, (box, label, _) in enumerate(detections):
        own = [
            t
            for t, (other, its_label) in enumerate(truth)
            if label == its_label and box_iou(torch.tensor(box), torch.tensor(other)) >= 0.5
        ]
        assert (d in surplus) == (bool(own) and matches.get(d, NO_TRUTH) == NO_TRUTH)
        if d in surplus:
            assert set(own) <= set(taken)
        if d in matches and not own:
            assert matches[d] == NO_TRUTH


def test_segments_count_by_their_tight_boxes_and_crowds_not_at_all() -> None:
    id_map = torch.zeros(6, 8, dtype=torch.int64)
    id_map[0:2, 0:2] = 5
    id_map[3, 3] = 5  # in two parts: the tight box is (0, 0, 4, 4)
    id_map[0:4, 4:8] = 6  # a crowd of the same class
    id_map[4:6, 0:4] = 7  # class 1
    id_map[4:6, 4:8] = 8  # stuff
    truth = PanopticSegmentation.from_id_map(
        id_map, [8, 7, 6, 5], [2, 1, 0, 0], [False, True, True, True], iscrowd=[False, False, True, False]
    )
    boxes = torch.tensor([[0.0, 4, 4, 6], [0, 0, 4, 4], [4, 0, 8, 4], [4, 4, 8, 6], [0, 0, 4, 3]])
    labels, scores = torch.tensor([1, 0, 0, 1, 0]), torch.full((5,), 0.9)
    kept, ids = match_segments(boxes, labels, scores, truth)
    # The last meets segment 5 with an IoU of 12 / 16, but 1 has it.
    assert kept.tolist() == [0, 1, 2, 3]
    assert ids.tolist() == [7, 5, 0, 0]


def test_segments_without_any_thing_and_without_any_detection() -> None:
    empty = PanopticSegmentation.empty(4, 4)
    boxes, labels, scores = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0]), torch.tensor([0.9])
    kept, ids = match_segments(boxes, labels, scores, empty)
    assert kept.tolist() == [0]
    assert ids.tolist() == [0]
    kept, ids = match_segments(boxes[:0], labels[:0], scores[:0], empty)
    assert kept.tolist() == ids.tolist() == []


def test_detections_may_be_in_the_graph_and_in_half_precision() -> None:
    boxes, labels, scores, *truth = _tensors([((0, 0, 4, 4), 0, 0.5)], [((0, 0, 4, 4), 0)])
    matching = match_detections(boxes.requires_grad_(), labels, scores.requires_grad_().half(), *truth)
    assert matching.kept.tolist() == [0]
    assert matching.truth.tolist() == [0]


def test_errors() -> None:
    parts = _tensors([((0, 0, 4, 4), 0, 0.5)], [((0, 0, 4, 4), 0)])
    for threshold in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"`min_iou` in \(0, 1\]"):
            match_detections(*parts, min_iou=threshold)
    boxes, labels, scores, truth_boxes, truth_labels = parts
    with pytest.raises(
        ValueError, match=r"`scores` to have one value for each of .*\(2,\) for boxes of \(1, 4\)"
    ):
        match_detections(boxes, labels, scores.repeat(2), truth_boxes, truth_labels)
    with pytest.raises(ValueError, match=r"`truth_labels` to have one value .*\(1,\) for boxes of \(1, 5\)"):
        match_detections(boxes, labels, scores, torch.zeros(1, 5), truth_labels)
    with pytest.raises(
        ValueError, match=r"`boxes` to be finite, got NaN or infinity\. Did the training diverge"
    ):
        match_detections(boxes * torch.nan, labels, scores, truth_boxes, truth_labels)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    parts = _tensors([((0, 0, 4, 4), 0, 0.5), ((0, 0, 4, 3), 0, 0.5)], [((0, 0, 4, 4), 0)])
    kept, truth = match_detections(*(part.cuda() for part in parts))
    assert kept.device.type == truth.device.type == "cuda"
    assert (kept.tolist(), truth.tolist()) == ([0], [0])
