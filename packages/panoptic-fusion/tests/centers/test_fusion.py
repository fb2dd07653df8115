"""The fusion by centers, held against a mask for each instance."""

from dataclasses import replace

import pytest
import torch

from panoptic_fusion import PanopticSegmentation, RawOutputs, encode_centers, fuse_by_centers
from panoptic_fusion.testing import FusionContract, LargestTensor, check_consistent
from panoptic_fusion.testing.literal_centers import fuse_by_centers_literally

NUM_THINGS = 3


def draw(seed: int, height: int = 60, width: int = 90) -> tuple[torch.Tensor, ...]:
    """Return a heat map with plateaus, offsets, labels in patches, and logits."""
    generator = torch.Generator().manual_seed(seed)
    heat = (torch.rand(height, width, generator=generator) ** 8 * 20).round() / 20
    offsets = 5 * torch.randn(2, height, width, generator=generator)
    coarse = torch.randint(0, 7, (12, 18), generator=generator)
    sem_seg = coarse.repeat_interleave(8, 0).repeat_interleave(8, 1)[:height, :width].clone()
    sem_seg[torch.rand(height, width, generator=generator) < 0.1] = 255
    return heat, offsets, sem_seg, torch.randn(7, height, width, generator=generator)


def test_by_hand() -> None:
    # Centers at x = 1 (0.9) and x = 6 (0.5). Pixels 0 to 3 are things and nearer to the first, but pixel 3
    # has an offset of 2: nearer to the second. Votes: 0 0 1 -> 0, share 2/3; 1 1 -> 1. Stuff 2 keeps one
    # pixel and goes, stuff 3 keeps two.
    heat = torch.tensor([[0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0]])
    offsets = torch.zeros(2, 1, 9)
    offsets[1, 0, 3] = 2
    sem_seg = torch.tensor([[0, 0, 1, 1, 2, 255, 1, 3, 3]])
    seg = fuse_by_centers(heat, offsets, sem_seg, num_things=2, nms_kernel=3, stuff_area_limit=2)
    assert seg.id_map.tolist() == [[1, 1, 1, 2, 0, 0, 2, 3, 3]]
    assert seg.labels.tolist() == [0, 1, 3]
    assert seg.scores.tolist() == pytest.approx([0.6, 0.5, 1])
    # The centroid of the first instance is x = 1, of the second (3 + 6) / 2 = 4.5 -> 4: heat 0.
    seg = fuse_by_centers(
        heat, offsets, sem_seg, num_things=2, nms_kernel=3, stuff_area_limit=2, objectness="centroid"
    )
    assert seg.scores.tolist() == pytest.approx([0.6, 0, 1])


@pytest.mark.parity
@pytest.mark.parametrize("top_k", [0, 5, 200])
@pytest.mark.parametrize("with_logits", [False, True], ids=["labels", "logits"])
def test_matches_literal_loop(top_k: int, with_logits: bool) -> None:
    for seed in range(4):
        heat, offsets, sem_seg, logits = draw(seed)
        options = {
            "num_things": NUM_THINGS,
            "sem_logits": logits if with_logits else None,
            "threshold": 0.3,
            "top_k": top_k,
            "stuff_area_limit": 300,
        }
        expected = fuse_by_centers_literally(heat, offsets, sem_seg, **options)
        seg = fuse_by_centers(heat[None], offsets, sem_seg, **options)
        assert torch.equal(seg.id_map, expected.id_map)
        assert seg.labels.tolist() == expected.labels.tolist()
        torch.testing.assert_close(seg.scores, expected.scores)


def test_without_centers_things_are_void() -> None:
    _, offsets, sem_seg, _ = draw(0)
    seg = fuse_by_centers(torch.zeros(1, 60, 90), offsets, sem_seg, num_things=NUM_THINGS, stuff_area_limit=0)
    assert not seg.is_thing.any()
    assert torch.equal(seg.id_map > 0, (sem_seg >= NUM_THINGS) & (sem_seg != 255))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    heat, offsets, sem_seg, logits = draw(1)
    heat, offsets, logits = heat.to(dtype), offsets.to(dtype), logits.to(dtype)
    options = {"num_things": NUM_THINGS, "stuff_area_limit": 0}
    seg = fuse_by_centers(heat, offsets, sem_seg, sem_logits=logits, **options)
    again = fuse_by_centers(heat.float(), offsets.float(), sem_seg, sem_logits=logits.float(), **options)
    assert torch.equal(seg.id_map, again.id_map)
    assert torch.equal(seg.scores, again.scores)


@pytest.mark.parametrize("ignore_index", [-1, 7, 40_000])
def test_void_by_any_name(ignore_index: int) -> None:
    heat, offsets, sem_seg, _ = draw(2)
    seg = fuse_by_centers(heat, offsets, sem_seg, num_things=NUM_THINGS, stuff_area_limit=0)
    renamed = torch.where(sem_seg == 255, ignore_index, sem_seg)
    again = fuse_by_centers(
        heat, offsets, renamed, num_things=NUM_THINGS, stuff_area_limit=0, ignore_index=ignore_index
    )
    assert torch.equal(seg.id_map, again.id_map)


def test_encoded_truth_comes_back_in_every_pixel() -> None:
    id_map = torch.full((150, 260), 100)
    y, x = torch.arange(150)[:, None], torch.arange(260)
    for one, (top, left) in enumerate(
        [(20, 30), (40, 70), (90, 60), (100, 200), (20, 200), (45, 215)], start=1
    ):
        id_map[((y - top) ** 2 + 2 * (x - left) ** 2 < 700) & (x + y > left + top - 20)] = one
    id_map[:, 240:] = 0
    ids, labels = [*range(1, 7), 100], [0, 1, 2, 1, 0, 0, 4]
    truth = PanopticSegmentation.from_id_map(id_map, ids, labels, [label < 3 for label in labels])
    targets = encode_centers(truth)
    seg = fuse_by_centers(
        targets.heatmap, targets.offsets, truth.label_map(), num_things=3, stuff_area_limit=0
    )
    pairs = torch.stack([truth.id_map.view(-1), seg.id_map.view(-1)]).unique(dim=1).T.tolist()
    assert len(pairs) == len(truth) + 1 == len(seg) + 1
    found = {segment.id: segment for segment in seg.segments}
    for segment, partner in pairs:
        assert (segment == 0) == (partner == 0)
        if segment:
            assert found[partner].label == labels[ids.index(segment)]


def test_makes_nothing_of_centers_times_pixels() -> None:
    heat, offsets, sem_seg, _ = draw(3, 80, 120)
    with LargestTensor() as largest:
        seg = fuse_by_centers(heat, offsets, sem_seg, num_things=NUM_THINGS)
    assert len(seg) > 30
    assert largest.numel <= 4 * 80 * 120, largest.operation


class TestFuseByCenters(FusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        assert raw.center_heatmap is not None
        assert raw.offsets is not None
        return fuse_by_centers(
            raw.center_heatmap,
            raw.offsets,
            raw.semantic_labels(),
            sem_logits=raw.sem_logits,
            num_things=raw.num_things,
            stuff_area_limit=1,
        )

    def test_all_void(self) -> None:
        raw = self.make_raw()
        assert raw.sem_seg is not None
        seg = self.fuse(replace(raw, sem_seg=torch.full_like(raw.sem_seg, 255)))
        assert len(seg) == 0
        assert not seg.id_map.any()

    def test_one_pixel(self) -> None:
        raw = RawOutputs(
            size=(1, 1),
            num_things=2,
            num_classes=3,
            sem_seg=torch.tensor([[1]]),
            center_heatmap=torch.ones(1, 1, 1),
            offsets=torch.zeros(2, 1, 1),
        )
        seg = self.fuse(raw)
        check_consistent(seg, raw)
        assert [(segment.label, segment.area) for segment in seg.segments] == [(1, 1)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"center_heatmap": torch.zeros(1, 4, 5)},
            ValueError,
            r"`center_heatmap` .*\(1, 60, 90\), as `sem_seg`",
        ),
        (
            {"center_heatmap": torch.full((60, 90), float("nan"))},
            ValueError,
            r"`center_heatmap` to be finite",
        ),
        ({"offsets": torch.zeros(2, 4, 5)}, ValueError, r"`offsets` .*\(2, 60, 90\), as `sem_seg`, got"),
        ({"offsets": torch.full((2, 60, 90), float("inf"))}, ValueError, r"`offsets` to be finite"),
        (
            {"offsets": torch.zeros(2, 60, 90, device="meta")},
            ValueError,
            r"`offsets` on the device of `sem_seg`",
        ),
        ({"sem_seg": torch.zeros(7, 60, 90)}, ValueError, r"label map \(H, W\), got logits \(7, 60, 90\)"),
        (
            {"sem_seg": torch.full((60, 90), -3)},
            ValueError,
            r"`ignore_index` = 255, got values in \[-3, -3\]",
        ),
        ({"sem_logits": torch.zeros(7, 4, 5)}, ValueError, r"`sem_logits` .*\(C, 60, 90\), got \(7, 4, 5\)"),
        ({"ignore_index": 2}, ValueError, r"`ignore_index` not to be a thing id in \[0, 3\), got 2"),
        ({"num_things": -1}, ValueError, r"`num_things` to be a whole number >= 0, got -1"),
        ({"stuff_area_limit": -1}, ValueError, r"`stuff_area_limit` to be a whole number >= 0, got -1"),
        ({"nms_kernel": 6}, ValueError, r"`nms_kernel` to be odd, got 6"),
        ({"objectness": "mass"}, ValueError, r"`objectness` to be one of 'center', 'centroid', got 'mass'"),
    ],
)
def test_rejects_what_does_not_fit(change: dict, error: type[Exception], message: str) -> None:
    heat, offsets, sem_seg, _ = draw(0)
    arguments = {
        "center_heatmap": heat,
        "offsets": offsets,
        "sem_seg": sem_seg,
        "num_things": NUM_THINGS,
        **change,
    }
    with pytest.raises(error, match=message):
        fuse_by_centers(**arguments)
