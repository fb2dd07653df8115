"""The fusion by affinity, held against the explicit product and a real upsampling."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs, fuse_by_affinity
from panoptic_fusion.affinity import upsampling
from panoptic_fusion.testing import InstanceFusionContract
from panoptic_fusion.testing.literal_affinity import fuse_by_affinity_literally

NUM_THINGS = 3
NUM_CLASSES = 7
SIZE = 40, 56


def make_maps(seed: int, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Draw smooth semantic logits and features."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, NUM_CLASSES, 5, 7, generator=generator)
    sem_logits = 2 * F.interpolate(coarse, size=grid, mode="bilinear")[0]
    sem_logits[:NUM_THINGS] += 1.5
    phi = torch.randn(2, 8, *grid, generator=generator)
    return sem_logits, phi[0], phi[1]


def test_affinity_by_hand() -> None:
    # One thing (s = 0.8, box over pixel 0), one stuff; V is 0.6 : 0.4 at both pixels. Psi of the thing:
    # 0.48 at pixel 0, 0 at pixel 1; of stuff 0.4 and 0.4. Features that give at pixel 0 and take at pixel 1
    # only: there the thing gets half of 0.48, the mean over two pixels, times gamma; stuff 0.4 + 0.2 gamma.
    logits = torch.tensor([[[0.6, 0.6]], [[0.4, 0.4]]]).log()
    masks = torch.tensor([[[True, False]]])
    parts = masks, torch.tensor([0]), torch.tensor([0.8]), logits
    gives, takes = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    options = {"num_things": 1, "form": "mask_free"}
    assert fuse_by_affinity(*parts, **options).id_map.tolist() == [[1, 2]]
    for gamma, expected in ((9.0, [[1, 2]]), (11.0, [[1, 1]])):  # 0.24 g > 0.4 + 0.2 g from g = 10 on
        seg = fuse_by_affinity(*parts, takes, gives, gamma=gamma, **options)
        assert seg.id_map.tolist() == expected
    learned = fuse_by_affinity(*parts, takes, gives, gamma=torch.tensor([11.0]), **options)
    assert learned.id_map.tolist() == [[1, 1]]
    # A score at the threshold is not above it; then there is stuff alone, and its limit is the last word.
    assert fuse_by_affinity(*parts, score_threshold=0.8, **options).id_map.tolist() == [[1, 1]]
    assert fuse_by_affinity(*parts, stuff_area_limit=2, **options).id_map.tolist() == [[1, 0]]


@pytest.mark.parity
@pytest.mark.parametrize("form", ["product", "sum", "logit_sum", "mask_free"])
@pytest.mark.parametrize("grid", [SIZE, (10, 14), (11, 19)], ids=["full", "quarter", "odd"])
@pytest.mark.parametrize("affine", [False, True])
def test_matches_literal_loop(
    scene: Callable, form: str, grid: tuple[int, int], affine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upsampling, "_VALUES_AT_ONCE", 900)  # several strips
    for seed in range(3):
        one = scene(seed)
        sem_logits, *phi = make_maps(seed, grid)
        parts = one.labels, one.scores, sem_logits, *(phi if affine else [None, None])
        options = {"num_things": NUM_THINGS, "gamma": 0.5, "form": form, "size": SIZE}
        seg = fuse_by_affinity(one.masks, *parts, **options)
        masks = one.masks.mask_logits, one.masks.boxes
        expected, gap = fuse_by_affinity_literally(*masks, *parts, **options)
        clear = gap > 1e-5
        assert clear.float().mean() > 0.95
        assert seg.is_thing.any()
        assert seg.is_thing.sum() < len(seg)
        assert len(seg) == len(expected)
        assert torch.equal(seg.id_map[clear], expected.id_map[clear])
        assert [segment[1:4] for segment in seg.segments] == [s[1:4] for s in expected.segments]


def test_padded_maps_give_the_same(scene: Callable) -> None:
    one = scene(2)
    sem_logits, phi0, phi1 = make_maps(2, (10, 14))
    options = {"num_things": NUM_THINGS, "gamma": 2.0, "size": SIZE}
    seg = fuse_by_affinity(one.masks, one.labels, one.scores, sem_logits, phi0, phi1, **options)
    # What the padding says is not read, not even by the pixels beyond the last centre in the image.
    padded = [F.pad(part, (0, 3, 0, 2), value=99.0) for part in (sem_logits, phi0, phi1)]
    again = fuse_by_affinity(one.masks, one.labels, one.scores, *padded, stride=4, **options)
    assert torch.equal(seg.id_map, again.id_map)
    with pytest.raises(ValueError, match=r"Leave `stride` out if the cells fill the result"):
        fuse_by_affinity(one.masks, one.labels, one.scores, sem_logits, stride=3, **options)


def test_padded_maps_of_the_image_s_own_resolution(scene: Callable) -> None:
    one = scene(2)
    parts = one.masks, one.labels, one.scores
    maps = make_maps(2, SIZE)
    options = {"num_things": NUM_THINGS, "gamma": 2.0, "size": SIZE}
    seg = fuse_by_affinity(*parts, *maps, **options)
    again = fuse_by_affinity(*parts, *(F.pad(part, (0, 8, 0, 24)) for part in maps), stride=1, **options)
    assert torch.equal(seg.id_map, again.id_map)


def test_a_thing_reaches_the_rim_of_a_padded_map() -> None:
    # 12 pixels in cells of 4: the last centre in the image is at 10. The fourth cell is padding and says
    # stuff; 3/8 of it would make the thing's 0.66 at pixel 11 into 0.41, and the stuff's 0.27 into 0.54.
    sem_logits = torch.tensor([[1.0, 1, 1, -5], [0, 0, 0, 5]])[:, None].repeat(1, 4, 1)
    masks = BoxMasks.from_boxes(torch.tensor([[0.0, 0.0, 12.0, 16.0]]))
    parts = masks, torch.tensor([0]), torch.tensor([0.9]), sem_logits
    seg = fuse_by_affinity(*parts, num_things=1, form="mask_free", size=(16, 12), stride=4)
    assert seg.id_map.tolist() == [[1] * 12] * 16


def test_a_stride_for_each_axis(scene: Callable) -> None:
    """Images are resized to whole pixels: their two factors are seldom the same."""
    one = scene(2)
    parts = one.masks, one.labels, one.scores, *make_maps(2, (10, 14))
    options = {"num_things": NUM_THINGS, "gamma": 2.0}
    size, grid = (39, 57), (10, 14)
    seg = fuse_by_affinity(*parts, size=size, **options)
    strides = size[0] / grid[0], size[1] / grid[1]
    again = fuse_by_affinity(*parts, size=size, stride=strides, **options)
    assert torch.equal(seg.id_map, again.id_map)
    short = strides[0] * (1 - 1e-15), strides[1]  # a product of quotients, by its rounding
    assert torch.equal(seg.id_map, fuse_by_affinity(*parts, size=size, stride=short, **options).id_map)
    for wrong in ((3.0, 5.0), (5.0, 3.0), (4.0, float("nan"))):
        with pytest.raises(ValueError, match="stride"):
            fuse_by_affinity(*parts, size=size, stride=wrong, **options)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_maps(scene: Callable, dtype: torch.dtype) -> None:
    one = scene(3)
    maps = [part.to(dtype) for part in make_maps(3, (10, 14))]
    parts = one.masks, one.labels, one.scores
    seg = fuse_by_affinity(*parts, *maps, num_things=NUM_THINGS, size=SIZE)
    exact = [part.float() for part in maps]
    again = fuse_by_affinity(*parts, *exact, num_things=NUM_THINGS, size=SIZE)
    assert torch.equal(seg.id_map, again.id_map)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = fuse_by_affinity(*parts, *exact, num_things=NUM_THINGS, size=SIZE)
    assert torch.equal(seg.id_map, again.id_map)


def test_an_image_without_pixels_and_one_of_one() -> None:
    masks = BoxMasks.from_logits(torch.full((1, 3, 3), 9.0), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))
    parts = masks, torch.tensor([0]), torch.tensor([0.9])
    empty = fuse_by_affinity(*parts, torch.zeros(2, 0, 5), num_things=1)
    assert empty.shape == (0, 5)
    assert len(empty) == 0
    one = fuse_by_affinity(*parts, torch.tensor([[[3.0]], [[0.0]]]), num_things=1, size=(1, 1))
    assert one.id_map.tolist() == [[1]]


def test_errors(scene: Callable) -> None:
    one = scene(0)
    sem_logits, phi0, phi1 = make_maps(0, (10, 14))
    parts = one.masks, one.labels, one.scores, sem_logits
    options = {"num_things": NUM_THINGS, "size": SIZE}
    with pytest.raises(ValueError, match="Expected both `phi0` and `phi1`"):
        fuse_by_affinity(*parts, phi0, **options)
    with pytest.raises(ValueError, match=r"`phi0` to have the shape \(C, H, W\) = \(C, 10, 14\)"):
        fuse_by_affinity(*parts, phi0[:, 1:], phi1, **options)
    with pytest.raises(ValueError, match="Expected finite values, got NaN or infinity"):
        fuse_by_affinity(*parts, phi0, phi1, gamma=float("nan"), **options)
    sem_logits[3, 2, 2] = float("nan")
    with pytest.raises(ValueError, match="Expected finite values, got NaN or infinity"):
        fuse_by_affinity(*parts, **options)
    with pytest.raises(TypeError, match="A label map is not enough"):
        fuse_by_affinity(*parts[:3], sem_logits.long(), **options)


class TestFuseByAffinity(InstanceFusionContract):
    def fuse(self, raw: RawOutputs) -> PanopticSegmentation:
        sem_logits = raw.sem_logits
        if sem_logits is None:
            assert raw.sem_seg is not None
            classes = torch.arange(raw.num_classes)[:, None, None]
            sem_logits = torch.where(classes == raw.sem_seg, 12.0, -12.0)
        assert raw.masks is not None
        assert raw.labels is not None
        assert raw.scores is not None
        return fuse_by_affinity(
            raw.masks, raw.labels, raw.scores, sem_logits, num_things=raw.num_things, stuff_area_limit=1
        )

    def test_all_void(self) -> None:
        """Without a stuff class and a detection nothing is left to say."""
        masks = BoxMasks.from_logits(torch.zeros(0, 3, 3), torch.zeros(0, 4))
        none = torch.zeros(0, dtype=torch.int64)
        seg = fuse_by_affinity(masks, none, none.float(), torch.zeros(2, 4, 5), num_things=2, size=(8, 10))
        assert len(seg) == 0
        assert seg.id_map.tolist() == [[0] * 10] * 8
