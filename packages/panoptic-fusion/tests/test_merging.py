"""Mirror, resize, average: by hand, against a loop over pixels, and through a fusion."""

import math
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from panoptic_fusion import (
    AffinityMaps,
    BoxMasks,
    PanopticSegmentation,
    RawOutputs,
    average_centers,
    average_semantics,
    flip_raw_outputs,
    fuse_by_confidence,
    merge_raw_outputs,
    resize_raw_outputs,
)
from panoptic_fusion.testing import (
    NUM_CLASSES,
    NUM_THINGS,
    example_segmentation,
    raw_outputs_from_segmentation,
)
from panoptic_fusion.testing.compare import tensors_of


def _raw(mask_form: str = "crops") -> RawOutputs:
    """Return perfect outputs whose label map is that of the logits, as a network's is."""
    raw = raw_outputs_from_segmentation(
        example_segmentation(), num_things=NUM_THINGS, num_classes=NUM_CLASSES, mask_form=mask_form
    )
    return replace(raw, sem_seg=None)


def _fuse(raw: RawOutputs) -> PanopticSegmentation:
    return fuse_by_confidence(
        raw.masks,
        raw.labels,
        raw.scores,
        raw.semantic_labels(),
        num_things=raw.num_things,
        stuff_area_limit=1,
    )


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _literal_average(views: list[Tensor], weights: list[float]) -> Tensor:
    """Loop over pixels: softmax, weighted mean, logarithm."""
    classes, height, width = views[0].shape
    out = torch.zeros(classes, height, width)
    for y in range(height):
        for x in range(width):
            for k in range(classes):
                mean = 0.0
                for view, weight in zip(views, weights, strict=True):
                    column = [math.exp(value) for value in view[:, y, x].tolist()]
                    mean += weight * column[k] / sum(column)
                out[k, y, x] = math.log(mean / sum(weights))
    return out


# --- by hand


def test_flip_by_hand() -> None:
    raw = RawOutputs(
        size=(1, 4),
        num_things=1,
        num_classes=2,
        sem_logits=torch.tensor([[[1.0, 2, 3, 4]], [[0.0, 0, 0, 1]]]),
        sem_seg=torch.tensor([[0, 1, 1, 255]]),
        masks=BoxMasks.from_logits(
            torch.tensor([[[5.0, -5.0]]]).expand(1, 2, 2), torch.tensor([[0.0, 0, 3, 1]])
        ),
        labels=torch.tensor([0]),
        scores=torch.tensor([0.5]),
        ranking=torch.tensor([[[1.0, 0, 0, 0]]]),
        center_heatmap=torch.tensor([[[0.0, 1, 0, 0]]]),
        offsets=torch.tensor([[[7.0, 8, 9, 6]], [[1.0, 0, -1, -2]]]),
    )
    flipped = flip_raw_outputs(raw)
    assert flipped.sem_logits.tolist() == [[[4, 3, 2, 1]], [[1, 0, 0, 0]]]
    assert flipped.sem_seg.tolist() == [[255, 1, 1, 0]]
    assert flipped.boxes.tolist() == [[1, 0, 4, 1]]  # 4 - 3, 4 - 0
    assert flipped.masks.mask_logits[0, 0].tolist() == [-5, 5]
    assert flipped.ranking.tolist() == [[[0, 0, 0, 1]]]
    assert flipped.center_heatmap.tolist() == [[[0, 0, 1, 0]]]
    # The center at column 1 is now at column 2: from columns 0, 1, 2, 3 the way is 2, 1, 0, -1.
    assert flipped.offsets.tolist() == [[[6, 9, 8, 7]], [[2, 1, 0, -1]]]
    assert raw.offsets[1, 0].tolist() == [1, 0, -1, -2]  # the input is left alone


def test_offsets_are_divided_by_the_scale_of_each_axis() -> None:
    # A view of 4 x 6, twice as high and three times as wide as the image of 2 x 2: scales 2 and 3.
    offsets = torch.stack([torch.full((4, 6), 8.0), torch.full((4, 6), -6.0)])
    raw = resize_raw_outputs(RawOutputs((4, 6), 0, 1, offsets=offsets), (2, 2))
    assert raw.size == (2, 2)
    assert raw.offsets[0].tolist() == [[4, 4], [4, 4]]  # 8 / 2
    assert raw.offsets[1].tolist() == [[-2, -2], [-2, -2]]  # -6 / 3


def test_resize_by_hand() -> None:
    raw = RawOutputs(
        size=(1, 2),
        num_things=0,
        num_classes=1,
        sem_logits=torch.tensor([[[0.0, 4.0]]]),
        sem_seg=torch.tensor([[0, 255]]),
        center_heatmap=torch.tensor([[[0.0, 1.0]]]),
        masks=BoxMasks.from_logits(torch.ones(1, 2, 2), torch.tensor([[0.0, 0, 1, 1]])),
    )
    wide = resize_raw_outputs(raw, (1, 4))
    # Centres 0.5, 1.5, 2.5, 3.5 of 4 are 0.25, 0.75, 1.25, 1.75 of 2; the old ones are 0.5 and 1.5.
    assert wide.sem_logits.tolist() == [[[0, 1, 3, 4]]]
    assert wide.center_heatmap.tolist() == [[[0, 0.25, 0.75, 1]]]
    assert wide.sem_seg.tolist() == [[0, 0, 255, 255]]
    assert wide.boxes.tolist() == [[0, 0, 2, 1]]
    assert resize_raw_outputs(raw, (1, 2)) is raw


def test_average_by_hand() -> None:
    # Two classes: logits ln 3, 0 are probabilities 3/4, 1/4; ln 1, 0 are 1/2, 1/2. Mean 5/8, 3/8.
    views = [torch.tensor([[[math.log(3)]], [[0.0]]]), torch.zeros(2, 1, 1)]
    mean = average_semantics(views)
    torch.testing.assert_close(mean.flatten().exp(), torch.tensor([5 / 8, 3 / 8]))
    weighted = average_semantics(views, weights=[3, 1])  # (3 * 3/4 + 1/2) / 4 = 11/16
    torch.testing.assert_close(weighted.flatten().exp(), torch.tensor([11 / 16, 5 / 16]))
    logits = average_semantics(views, space="logits")
    torch.testing.assert_close(logits.flatten(), torch.tensor([math.log(3) / 2, 0.0]))


def test_spaces_can_disagree() -> None:
    # One view is very sure of class 1, two lean to class 0: logits follow the one, probabilities the two.
    views = [torch.tensor([[[0.0]], [[9.0]]]), *[torch.tensor([[[2.0]], [[0.0]]])] * 2]
    assert average_semantics(views).argmax() == 0  # 2 * 0.88 / 3 = 0.59
    assert average_semantics(views, space="logits").argmax() == 1  # 4 / 3 < 9 / 3


def test_centers_by_hand() -> None:
    one = (torch.tensor([[[0.2]]]), torch.tensor([[[1.0]], [[-2.0]]]))
    other = (torch.tensor([[[0.6]]]), torch.tensor([[[3.0]], [[2.0]]]))
    heatmap, offsets = average_centers([one, other])
    torch.testing.assert_close(heatmap.flatten(), torch.tensor([0.4]))
    assert offsets.flatten().tolist() == [2, 0]
    heatmap, _ = average_centers([one, other], weights=[1, 3])
    torch.testing.assert_close(heatmap.flatten(), torch.tensor([0.5]))


# --- against a loop


@pytest.mark.parity
@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.0]], ids=["equal", "weighted"])
def test_matches_literal_loop(weights: list[float] | None) -> None:
    views = [3 * _noise(4, 3, 5, seed=seed) for seed in range(3)]
    expected = _literal_average(views, weights or [1.0] * 3)
    torch.testing.assert_close(average_semantics(views, weights), expected)


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [_noise(3, 9, 4, seed=seed) for seed in range(2)]
    whole = average_semantics(views)
    monkeypatch.setattr("panoptic_fusion._means._PIXELS_AT_ONCE", 8)  # 2 rows of 4
    torch.testing.assert_close(average_semantics(views), whole)


# --- properties


@pytest.mark.parametrize("mask_form", ["crops", "logits"])
def test_flipping_twice_is_nothing(mask_form: str) -> None:
    raw = replace(_raw(mask_form), sem_seg=example_segmentation().label_map())
    again = flip_raw_outputs(flip_raw_outputs(raw))
    for (name, ours), (_, theirs) in zip(tensors_of(again), tensors_of(raw), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)


@pytest.mark.parametrize("mask_form", ["crops", "logits"])
def test_fusion_and_flip_change_places(mask_form: str) -> None:
    raw = _raw(mask_form)
    assert torch.equal(_fuse(flip_raw_outputs(raw)).id_map, _fuse(raw).id_map.flip(-1))


@pytest.mark.parametrize("nms_threshold", [None, 0.5], ids=["instances of one", "of all"])
@pytest.mark.parametrize("mask_form", ["crops", "logits"])
def test_a_view_and_its_mirror_image_give_the_same_map(mask_form: str, nms_threshold: float | None) -> None:
    raw = _raw(mask_form)
    seen_mirrored = flip_raw_outputs(raw)  # what a perfect network says about the mirrored image
    merged = merge_raw_outputs([raw, flip_raw_outputs(seen_mirrored)], nms_threshold=nms_threshold)
    assert len(merged.masks) == len(raw.masks)
    assert torch.equal(_fuse(merged).id_map, _fuse(raw).id_map)
    torch.testing.assert_close(merged.offsets, raw.offsets)
    torch.testing.assert_close(merged.center_heatmap, raw.center_heatmap)
    torch.testing.assert_close(merged.ranking, raw.ranking)


def test_a_larger_view_points_at_the_same_centers() -> None:
    raw = _raw()
    height, width = raw.size
    large = resize_raw_outputs(raw, (2 * height, 3 * width))
    heatmap, offsets = average_centers(
        (view.center_heatmap, view.offsets) for view in (raw, resize_raw_outputs(large, raw.size))
    )
    inside = (raw.offsets != 0).any(dim=0)
    inside[:, 1:] &= inside[:, :-1].clone()
    assert (heatmap - raw.center_heatmap).abs().max() < 0.1
    assert (offsets - raw.offsets)[:, inside].abs().median() < 0.1


@given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
def test_order_of_views_does_not_matter(seed: int, order: list[int]) -> None:
    views = [_noise(3, 2, 3, seed=seed + i) for i in range(4)]
    weights = [1.0, 2.0, 0.5, 3.0]
    for space in ("probabilities", "logits"):
        torch.testing.assert_close(
            average_semantics([views[i] for i in order], [weights[i] for i in order], space=space),
            average_semantics(views, weights, space=space),
        )


@given(seed=st.integers(0, 1000), count=st.integers(1, 4))
def test_result_is_a_distribution_between_the_views(seed: int, count: int) -> None:
    views = [20 * _noise(3, 2, 2, seed=seed + i) for i in range(count)]
    probabilities = torch.stack([view.softmax(dim=0) for view in views])
    mean = average_semantics(views).softmax(dim=0)
    torch.testing.assert_close(mean.sum(dim=0), torch.ones(2, 2))
    assert (mean <= probabilities.amax(dim=0) + 1e-6).all()
    assert (mean >= probabilities.amin(dim=0) - 1e-6).all()


# --- instances


def test_instances_of_all_views() -> None:
    # The second view sees the first view's box better, and one more: class-wise NMS keeps these two.
    def view(boxes: list[list[float]], labels: list[int], scores: list[float]) -> RawOutputs:
        masks = BoxMasks.from_logits(torch.ones(len(boxes), 2, 2), torch.tensor(boxes))
        return RawOutputs((9, 9), 2, 3, masks=masks, labels=torch.tensor(labels), scores=torch.tensor(scores))

    one = view([[0, 0, 4, 4]], [0], [0.5])
    other = view([[0, 0, 4, 3], [0, 0, 4, 4]], [0, 1], [0.75, 0.25])
    merged = merge_raw_outputs([one, other], nms_threshold=0.5)  # IoU 12 / 16; the second is of another class
    assert merged.boxes.tolist() == [[0, 0, 4, 3], [0, 0, 4, 4]]
    assert merged.labels.tolist() == [0, 1]
    assert merged.scores.tolist() == [0.75, 0.25]
    assert merge_raw_outputs([one, other]).scores.tolist() == [0.5]


def test_no_instance_in_any_view() -> None:
    raw = _raw("logits")
    none = replace(raw, masks=raw.masks[[]], labels=raw.labels[:0], scores=raw.scores[:0])
    merged = merge_raw_outputs([none, none], nms_threshold=0.5)
    assert len(merged.masks) == len(merged.scores) == 0
    assert not _fuse(merged).is_thing.any()
    assert len(flip_raw_outputs(none).masks) == len(resize_raw_outputs(none, (9, 9)).masks) == 0


def test_collapsed_head_keeps_its_labels() -> None:
    # 3 thing classes in one channel, then stuff 3 and 4: channels 0, 1, 2 are labels 0, 3, 4.
    logits = torch.tensor([[[5.0, 0, 0]], [[0.0, 5, 0]], [[0.0, 0, 5]]])
    merged = merge_raw_outputs([RawOutputs((1, 3), 3, 5, sem_logits=logits)] * 2)
    assert merged.semantic_labels().tolist() == [[0, 3, 4]]


def test_one_view_at_a_time() -> None:
    alive: list[weakref.ref[Tensor]] = []

    def maps() -> Iterator[Tensor]:
        for seed in range(4):
            assert all(each() is None for each in alive)
            logits = _noise(2, 3, 3, seed=seed)
            alive.append(weakref.ref(logits))
            yield logits
            del logits

    average_semantics(maps())
    assert len(alive) == 4


# --- numbers and errors


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type(dtype: torch.dtype) -> None:
    views = [_noise(3, 2, 2, seed=seed).to(dtype) for seed in range(2)]
    mean = average_semantics(views)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, average_semantics([view.float() for view in views]))


def test_a_class_that_never_wins_stays_finite() -> None:
    view = torch.tensor([[[-math.inf]], [[0.0]]])
    mean = average_semantics([view, view])
    assert torch.isfinite(mean).all()
    assert mean.argmax() == 1
    assert average_semantics([view, view], space="logits").flatten().tolist() == [-math.inf, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_bad_logits(bad: float, space: str) -> None:
    views = [torch.zeros(2, 1, 2), torch.tensor([[[0.0, bad]], [[0.0, 0.0]]])]
    with pytest.raises(ValueError, match=r"`sem_logits` to have a finite mean, got NaN or infinity"):
        average_semantics(views, space=space)


def test_errors() -> None:
    views = [torch.zeros(2, 1, 1)] * 2
    with pytest.raises(ValueError, match=r"at least one of `sem_logits` to merge, got none"):
        average_semantics([])
    with pytest.raises(ValueError, match=r"`space` to be one of 'probabilities', 'logits', got 'odds'"):
        average_semantics(views, space="odds")
    for weights in ([1.0], [1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match=r"one of `weights` for each of `sem_logits`, got \d weights"):
            average_semantics(views, weights)
    for weight in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=r"`weights` to be finite and > 0"):
            average_semantics(views, [1.0, weight])
    with pytest.raises(ValueError, match=r"`sem_logits` to have the shape \(2, 1, 1\) of the first view"):
        average_semantics([views[0], torch.zeros(2, 1, 2)])
    with pytest.raises(TypeError, match=r"`sem_logits` to be floats, got torch.int64"):
        average_semantics([torch.zeros(2, 1, 1, dtype=torch.int64)])
    with pytest.raises(ValueError, match=r"`center_heatmap` to have the shape .* as `offsets`"):
        average_centers([(torch.zeros(1, 2, 2), torch.zeros(2, 2, 3))])
    with pytest.raises(ValueError, match=r"one `size`, got \(24, 32\) and \(9, 9\)\. .*`resize_raw_outputs`"):
        merge_raw_outputs([_raw(), resize_raw_outputs(_raw(), (9, 9))])
    with pytest.raises(ValueError, match=r"a label map alone"):
        merge_raw_outputs([RawOutputs((1, 1), 0, 1, sem_seg=torch.zeros(1, 1, dtype=torch.int64))])
    with pytest.raises(ValueError, match=r"the same fields"):
        merge_raw_outputs([_raw(), replace(_raw(), ranking=None)])
    with pytest.raises(ValueError, match=r"sizes with pixels, got \(24, 32\) and the new size \(0, 4\)"):
        resize_raw_outputs(_raw(), (0, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu() -> None:
    raw = _raw("logits")
    views = [raw, flip_raw_outputs(flip_raw_outputs(raw))]
    here = merge_raw_outputs(views, nms_threshold=0.5)
    there = merge_raw_outputs((view.to("cuda") for view in views), nms_threshold=0.5)
    assert there.device.type == "cuda"
    for (name, ours), (_, theirs) in zip(tensors_of(there), tensors_of(here), strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, msg=name)


# --- maps on a grid of their own


def test_affinity_is_mirrored_and_resized() -> None:
    maps = AffinityMaps(_noise(2, 3, 4), _noise(5, 3, 4, seed=1), _noise(5, 3, 4, seed=2), stride=(2.0, 1.5))
    raw = RawOutputs((5, 6), 1, 2, affinity=maps)  # the last row reaches beyond, the columns fill the image
    mirrored = flip_raw_outputs(raw).affinity
    assert torch.equal(mirrored.phi0, maps.phi0.flip(-1))
    assert torch.equal(mirrored.sem_logits, maps.sem_logits.flip(-1))
    large = resize_raw_outputs(raw, (10, 9))
    assert large.affinity.stride == (4.0, 2.25)
    assert large.affinity.phi1 is maps.phi1
    with pytest.raises(ValueError, match=r"fill the width of the image, 6, got 4 cells of 1.6 pixels"):
        flip_raw_outputs(replace(raw, affinity=replace(maps, stride=(2.0, 1.6))))
    with pytest.raises(ValueError, match="without `affinity`, whose features have no mean"):
        merge_raw_outputs([raw, raw])
