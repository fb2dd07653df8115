"""Fusion wrappers: each config key reaches the function it belongs to."""

import pytest
import torch

from panoptic_fusion import (
    BoxMasks,
    RawOutputs,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_panoptic_logits,
    fuse_by_ranking,
)
from panoptic_heads.common import ConfidenceFusion, MaskGuidedFusion, PanopticLogitsFusion, RankingFusion
from panoptic_heads.registry import MODELS


@pytest.fixture
def raw() -> RawOutputs:
    generator = torch.Generator().manual_seed(0)
    count, size = 12, (40, 60)
    corners = torch.rand(count, 2, generator=generator) * torch.tensor([40.0, 25.0])
    sides = torch.rand(count, 2, generator=generator) * 20 + 4
    sem_logits = torch.randn(5, 4, 6, generator=generator).repeat_interleave(10, 1).repeat_interleave(10, 2)
    return RawOutputs(
        size=size,
        num_things=2,
        num_classes=5,
        sem_logits=sem_logits,
        masks=BoxMasks.from_logits(
            torch.randn(count, 7, 7, generator=generator) + 1, torch.cat([corners, corners + sides], dim=1)
        ),
        labels=torch.randint(0, 2, (count,), generator=generator),
        scores=torch.rand(count, generator=generator),
    )


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({"score_thr": 0.2}, {"score_threshold": 0.2}),
        ({"mask_overlap": 0.1}, {"overlap_threshold": 0.1}),
        ({"stuff_area_limit": 100}, {"stuff_area_limit": 100}),
    ],
    ids=str,
)
def test_confidence_keys(keys: dict[str, float], arguments: dict[str, float], raw: RawOutputs) -> None:
    defaults = {"score_threshold": 0.5, "overlap_threshold": 0.5, "stuff_area_limit": 4096}
    expected = fuse_by_confidence(
        raw.masks, raw.labels, raw.scores, raw.semantic_labels(), num_things=2, **{**defaults, **arguments}
    )
    fused = ConfidenceFusion(**keys)(raw)
    assert torch.equal(fused.id_map, expected.id_map)
    assert not torch.equal(fused.id_map, ConfidenceFusion()(raw).id_map)


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({}, {}),
        ({"score_thr": 0.6}, {"score_threshold": 0.6}),
        ({"box_nms": 0.0}, {"box_nms_threshold": 0.0}),
        ({"mask_nms": 1.0}, {"mask_nms_threshold": 1.0}),
        ({"mask_overlap": 0.05}, {"overlap_threshold": 0.05}),
        ({"guidance": 0.2}, {"guidance_threshold": 0.2}),
        ({"measure": "iou"}, {"measure": "iou"}),
        ({"clip": False}, {"clip": False}),
        ({"stuff_area_limit": 700}, {"stuff_area_limit": 700}),
    ],
    ids=str,
)
def test_mask_guidance_keys(keys: dict[str, float], arguments: dict[str, float], raw: RawOutputs) -> None:
    loose = {"score_threshold": 0.0, "guidance_threshold": 0.1}
    expected = fuse_by_mask_guidance(
        raw.masks, raw.labels, raw.scores, raw.semantic_labels(), num_things=2, **{**loose, **arguments}
    )
    default = {"score_thr": 0.0, "guidance": 0.1}
    fused = MaskGuidedFusion(**{**default, **keys})(raw)
    assert torch.equal(fused.id_map, expected.id_map)
    assert not keys or not torch.equal(fused.id_map, MaskGuidedFusion(**default)(raw).id_map)


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({}, {}),
        ({"score_thr": 0.6}, {"score_threshold": 0.6}),
        ({"box_nms": 0.0}, {"box_nms_threshold": 0.0}),
        ({"prune": 0.05}, {"prune_threshold": 0.05}),
        ({"unknown": False}, {"unknown": False}),
        ({"outside": "-inf"}, {"outside": "-inf"}),
        ({"resolve": False}, {"resolve": False}),
        ({"stuff_area_limit": 300}, {"stuff_area_limit": 300}),
    ],
    ids=str,
)
def test_panoptic_logits_keys(keys: dict[str, float], arguments: dict[str, float], raw: RawOutputs) -> None:
    loose = {"score_threshold": 0.0, "box_nms_threshold": 1.0, "prune_threshold": 1.0, "stuff_area_limit": 0}
    expected = fuse_by_panoptic_logits(
        raw.masks, raw.labels, raw.scores, raw.sem_logits, num_things=2, **{**loose, **arguments}
    )
    default = {"score_thr": 0.0, "box_nms": 1.0, "prune": 1.0, "stuff_area_limit": 0}
    fusion = PanopticLogitsFusion(**{**default, **keys})
    assert fusion.needs_sem_logits
    seg, before = fusion(raw), PanopticLogitsFusion(**default)(raw)
    assert torch.equal(seg.id_map, expected.id_map)
    assert torch.equal(seg.labels, expected.labels)
    assert not keys or not torch.equal(seg.label_map(), before.label_map())


def test_panoptic_logits_know_the_paper_numbers_and_need_every_class(raw: RawOutputs) -> None:
    paper = PanopticLogitsFusion()
    assert (paper.score_thr, paper.box_nms, paper.prune, paper.inclusive) == (0.6, 0.5, 0.3, False)
    raw.sem_logits = raw.sem_logits[1:]
    with pytest.raises(ValueError, match=r"of 5 channels.*got 4 channels.*collapse_things=False"):
        paper(raw)
    raw.sem_logits = None
    with pytest.raises(ValueError, match=r"got none\."):
        paper(raw)


def test_fill_by_stuff_takes_the_best_stuff_class(raw: RawOutputs) -> None:
    fusion = MaskGuidedFusion(score_thr=2.0, fill="stuff")  # no instance is left
    assert fusion.needs_sem_logits
    assert not MaskGuidedFusion().needs_sem_logits
    assert torch.equal(fusion(raw).label_map(), raw.sem_logits[2:].argmax(dim=0) + 2)


def test_fill_by_stuff_with_collapsed_things(raw: RawOutputs) -> None:
    raw.sem_seg = raw.semantic_labels()
    raw.sem_logits = raw.sem_logits[1:]  # one thing channel, then the same stuff
    seg = MaskGuidedFusion(score_thr=2.0, fill="stuff")(raw)
    assert torch.equal(seg.label_map(), raw.sem_logits[1:].argmax(dim=0) + 2)


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({}, {}),
        ({"score_thr": 0.6}, {"score_threshold": 0.6}),
        ({"mask_overlap": 0.1}, {"overlap_threshold": 0.1}),
        ({"same_class": "score"}, {"same_class": "score"}),
        ({"stuff_area_limit": 60}, {"stuff_area_limit": 60}),
        ({"stuff_area_by": "class"}, {"stuff_area_by": "class"}),
    ],
    ids=str,
)
def test_ranking_keys(keys: dict[str, float], arguments: dict[str, float], raw: RawOutputs) -> None:
    raw.ranking = (
        torch.randn(2, 40, 60, generator=torch.Generator().manual_seed(1))
        + torch.linspace(-2, 2, 60) * torch.tensor([1.0, -1.0])[:, None, None]
    )
    raw.sem_seg = raw.sem_logits[2:].argmax(dim=0) + 2
    loose = {"score_threshold": 0.0, "stuff_area_limit": 250}
    expected = fuse_by_ranking(
        raw.masks, raw.labels, raw.scores, raw.ranking, raw.sem_seg, num_things=2, **{**loose, **arguments}
    )
    default = {"score_thr": 0.0, "stuff_area_limit": 250}
    fused = RankingFusion(**{**default, **keys})(raw)
    assert torch.equal(fused.id_map, expected.id_map)
    assert not keys or not torch.equal(fused.id_map, RankingFusion(**default)(raw).id_map)


def test_ranking_by_score_is_the_order_of_confidence(raw: RawOutputs) -> None:
    raw.sem_seg = raw.semantic_labels()
    by_score = RankingFusion(order="score", stuff_area_by="class", stuff_area_limit=100)(raw)
    expected = ConfidenceFusion(stuff_area_limit=100)(raw)
    assert torch.equal(by_score.id_map, expected.id_map)
    assert RankingFusion.stuff_everywhere
    assert not getattr(ConfidenceFusion(), "stuff_everywhere", False)


def test_built_by_name() -> None:
    fusion = MODELS.build({"type": "panoptic_heads.MaskGuidedFusion", "mask_overlap": 0.3})
    assert fusion.mask_overlap == 0.3


def test_errors(raw: RawOutputs) -> None:
    raw.sem_logits, raw.sem_seg = None, raw.semantic_labels()
    with pytest.raises(ValueError, match=r"with `sem_logits` to fill by stuff"):
        MaskGuidedFusion(fill="stuff")(raw)
    with pytest.raises(ValueError, match=r"with `ranking`, got none.*order='score' does without it"):
        RankingFusion()(raw)
    with pytest.raises(ValueError, match=r"`order` to be one of \['ranking', 'score'\], got 'area'"):
        RankingFusion(order="area")
    raw.masks = None
    with pytest.raises(ValueError, match=r"with `masks`, `labels` and `scores`"):
        ConfidenceFusion()(raw)
