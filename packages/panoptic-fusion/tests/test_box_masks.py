"""Masks in boxes: both forms, selection, areas, scaling."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panoptic_fusion import BoxMasks

SIZE = (12, 17)


def random_full(seed: int, count: int = 5) -> Tensor:
    """Draw sparse masks, one of them empty."""
    generator = torch.Generator().manual_seed(seed)
    full = (
        torch.rand(count, *SIZE, generator=generator)
        < torch.tensor([0.02, 0, 0.3, 0.01, 0.005])[:, None, None]
    )
    return full[torch.randperm(count, generator=generator)]


def logit_masks() -> BoxMasks:
    boxes = torch.tensor([[1.0, 2, 9, 8], [-4, -4, 3, 3], [10, 5, 30, 30]])
    logits = 4 * torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(1))
    return BoxMasks.from_logits(logits, boxes)


def test_crop_across_the_border_by_hand() -> None:
    # Window x -1..2, y 0..2 of an image 1 x 3: the left column and the lower row lie outside.
    crop = torch.tensor([[True, False, True], [True, True, True]])
    masks = BoxMasks.from_crops([crop], torch.tensor([[-1, 0, 2, 2]]))
    assert masks.window(0, (1, 3)) == (0, 0, 2, 1)
    assert masks.crop(0, (1, 3)).tolist() == [[False, True]]
    assert masks.to_full((1, 3)).tolist() == [[[False, True, False]]]
    assert masks.areas((1, 3)).tolist() == [1]
    assert masks.boxes.tolist() == [[-1, 0, 2, 2]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_full_masks_come_back(seed: int) -> None:
    full = random_full(seed)
    before = full.clone()
    masks = BoxMasks.from_full(full)
    assert torch.equal(masks.to_full(SIZE), full)
    assert torch.equal(full, before)
    assert masks.areas(SIZE).tolist() == full.flatten(1).sum(dim=1).tolist()
    for mask, crop in zip(full, masks.whole_crops or (), strict=True):
        rows, columns = mask.any(dim=1).sum(), mask.any(dim=0).sum()
        assert crop.shape[0] >= rows
        assert crop.shape[1] >= columns
        assert crop.numel() == 0 or bool(
            crop[0].any() & crop[-1].any() & crop[:, 0].any() & crop[:, -1].any()
        )


@pytest.mark.parametrize("width", [1, 7, 8, 9, 64, 67])
def test_tight_windows_of_any_width(width: int) -> None:
    full = torch.rand(30, 9, width, generator=torch.Generator().manual_seed(width)) < 0.04
    for masks in (full, full.transpose(1, 2), full[:, :, ::2], full.numpy()[:, ::-1]):
        boxes = BoxMasks.from_full(masks).boxes.long().tolist()
        for mask, box in zip(torch.as_tensor(np.ascontiguousarray(masks)), boxes, strict=True):
            y, x = mask.nonzero(as_tuple=True)
            tight = [x.min(), y.min(), x.max() + 1, y.max() + 1] if len(x) else [0, 0, 0, 0]
            assert box == [int(side) for side in tight]


@pytest.mark.parametrize(
    "masks", [logit_masks(), BoxMasks.from_full(logit_masks().to_full(SIZE))], ids=["logits", "crops"]
)
def test_selection(masks: BoxMasks) -> None:
    full = masks.to_full(SIZE)
    masks.windows(SIZE)  # the host's copy of the boxes is selected, too
    for index, rows in (
        (1, [1]),
        (-1, [2]),
        (slice(1, None), [1, 2]),
        ([2, 0], [2, 0]),
        ([], []),
        (torch.tensor([2, 1, 1]), [2, 1, 1]),
        (torch.tensor([True, False, True]), [0, 2]),
        (np.array([False, False, False]), []),
    ):
        picked = masks[index]
        assert isinstance(picked, BoxMasks)
        assert torch.equal(picked.to_full(SIZE), full[rows])
        assert torch.equal(picked.boxes, masks.boxes[rows])
    with pytest.raises(IndexError):
        masks[3]
    joined = BoxMasks.cat([masks[:1], masks[[]], masks[1:]])
    assert torch.equal(joined.to_full(SIZE), full)
    assert len(BoxMasks.cat([masks[[]]])) == 0
    assert torch.equal(masks.to("cpu").cpu().to_full(SIZE), full)
    assert masks.to("meta").device.type == "meta"


def test_crop_logits_are_read_where_the_mask_is() -> None:
    masks = logit_masks()
    for i in range(3):
        values, crop = masks.crop_logits(i, SIZE), masks.crop(i, SIZE)
        assert values.shape == crop.shape
    flat = BoxMasks.from_logits(torch.full((1, 5, 5), 2.0), torch.tensor([[2.0, 2.0, 9.0, 9.0]]))
    assert flat.crop_logits(0, SIZE)[2, 2] == 2.0
    assert flat.crop(0, SIZE).all()


def test_crop_logits_of_an_empty_window_stay_in_the_graph() -> None:
    logits = torch.zeros(1, 3, 3, requires_grad=True)
    values = BoxMasks.from_logits(logits, torch.tensor([[5.0, 5, 5, 9]])).crop_logits(0, SIZE)
    assert values.numel() == 0
    values.sum().backward()
    assert logits.grad is not None
    assert not logits.grad.any()


def test_rescale() -> None:
    masks = logit_masks().rescale(2.0, 0.5)
    assert masks.boxes[0].tolist() == [2, 1, 18, 4]
    full = random_full(3)
    crops = BoxMasks.from_full(full)
    doubled = crops.rescale(2, 3).to_full((36, 34))
    assert torch.equal(doubled, full.repeat_interleave(3, 1).repeat_interleave(2, 2))
    back = BoxMasks.from_full(doubled).rescale(1 / 2, 1 / 3)
    assert torch.equal(back.to_full(SIZE), full)


def test_no_masks() -> None:
    for masks in (
        BoxMasks.from_logits(torch.zeros(0, 7, 7), torch.zeros(0, 4)),
        BoxMasks.from_crops([], torch.zeros(0, 4, dtype=torch.int64)),
        BoxMasks.from_full(torch.zeros(0, *SIZE, dtype=torch.bool)),
    ):
        assert len(masks) == 0
        assert masks.areas(SIZE).shape == (0,)
        assert masks.to_full(SIZE).shape == (0, *SIZE)
        assert len(masks.rescale(2, 2)) == 0


def test_accepts_numpy_and_integer_boxes() -> None:
    masks = BoxMasks.from_logits(np.ones((1, 2, 2), np.float16), np.array([[0, 0, 2, 2]]))
    assert masks.boxes.dtype == torch.float32
    assert masks.areas(SIZE).tolist() == [4]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: BoxMasks.from_logits(torch.zeros(2, 3, 3), torch.zeros(1, 4)),
            ValueError,
            r"one box for each mask, got \(1, 4\)",
        ),
        (
            lambda: BoxMasks.from_logits(torch.zeros(2, 3), torch.zeros(2, 4)),
            ValueError,
            r"`mask_logits` to have the shape \(N, M, M\)",
        ),
        (lambda: BoxMasks.from_logits(torch.zeros(2, 0, 0), torch.zeros(2, 4)), ValueError, r"M >= 1"),
        (
            lambda: BoxMasks.from_logits(torch.zeros(1, 3, 3, dtype=torch.bool), torch.zeros(1, 4)),
            TypeError,
            r"floats before the sigmoid, got torch.bool",
        ),
        (
            lambda: BoxMasks.from_full(torch.zeros(1, 3, 3)),
            TypeError,
            r"`masks` to be bool, got torch.float32",
        ),
        (
            lambda: BoxMasks.from_crops([torch.zeros(1, 2, dtype=torch.bool)], torch.tensor([[0, 0, 1, 1]])),
            ValueError,
            r"`crops\[0\]` .* \(1, 1\) of its window",
        ),
        (lambda: BoxMasks.from_crops([], torch.zeros(0, 4)), TypeError, r"`windows` to hold integers"),
        (lambda: BoxMasks.cat([]), ValueError, r"at least one part"),
        (
            lambda: BoxMasks.cat([logit_masks(), BoxMasks.from_full(random_full(0))]),
            ValueError,
            r"parts of one form",
        ),
        (
            lambda: BoxMasks.from_full(random_full(0)).crop_logits(0, SIZE),
            ValueError,
            r"masks with logits, got crops",
        ),
        (lambda: logit_masks().rescale(0, 1), ValueError, r"`factor_x` to be finite and > 0, got 0"),
        (
            lambda: BoxMasks.from_logits(torch.zeros(1, 3, 3), torch.tensor([[0, 0, float("nan"), 1]])).crop(
                0, SIZE
            ),
            ValueError,
            r"`boxes` to be finite, got 1 NaN or infinite values of 4",
        ),
        (
            lambda: BoxMasks(torch.zeros(0, 4), mask_logits=torch.zeros(0, 1, 1), crops=()),
            ValueError,
            r"`mask_logits` or `crops`, got both",
        ),
    ],
)
def test_rejects_what_does_not_fit(build: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()  # type: ignore[operator]
