"""TASCNet's fusion, held against a loop over full-size masks."""

from collections.abc import Callable
from itertools import product

import pytest
import torch

from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs, fuse_by_mask_guidance
from panoptic_fusion.testing import InstanceFusionContract
from panoptic_fusion.testing.literal import full_masks, fuse_by_mask_guidance_literally

NUM_THINGS = 3


def masks_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[[letter == "#" for letter in text]] for text in rows])


def fuse(masks: torch.Tensor, sem_seg: torch.Tensor, **options: object) -> PanopticSegmentation:
    count = len(masks)
    scores = 0.9 - 0.1 * torch.arange(count)
    return fuse_by_mask_guidance(
        masks, torch.zeros(count, dtype=torch.int64), scores, sem_seg, num_things=1, **options
    )


THINGS = torch.tensor([[0, 0, 0, 0, 0, 0, 0, 1, 1, 2]])


def test_guidance_by_hand() -> None:
    # first: 3 of 4 px on things, 0.75 > 0.7; second: 2 of 3 px, 0.67: refused.
    masks = masks_of("....####..", ".....##.#.")
    seg = fuse(masks[:1], THINGS)
    # Clipped to things: pixel 7 stays stuff 1. Things without an instance are void.
    assert seg.id_map.tolist() == [[0, 0, 0, 0, 1, 1, 1, 2, 2, 3]]
    assert fuse(masks[1:], THINGS).is_thing.tolist() == [False, False]
    assert fuse(masks[:1], THINGS, clip=False).id_map.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 2, 3]]


def test_exactly_at_the_thresholds() -> None:
    # 7 of 10 px on things is not more than 0.7.
    assert not fuse(masks_of("##########"), THINGS).is_thing.any()
    # 2 of 5 px taken is not under 0.4; pairwise IoU 2 / 8 = 0.25 is under every NMS threshold.
    masks = masks_of("#####.....", "...#####..")
    things = torch.zeros(1, 10, dtype=torch.int64)
    assert int(fuse(masks, things).is_thing.sum()) == 1
    assert int(fuse(masks, things, overlap_threshold=0.41).is_thing.sum()) == 2
    assert int(fuse(masks, things, measure="iou").is_thing.sum()) == 2
    assert int(fuse(masks, things, measure="iou", overlap_threshold=0.25).is_thing.sum()) == 1


def test_box_nms_inside_classes_and_mask_nms_over_all() -> None:
    # The same mask twice: suppressed by boxes in one class, by masks across classes; 1 switches an NMS off.
    masks, things = masks_of("##..", "##.."), torch.zeros(1, 4, dtype=torch.int64)
    scores = torch.tensor([0.8, 0.9])

    def winners(labels: list[int], **options: float) -> list[int]:
        seg = fuse_by_mask_guidance(
            masks, torch.tensor(labels), scores, things, num_things=2, overlap_threshold=1.0, **options
        )
        return seg.labels[seg.is_thing].tolist()

    assert winners([1, 0]) == [0]
    assert winners([0, 0]) == [0]
    # Without both, the second is added but finds no free pixel.
    assert winners([1, 0], mask_nms_threshold=1.0) == [0]


def test_fill_stuff_by_hand() -> None:
    stuff_seg = torch.tensor([[1, 1, 2, 2, 1, 1, 1, 1, 1, 255]])
    seg = fuse(masks_of("....###..."), THINGS, fill="stuff", stuff_seg=stuff_seg)
    # Free thing pixels 0..3 take the second map's stuff, the others keep the first map's.
    assert seg.id_map.tolist() == [[2, 2, 3, 3, 1, 1, 1, 2, 2, 3]]


@pytest.mark.parity
@pytest.mark.parametrize("fill", ["void", "stuff"])
@pytest.mark.parametrize("clip", [True, False], ids=["clip", "no clip"])
@pytest.mark.parametrize("measure", ["coverage", "iou"])
def test_matches_literal_loop(scene: Callable, measure: str, clip: bool, fill: str) -> None:
    placed = 0
    for seed, mask_nms, overlap in product(range(3), (0.3, 0.9), (0.1, 0.4)):
        one = scene(seed, count=16)
        options = {
            "num_things": NUM_THINGS,
            "score_threshold": 0.4,
            "mask_nms_threshold": mask_nms,
            "overlap_threshold": overlap,
            "guidance_threshold": 0.5,
            "measure": measure,
            "clip": clip,
            "stuff_seg": one.stuff_seg if fill == "stuff" else None,
            "stuff_area_limit": 20,
        }
        full = full_masks(one.masks, tuple(one.sem_seg.shape))
        expected = fuse_by_mask_guidance_literally(
            full, one.masks.boxes, one.labels, one.scores, one.sem_seg, **options
        )
        seg = fuse_by_mask_guidance(one.masks, one.labels, one.scores, one.sem_seg, fill=fill, **options)
        assert torch.equal(seg.id_map, expected.id_map)
        assert seg.segments == expected.segments
        placed += int(seg.is_thing.sum())
    assert placed > 40


def test_small_cache_gives_the_same(scene: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    one = scene(4, count=20)
    arguments = one.masks, one.labels, one.scores, one.sem_seg
    seg = fuse_by_mask_guidance(*arguments, num_things=NUM_THINGS, guidance_threshold=0.3)
    monkeypatch.setattr("panoptic_fusion._instances._CACHE_BYTES_PER_PIXEL", 0)
    again = fuse_by_mask_guidance(*arguments, num_things=NUM_THINGS, guidance_threshold=0.3)
    assert torch.equal(seg.id_map, again.id_map)


def test_accepts_numpy(scene: Callable) -> None:
    one = scene(5)
    seg = fuse_by_mask_guidance(one.masks, one.labels, one.scores, one.sem_seg, num_things=NUM_THINGS)
    logits, boxes = one.masks.mask_logits.numpy(), one.masks.boxes.numpy()
    again = fuse_by_mask_guidance(
        BoxMasks.from_logits(logits, boxes),
        one.labels.numpy(),
        one.scores.numpy(),
        one.sem_seg.numpy().astype("uint8"),
        num_things=NUM_THINGS,
    )
    assert torch.equal(seg.id_map, again.id_map)


class TestFuseByMaskGuidance(InstanceFusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        sem_seg = raw.semantic_labels()
        return fuse_by_mask_guidance(
            raw.masks, raw.labels, raw.scores, sem_seg, num_things=raw.num_things, guidance_threshold=0.5
        )


class TestFuseByMaskGuidanceWithoutClipping(InstanceFusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        sem_seg = raw.semantic_labels()
        return fuse_by_mask_guidance(
            raw.masks,
            raw.labels,
            raw.scores,
            sem_seg,
            num_things=raw.num_things,
            measure="iou",
            clip=False,
            fill="stuff",
            stuff_seg=torch.where(sem_seg < raw.num_things, 255, sem_seg),
        )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"measure": "dice"}, ValueError, r"`measure` to be one of 'coverage', 'iou', got 'dice'"),
        ({"fill": "sky"}, ValueError, r"`fill` to be one of 'void', 'stuff', got 'sky'"),
        ({"fill": "stuff"}, ValueError, r"`stuff_seg` with fill=\"stuff\", got None"),
        ({"stuff_seg": THINGS}, ValueError, r"no `stuff_seg` with fill=\"void\", got one"),
        ({"fill": "stuff", "stuff_seg": THINGS}, ValueError, r"stuff labels >= 1, got 0"),
        ({"fill": "stuff", "stuff_seg": THINGS[:, 1:]}, ValueError, r"\(1, 10\) of `sem_seg`, got \(1, 9\)"),
        ({"fill": "stuff", "stuff_seg": THINGS.float()}, TypeError, r"`stuff_seg` to hold integers"),
        (
            {"box_nms_threshold": -0.1},
            ValueError,
            r"`box_nms_threshold` to be a number in \[0, 1\], got -0.1",
        ),
        ({"mask_nms_threshold": 2}, ValueError, r"`mask_nms_threshold` .* got 2"),
        ({"guidance_threshold": "high"}, ValueError, r"`guidance_threshold` .* got 'high'"),
    ],
)
def test_rejects_what_does_not_fit(change: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fuse(masks_of("##########"), THINGS, **change)
