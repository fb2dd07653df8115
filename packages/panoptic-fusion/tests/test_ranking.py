"""Spatial ranking: scores by hand, and the fusion held against a loop over full-size masks."""

from collections.abc import Callable

import pytest
import torch

from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs, fuse_by_ranking, ranking_scores
from panoptic_fusion.testing import InstanceFusionContract, LargestTensor
from panoptic_fusion.testing.literal import full_masks
from panoptic_fusion.testing.literal_ranking import fuse_by_ranking_literally, ranking_scores_literally

NUM_THINGS = 3


def row(text: str) -> torch.Tensor:
    return torch.tensor([[letter == "#" for letter in text]])


def logits_of(*rows: list[float]) -> torch.Tensor:
    """Return logits (T, 1, W) whose softmax is these probabilities."""
    return torch.tensor(rows)[:, None].log()


def draw_ranking(seed: int, height: int = 40, width: int = 56) -> torch.Tensor:
    return 2 * torch.randn(NUM_THINGS, height, width, generator=torch.Generator().manual_seed(seed))


def test_scores_by_hand() -> None:
    # Class 0 on pixels 0 1: (0.9 + 0.3) / 2 = 0.6; class 1 on 1 2 3: (0.7 + 0.5 + 0.6) / 3 = 0.6;
    # class 1 on pixel 0: 0.1; no pixel: 0. Equation 4 as printed would give the first one (0.5 + 0.4) / 2.
    masks = torch.stack([row("##.."), row(".###"), row("#..."), row("....")])
    ranking = logits_of([0.9, 0.3, 0.5, 0.4], [0.1, 0.7, 0.5, 0.6])
    scores = ranking_scores(masks, torch.tensor([0, 1, 1, 0]), ranking)
    torch.testing.assert_close(scores, torch.tensor([0.6, 0.6, 0.1, 0.0]))


def test_tie_above_person_by_hand() -> None:
    # Figure 7: the person (detection 0.997) has 0.5 * (0.9 + 0.1) = 0.5, the tie (0.662) 0.9 on its 2 pixels.
    # The tie lies above; 2 of the person's 4 pixels are taken: 0.5 is not more than 0.5, the person stays.
    # Stuff 2 has 3 pixels right of it and 1 between: with a limit of 2 the single one goes.
    masks = torch.stack([row("####......"), row(".##......."), row(".....#....")])
    ranking = logits_of(
        [0.9, 0.1, 0.1, 0.9, 0.5, 0.8, 0.5, 0.5, 0.5, 0.5], [0.1, 0.9, 0.9, 0.1, 0.5, 0.2, 0.5, 0.5, 0.5, 0.5]
    )
    arguments = masks, torch.tensor([0, 1, 0]), torch.tensor([0.997, 0.662, 0.9]), ranking
    sem_seg = torch.tensor([[2, 2, 2, 2, 2, 2, 2, 2, 2, 255]])
    seg = fuse_by_ranking(*arguments, sem_seg, num_things=2, stuff_area_limit=2)
    assert seg.id_map.tolist() == [[3, 1, 1, 3, 0, 2, 4, 4, 4, 0]]
    assert seg.labels.tolist() == [1, 0, 0, 2]
    assert seg.scores.tolist() == pytest.approx([0.662, 0.9, 0.997, 1])
    seg = fuse_by_ranking(*arguments, sem_seg, num_things=2, stuff_area_limit=4, stuff_area_by="class")
    assert seg.id_map.tolist() == [[3, 1, 1, 3, 4, 2, 4, 4, 4, 0]]


def test_ties_fall_to_the_detection_then_to_the_index() -> None:
    masks = torch.stack([row("###."), row(".###"), row("..##")])
    ranking = torch.zeros(2, 1, 4)  # every score is 0.5
    arguments = ranking, torch.full((1, 4), 2)
    options = {"num_things": 2, "overlap_threshold": 1.0}
    labels = torch.tensor([0, 0, 1])
    seg = fuse_by_ranking(masks, labels, torch.tensor([0.6, 0.9, 0.6]), *arguments, **options)
    assert seg.id_map.tolist() == [[2, 1, 1, 1]]
    seg = fuse_by_ranking(masks, labels, torch.tensor([0.6, 0.6, 0.6]), *arguments, **options)
    assert seg.id_map.tolist() == [[1, 1, 1, 2]]


def test_inside_a_class_by_ranking_or_by_score() -> None:
    # Ranking scores of class 0: 0.8 on pixels 0 1, (0.8 + 0.5) / 2 = 0.65 on 1 2; of class 1: (0.5 + 1) / 2
    # = 0.75 on pixels 2 3. By ranking: first, third, second. By score inside class 0: second, third, first.
    masks = torch.stack([row("##..."), row(".##.."), row("..##.")])
    ranking = logits_of([0.8, 0.8, 0.5, 0.0, 1.0], [0.2, 0.2, 0.5, 1.0, 0.0])
    arguments = (
        masks,
        torch.tensor([0, 0, 1]),
        torch.tensor([0.6, 0.9, 0.7]),
        ranking,
        torch.full((1, 5), 2),
    )
    seg = fuse_by_ranking(*arguments, num_things=2, overlap_threshold=1.0, stuff_area_limit=0)
    assert seg.id_map.tolist() == [[1, 1, 2, 2, 3]]  # first, third; nothing is left of the second
    seg = fuse_by_ranking(
        *arguments, num_things=2, overlap_threshold=1.0, stuff_area_limit=0, same_class="score"
    )
    assert seg.id_map.tolist() == [[3, 1, 1, 2, 4]]  # second, third, first
    assert seg.labels.tolist() == [0, 1, 0, 2]


@pytest.mark.parity
@pytest.mark.parametrize("overlap_threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("score_threshold", [0.0, 0.6])
def test_matches_literal_loop(scene: Callable, score_threshold: float, overlap_threshold: float) -> None:
    options = {
        "num_things": NUM_THINGS,
        "score_threshold": score_threshold,
        "overlap_threshold": overlap_threshold,
        "stuff_area_limit": 12,
    }
    for seed in range(4):
        one, ranking = scene(seed), draw_ranking(seed)
        full = full_masks(one.masks, tuple(one.sem_seg.shape))
        expected = fuse_by_ranking_literally(full, one.labels, one.scores, ranking, one.sem_seg, **options)
        for masks in (one.masks, BoxMasks.from_full(full)):
            torch.testing.assert_close(
                ranking_scores(masks, one.labels, ranking),
                ranking_scores_literally(full, one.labels, ranking),
            )
            seg = fuse_by_ranking(masks, one.labels, one.scores, ranking, one.sem_seg, **options)
            assert torch.equal(seg.id_map, expected.id_map)
            assert seg.segments == expected.segments


def test_many_tiles_and_pieces() -> None:
    boxes = torch.tensor([[0.0, 0, 800, 600], [300, 100, 790, 690], [640, 640, 700, 700]])
    masks = BoxMasks.from_logits(torch.full((3, 28, 28), 9.0), boxes)
    labels = torch.tensor([0, 1, 2])
    ranking = draw_ranking(5, 700, 800)
    expected = ranking_scores_literally(full_masks(masks, (700, 800)), labels, ranking)
    torch.testing.assert_close(ranking_scores(masks, labels, ranking), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_ranking_of_any_float(scene: Callable, dtype: torch.dtype) -> None:
    one = scene(3)
    ranking = draw_ranking(3).to(dtype)
    scores = ranking_scores(one.masks, one.labels, ranking)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, ranking_scores(one.masks, one.labels, ranking.float()))


def test_huge_logits_do_not_overflow() -> None:
    masks = torch.ones(2, 1, 2, dtype=torch.bool)
    ranking = torch.tensor([[[3e38, -3e38]], [[-3e38, 3e38]], [[float("-inf"), float("-inf")]]])
    assert ranking_scores(masks, torch.tensor([0, 2]), ranking).tolist() == [0.5, 0.0]


def test_makes_nothing_of_classes_times_pixels() -> None:
    masks = BoxMasks.from_logits(torch.full((4, 5, 5), 9.0), torch.tensor([[0.0, 0, 300, 256]]).expand(4, 4))
    ranking = torch.zeros(80, 1, 1, dtype=torch.float16).expand(80, 256, 300)  # owns 80 values
    sem_seg = torch.full((256, 300), 80, dtype=torch.uint8)
    with LargestTensor() as largest:
        fuse_by_ranking(
            masks, torch.zeros(4, dtype=torch.int64), torch.ones(4), ranking, sem_seg, num_things=80
        )
    assert largest.numel <= 80 * 64 * 64, largest.operation


class TestFuseByRanking(InstanceFusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        assert raw.ranking is not None
        return fuse_by_ranking(
            raw.masks,
            raw.labels,
            raw.scores,
            raw.ranking,
            raw.semantic_labels(),
            num_things=raw.num_things,
            stuff_area_limit=1,
        )


def test_no_thing_class() -> None:
    seg = fuse_by_ranking(
        torch.zeros(0, 2, 2, dtype=torch.bool),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0),
        torch.zeros(0, 2, 2),
        torch.zeros(2, 2, dtype=torch.int64),
        num_things=0,
        stuff_area_limit=4,
    )
    assert seg.id_map.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "inf"])
def test_rejects_a_broken_ranking_where_it_is_read(value: float) -> None:
    masks = torch.zeros(1, 2, 5, dtype=torch.bool)
    masks[0, 0, :2] = True
    arguments = masks, torch.tensor([0]), torch.tensor([0.9])
    sem_seg = torch.full((2, 5), 2)
    ranking = torch.zeros(2, 2, 5)
    ranking[0, 1, 4] = value
    fuse_by_ranking(*arguments, ranking, sem_seg, num_things=2)
    ranking[1, 0, 1] = value
    with pytest.raises(ValueError, match=r"`ranking` to be finite in the windows of the masks"):
        fuse_by_ranking(*arguments, ranking, sem_seg, num_things=2)
    with pytest.raises(ValueError, match=r"`ranking` to be finite in the windows of the masks"):
        ranking_scores(*arguments[:2], ranking)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ranking": torch.zeros(2, 40, 56)}, ValueError, r"`ranking` .*\(3, 40, 56\), got \(2, 40, 56\)"),
        ({"ranking": torch.zeros(3, 40, 55)}, ValueError, r"\(num_things, H, W\) = \(3, 40, 56\)"),
        (
            {"ranking": torch.zeros(3, 40, 56, dtype=torch.int64)},
            TypeError,
            r"to hold floats, got torch.int64",
        ),
        (
            {"ranking": torch.zeros(3, 40, 56, device="meta")},
            ValueError,
            r"`ranking` on the device of `sem_seg`",
        ),
        (
            {"overlap_threshold": -0.1},
            ValueError,
            r"`overlap_threshold` to be a number in \[0, 1\], got -0.1",
        ),
        ({"stuff_area_limit": 1.5}, ValueError, r"`stuff_area_limit` to be a whole number >= 0, got 1.5"),
        ({"stuff_area_by": "pixel"}, ValueError, r"`stuff_area_by` to be one of 'component', 'class'"),
        ({"same_class": "area"}, ValueError, r"`same_class` to be one of 'ranking', 'score', got 'area'"),
        ({"sem_seg": torch.zeros(7, 4, 5)}, ValueError, r"label map \(H, W\), got logits \(7, 4, 5\)"),
        ({"scores": torch.zeros(3)}, ValueError, r"`scores` to have the shape \(N,\) = \(12,\).* got \(3,\)"),
    ],
)
def test_rejects_what_does_not_fit(
    scene: Callable, change: dict, error: type[Exception], message: str
) -> None:
    one = scene(0)
    arguments = {
        "masks": one.masks,
        "labels": one.labels,
        "scores": one.scores,
        "ranking": draw_ranking(0),
        "sem_seg": one.sem_seg,
        "num_things": NUM_THINGS,
        **change,
    }
    with pytest.raises(error, match=message):
        fuse_by_ranking(**arguments)


def test_scores_reject_what_does_not_fit(scene: Callable) -> None:
    one = scene(0)
    with pytest.raises(ValueError, match=r"`labels` to be thing ids in \[0, 3\), got values in \[0, 3\]"):
        ranking_scores(one.masks, torch.arange(12) % 4, draw_ranking(0))
    with pytest.raises(ValueError, match=r"`labels` on the device of `ranking`"):
        ranking_scores(one.masks, one.labels.to("meta"), draw_ranking(0))
