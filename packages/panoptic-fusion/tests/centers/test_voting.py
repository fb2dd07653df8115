"""Votes and scores by hand, and held against a mask for each instance."""

import pytest
import torch

from panoptic_fusion import instance_scores, majority_vote, objectness_at_centroids

NUM_THINGS = 4


def draw(seed: int, count: int = 9, height: int = 31, width: int = 45) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    instance_map = torch.randint(0, count + 1, (height, width), generator=generator)
    sem_seg = torch.randint(0, 7, (height, width), generator=generator)
    sem_seg[torch.rand(height, width, generator=generator) < 0.1] = 255
    return instance_map, sem_seg


def test_votes_by_hand() -> None:
    # Instance 1: classes 0 1 1 -> 1. Instance 2: 0 0 1 1 and stuff 5 5 5, which does not vote: equal, so 0.
    # Instance 3: stuff and void alone: nobody votes. Instance 4 owns nothing.
    instance_map = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 0]])
    sem_seg = torch.tensor([[0, 1, 1, 1, 1, 0, 0, 5, 5, 5, 5, 255, 1]])
    votes = majority_vote(instance_map, sem_seg, num_things=2, num_instances=4)
    assert votes.labels.tolist() == [1, 0, -1, -1]
    assert votes.counts.tolist() == [[1, 2], [2, 2], [0, 0], [0, 0]]
    assert votes.shares().tolist() == pytest.approx([2 / 3, 0.5, 0, 0])
    assert majority_vote(instance_map, sem_seg, num_things=2).counts.shape == (3, 2)


@pytest.mark.parity
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int64])
def test_votes_match_masks(dtype: torch.dtype) -> None:
    for seed in range(3):
        instance_map, sem_seg = draw(seed)
        votes = majority_vote(instance_map.to(dtype), sem_seg.to(dtype), num_things=NUM_THINGS)
        for k in range(9):
            counts = [int(((instance_map == k + 1) & (sem_seg == c)).sum()) for c in range(NUM_THINGS)]
            assert votes.counts[k].tolist() == counts
            assert votes.labels[k] == counts.index(max(counts))


def test_ignore_index_may_be_a_thing() -> None:
    votes = majority_vote(torch.tensor([[1, 1, 1]]), torch.tensor([[0, 0, 1]]), num_things=2, ignore_index=0)
    assert votes.counts.tolist() == [[0, 1]]


def test_nobody_and_no_class() -> None:
    empty = majority_vote(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3).long(), num_things=2)
    assert empty.labels.shape == (0,)
    assert empty.shares().shape == (0,)
    none = majority_vote(torch.ones(2, 3).long(), torch.zeros(2, 3).long(), num_things=0)
    assert none.labels.tolist() == [-1]
    assert none.shares().tolist() == [0]
    nothing = majority_vote(torch.zeros(0, 3).long(), torch.zeros(0, 3).long(), num_things=2)
    assert nothing.counts.shape == (0, 2)


def test_scores_by_hand() -> None:
    # Instance 1 is of class 0: probabilities 0.5 and 0.9, mean 0.7, times 0.8 = 0.56. Instance 2 of class 1:
    # 0.25, times 2 = 0.5 (the heat map is not bounded by 1). 3 has no class, 4 has no pixel.
    instance_map = torch.tensor([[1, 1, 2, 3, 0]])
    first = torch.tensor([[0.5, 0.9, 0.75, 0.5, 0.5]])
    logits = torch.stack([first, 1 - first]).log() + 3
    arguments = instance_map, torch.tensor([0, 1, -1, 1]), torch.tensor([0.8, 2.0, 1.0, 1.0])
    scores = instance_scores(*arguments, sem_logits=logits)
    torch.testing.assert_close(scores, torch.tensor([0.56, 0.5, 0.0, 0.0]))
    # By labels alone: 1 of 2 pixels, and none.
    scores = instance_scores(*arguments, sem_seg=torch.tensor([[0, 1, 0, 1, 0]]))
    torch.testing.assert_close(scores, torch.tensor([0.4, 0.0, 0.0, 0.0]))


@pytest.mark.parity
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_scores_match_masks(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    instance_map, sem_seg = draw(4, height=90, width=600)
    labels, objectness = torch.arange(9) % NUM_THINGS, torch.rand(9, generator=generator)
    logits = torch.randn(7, 90, 600, generator=generator).to(dtype)
    probs = logits.double().softmax(dim=0)
    expected = [objectness[k] * probs[labels[k]][instance_map == k + 1].mean() for k in range(9)]
    scores = instance_scores(instance_map, labels, objectness, sem_logits=logits)
    torch.testing.assert_close(scores, torch.stack(expected).float())
    expected = [
        objectness[k] * (sem_seg == labels[k])[instance_map == k + 1].float().mean() for k in range(9)
    ]
    scores = instance_scores(instance_map, labels, objectness, sem_seg=sem_seg)
    torch.testing.assert_close(scores, torch.stack(expected))


def test_objectness_at_centroids_by_hand() -> None:
    # Instance 1: y (0 + 0 + 1) / 3 = 0.33 -> 0, x (0 + 2 + 2) / 3 = 1.33 -> 1. Instance 2 owns nothing.
    # Instance 3: y 1, x (0 + 1) / 2 = 0.5 -> 0.
    instance_map = torch.tensor([[1, 0, 1], [3, 3, 1]])
    heat = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    found = objectness_at_centroids(instance_map, heat[None])
    torch.testing.assert_close(found, torch.tensor([0.2, 0.0, 0.4]))
    assert objectness_at_centroids(torch.zeros(0, 3).long(), torch.zeros(0, 3)).shape == (0,)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_rejects_broken_values_where_they_are_read(value: float) -> None:
    instance_map, labels = torch.tensor([[1, 0]]), torch.tensor([0])
    logits = torch.zeros(2, 1, 2)
    logits[1, 0, 1] = value
    instance_scores(instance_map, labels, torch.ones(1), sem_logits=logits)
    logits[1, 0, 0] = value
    with pytest.raises(ValueError, match=r"`sem_logits` to be finite on instances"):
        instance_scores(instance_map, labels, torch.ones(1), sem_logits=logits)
    with pytest.raises(ValueError, match=r"`objectness` to be finite"):
        instance_scores(instance_map, labels, torch.full((1,), value), sem_seg=instance_map)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"instance_map": torch.tensor([[3, 0]])},
            ValueError,
            r"instance numbers up to 2, got values in \[0, 3\]",
        ),
        ({"instance_map": torch.tensor([[-1, 0]])}, ValueError, r"got values in \[-1, 0\]"),
        ({"instance_map": torch.zeros(1, 2)}, TypeError, r"`instance_map` to hold integers"),
        ({"labels": torch.zeros(2)}, TypeError, r"`labels` to hold integers"),
        (
            {"labels": torch.tensor([0, 3])},
            ValueError,
            r"`labels` below the 3 classes of `sem_logits`, got 3",
        ),
        ({"objectness": torch.zeros(3)}, ValueError, r"`objectness` to have the shape \(K,\) = \(2,\)"),
        ({"sem_logits": torch.zeros(3, 2, 2)}, ValueError, r"`sem_logits` .*\(C, 1, 2\), got \(3, 2, 2\)"),
        ({"sem_logits": torch.zeros(3, 1, 2).long()}, TypeError, r"A label map goes to `sem_seg`"),
        ({"sem_logits": None}, ValueError, r"either `sem_logits` or `sem_seg`, got neither"),
        ({"sem_seg": torch.zeros(1, 2).long()}, ValueError, r"either `sem_logits` or `sem_seg`, got both"),
        (
            {"sem_seg": torch.zeros(1, 3).long(), "sem_logits": None},
            ValueError,
            r"`sem_seg` .*\(1, 2\) of `instance_map`, got \(1, 3\)",
        ),
    ],
)
def test_rejects_what_does_not_fit(change: dict, error: type[Exception], message: str) -> None:
    arguments = {
        "instance_map": torch.tensor([[1, 2]]),
        "labels": torch.tensor([0, 1]),
        "objectness": torch.ones(2),
        "sem_logits": torch.zeros(3, 1, 2),
        **change,
    }
    with pytest.raises(error, match=message):
        instance_scores(**arguments)
