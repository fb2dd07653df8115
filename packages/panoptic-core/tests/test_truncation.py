"""Boxes truncated on purpose: the cut by hand, and what counts as recovered."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from panoptic_core.truncation import (
    SIDES,
    TruncateBoxes,
    Truncated,
    TruncationError,
    cut_masks,
    recover,
)
from panoptic_fusion import BoxMasks, PanopticSegmentation, RawOutputs


class _Sample(SimpleNamespace):
    def get(self, name: str) -> Any:
        return getattr(self, name, None)


# --- the cut


@pytest.mark.parametrize(
    ("side", "box", "logits"),
    [
        # A quarter of 8 x 4 pixels, of four columns and four rows of cells
        ("left", [12.0, 20, 18, 24], [[1.0, 2, 3], [5, 6, 7], [9, 10, 11], [13, 14, 15]]),
        ("right", [10.0, 20, 16, 24], [[0.0, 1, 2], [4, 5, 6], [8, 9, 10], [12, 13, 14]]),
        ("top", [10.0, 21, 18, 24], [[4.0, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]),
        ("bottom", [10.0, 20, 18, 23], [[0.0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]),
    ],
)
def test_a_cut_between_cells_keeps_the_others(side: Any, box: list[float], logits: list[list[float]]) -> None:
    masks = BoxMasks.from_logits(
        torch.arange(16.0).reshape(1, 4, 4), torch.tensor([[10.0, 20.0, 18.0, 24.0]])
    )
    cut = cut_masks(masks, side, 0.25)
    assert cut.boxes.tolist() == [box]
    assert cut.mask_logits is not None
    assert cut.mask_logits.tolist() == [logits]


def test_a_cut_through_cells_reads_between_them() -> None:
    # Three cells 0, 6, 12 of a box of width 6, half of it lost at the left: cells of 1.5 pixels (two of them)
    # have their centres at 3.75 and 5.25, that is 3.75 / 2 - 0.5 = 1.375 and 2.125 -> the last cell, 2.
    masks = BoxMasks.from_logits(torch.tensor([[[0.0, 6.0, 12.0]]]), torch.tensor([[0.0, 0.0, 6.0, 1.0]]))
    cut = cut_masks(masks, "left", 0.5)
    assert cut.mask_logits is not None
    assert cut.mask_logits.tolist() == [[[6 + 0.375 * 6, 12.0]]]
    one = cut_masks(BoxMasks.from_logits(torch.tensor([[[7.0]]]), torch.tensor([[0.0, 0, 8, 8]])), "top", 0.9)
    assert one.mask_logits is not None
    assert one.mask_logits.tolist() == [[[7.0]]]  # a single cell is left


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_logits_keep_their_type(dtype: torch.dtype) -> None:
    masks = BoxMasks.from_logits(torch.randn(3, 14, 14).to(dtype), torch.tensor([[0.0, 0, 9, 9]] * 3))
    for side in SIDES:
        cut = cut_masks(masks, side, 0.25).mask_logits
        assert cut is not None
        assert cut.dtype == dtype
        assert sorted(cut.shape[1:]) == [10, 14]  # round(14 * 0.75), half to even


def test_crops_keep_pixels_whose_centres_stay() -> None:
    crop = torch.tensor([[1, 1, 0, 1], [0, 1, 1, 1]]).bool()
    masks = BoxMasks.from_crops([crop], torch.tensor([[5, 3, 9, 5]]))
    expected = {
        "left": ([6, 3, 9, 5], [[1, 0, 1], [1, 1, 1]]),  # cut at 6.2: the centre 6.5 stays
        "right": ([5, 3, 8, 5], [[1, 1, 0], [0, 1, 1]]),  # at 7.8: 7.5 stays, 8.5 not
        "top": ([5, 4, 9, 5], [[0, 1, 1, 1]]),  # at 3.6: 3.5 is gone
        "bottom": ([5, 3, 9, 4], [[1, 1, 0, 1]]),
    }
    for side in SIDES:
        fraction = 0.3
        cut = cut_masks(masks, side, fraction)
        window, pixels = expected[side]
        assert cut.host_boxes.tolist() == [window]
        assert cut.whole_crops is not None
        assert cut.whole_crops[0].int().tolist() == pixels


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    fraction=st.floats(0.05, 0.9),
    side=st.sampled_from(SIDES),
    form=st.sampled_from(["logits", "crops"]),
)
def test_masks_stay_inside_of_what_they_were(seed: int, fraction: float, side: Any, form: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 12, (4, 2), generator=generator)
    boxes = torch.cat([corner, corner + torch.randint(1, 12, (4, 2), generator=generator)], dim=1)
    if form == "logits":
        masks = BoxMasks.from_logits(torch.full((4, 7, 7), 9.0), boxes.float())
    else:
        crops = [torch.rand(y1 - y0, x1 - x0, generator=generator) < 0.5 for x0, y0, x1, y1 in boxes.tolist()]
        masks = BoxMasks.from_crops(crops, boxes)
    cut = cut_masks(masks, side, fraction)
    before, after = masks.to_full((24, 24)), cut.to_full((24, 24))
    assert not (after & ~before).any()
    whole = (masks.boxes[:, 2:] - masks.boxes[:, :2]).prod(dim=1)
    left = (cut.boxes[:, 2:] - cut.boxes[:, :2]).prod(dim=1)
    if form == "logits":
        torch.testing.assert_close(left, whole * (1 - fraction))
    rows, columns = torch.meshgrid(torch.arange(24) + 0.5, torch.arange(24) + 0.5, indexing="ij")
    x0, y0, x1, y1 = cut.boxes[:, :, None, None].unbind(dim=1)
    outside = (columns < x0) | (columns > x1) | (rows < y0) | (rows > y1)
    assert not (after & outside).any()


def test_boxes_without_masks() -> None:
    cut = cut_masks(BoxMasks.from_boxes(torch.tensor([[0.0, 0, 8, 4]])), "right", 0.25)
    assert cut.boxes.tolist() == [[0, 0, 6, 4]]
    assert not cut.has_masks


def test_nothing_to_cut() -> None:
    for masks in (
        BoxMasks.from_logits(torch.zeros(0, 4, 4), torch.zeros(0, 4)),
        BoxMasks.from_crops([], torch.zeros(0, 4).long()),
    ):
        assert len(cut_masks(masks, "left", 0.25)) == 0


# --- the transform


def _raw() -> RawOutputs:
    masks = BoxMasks.from_logits(torch.zeros(2, 4, 4), torch.tensor([[0.0, 0, 8, 8], [1, 1, 5, 9]]))
    return RawOutputs(
        (10, 10), 2, 3, masks=masks, labels=torch.tensor([0, 1]), scores=torch.tensor([0.9, 0.8])
    )


def test_the_side_is_the_image_s() -> None:
    cut = TruncateBoxes(0.25)
    sides = [cut.side_of({"img_id": number}) for number in range(200)]
    assert sides == [TruncateBoxes(0.5).side_of({"img_id": str(number)}) for number in range(200)]
    assert {side: sides.count(side) > 30 for side in SIDES} == dict.fromkeys(SIDES, True)
    assert sides != [TruncateBoxes(0.25, seed=1).side_of({"img_id": number}) for number in range(200)]
    paths = [cut.side_of({"img_path": f"{folder}/7.png"}) for folder in ("/here", "/there")]
    assert paths[0] == paths[1]


def test_the_sample_remembers_both() -> None:
    sample = _Sample(img_id=3)
    transform = TruncateBoxes(0.25)
    raw = _raw()
    cut = transform(raw, sample)
    assert raw.masks is not None
    assert cut.masks is not None
    assert torch.equal(sample.truncated.whole, raw.masks.boxes)
    assert torch.equal(sample.truncated.cut, cut.masks.boxes)
    assert torch.equal(cut.masks.boxes, cut_masks(raw.masks, transform.side_of(sample), 0.25).boxes)
    assert cut.scores is raw.scores
    assert cut.labels is raw.labels


def test_what_cannot_be_cut() -> None:
    with pytest.raises(TruncationError, match=r"got none of them\. Only box-based models"):
        TruncateBoxes(0.25)(RawOutputs((2, 2), 1, 2), _Sample(img_id=0))
    for fraction in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"Expected `fraction` in \(0, 1\)"):
            TruncateBoxes(fraction)


# --- what comes back

# Two persons (0), a car (1), a crowd of cars, road (2).
TRUTH = torch.tensor(
    [
        [1, 1, 1, 1, 9, 9],
        [1, 1, 1, 1, 9, 9],
        [2, 2, 7, 7, 5, 5],
        [2, 2, 7, 7, 5, 5],
    ]
)
IDS = [9, 1, 2, 5, 7]  # the crowd first


def _map(id_map: torch.Tensor) -> PanopticSegmentation:
    facts = {1: (0, False), 2: (0, False), 5: (1, False), 7: (2, False), 9: (1, True)}
    return PanopticSegmentation.from_id_map(
        id_map,
        IDS,
        [facts[one][0] for one in IDS],
        [facts[one][0] < 2 for one in IDS],
        iscrowd=[facts[one][1] for one in IDS],
    )


def _truncated(**more: Any) -> Truncated:
    # Of each instance its box, the right half lost; the last one is the crowd's.
    whole = torch.tensor([[0.0, 0, 4, 2], [0, 2, 2, 4], [4, 2, 6, 4], [4, 0, 6, 2]])
    cut = torch.tensor([[0.0, 0, 2, 2], [0, 2, 1, 4], [4, 2, 5, 4], [4, 0, 5, 2]])
    columns = {"labels": torch.tensor([0, 0, 1, 1]), "scores": torch.tensor([0.9, 0.8, 0.7, 0.6])}
    return Truncated(whole, cut, **{**columns, **more})


def test_everything_comes_back() -> None:
    # Outside of the cut boxes lie 4 + 2 + 2 pixels; the crowd is no instance.
    assert recover(_map(TRUTH), _map(TRUTH), _truncated()) == (3, 3, 8, 8, 8)


def test_nothing_comes_back() -> None:
    shown = torch.where(torch.tensor([1, 1, 0, 0, 1, 0]).bool(), TRUTH, 7)
    shown[2:, 1] = 7
    assert recover(_map(TRUTH), _map(shown), _truncated()) == (3, 3, 8, 0, 0)


def test_half_and_some_of_others() -> None:
    shown = TRUTH.clone()
    shown[0, 3] = 7  # of person 1's four pixels outside of its box three are left,
    shown[2, 2] = 1  # and it takes one of the road
    shown[2:, 0] = 1  # person 2's half in its box is person 1's: shown as 1, which has 2 + 8 - 1 pixels
    # 1: lost 4, recovered 3, claimed 3 + 1 + 2.  2: lost 2, recovered 0: its other half is another
    # segment's; claimed all of segment 1 but the two: 7 + 1.  5: lost 2, recovered 2, claimed 2.
    assert recover(_map(TRUTH), _map(shown), _truncated()) == (3, 3, 8, 5, 16)


def test_an_instance_that_is_not_shown_loses_nothing() -> None:
    shown = torch.where(TRUTH == 1, 5, TRUTH)  # of another class
    assert recover(_map(TRUTH), _map(shown), _truncated())[:3] == (3, 2, 4)
    shown = torch.where(TRUTH == 1, 0, TRUTH)
    assert recover(_map(TRUTH), _map(shown), _truncated()) == (3, 2, 4, 4, 4)
    less = TRUTH.clone()
    less[:2, 1] = 7  # half of the pixels in the box is enough
    assert recover(_map(TRUTH), _map(less), _truncated()).shown == 3
    less[0, 0] = 7
    assert recover(_map(TRUTH), _map(less), _truncated()).shown == 2


def test_the_surest_detection_of_the_class_stands_for_an_instance() -> None:
    truncated = _truncated(labels=torch.tensor([1, 0, 1, 1]))  # nobody finds person 1
    assert recover(_map(TRUTH), _map(TRUTH), truncated) == (2, 2, 4, 4, 4)
    whole = torch.tensor([[0.0, 0, 4, 2], [0, 0, 3, 2]])
    cut = torch.tensor([[0.0, 0, 2, 2], [0, 0, 3, 2]])
    for scores, lost in (([0.9, 0.8], 4), ([0.8, 0.9], 2), ([0.8, 0.8], 4)):
        both = Truncated(whole, cut, torch.tensor([0, 0]), torch.tensor(scores))
        assert recover(_map(TRUTH), _map(TRUTH), both) == (1, 1, lost, lost, lost)


def test_no_detections_and_no_truth() -> None:
    none = Truncated(torch.zeros(0, 4), torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0))
    assert recover(_map(TRUTH), _map(TRUTH), none) == (0, 0, 0, 0, 0)
    empty = PanopticSegmentation.empty(4, 6)
    assert recover(empty, _map(TRUTH), _truncated()) == (0, 0, 0, 0, 0)
    assert recover(_map(TRUTH), empty, _truncated()) == (3, 0, 0, 0, 0)
    with pytest.raises(ValueError, match=r"Expected `pred` to be of the size of `truth`, \(4, 6\), got"):
        recover(_map(TRUTH), PanopticSegmentation.empty(4, 5), none)


@settings(deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_detections_does_not_matter(order: list[int]) -> None:
    truncated = _truncated()
    columns = (truncated.whole, truncated.cut, truncated.labels, truncated.scores)
    shuffled = Truncated(*(column[order] for column in columns))
    shown = torch.roll(TRUTH, 1, dims=1)
    assert recover(_map(TRUTH), _map(shown), shuffled) == recover(_map(TRUTH), _map(shown), truncated)
