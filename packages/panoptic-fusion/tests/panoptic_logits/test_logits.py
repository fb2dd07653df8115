"""The panoptic logits: dense against a literal loop, lean against dense."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from panoptic_fusion import (
    BoxMasks,
    argmax_panoptic_logits,
    dense_panoptic_logits,
    label_map_from_logits,
)
from panoptic_fusion.panoptic_logits import lean
from panoptic_fusion.testing import LargestTensor
from panoptic_fusion.testing.literal_panoptic_logits import panoptic_logits_literally

NUM_THINGS = 3
INF = float("inf")


def make_inputs(
    seed: int, count: int, *, num_stuff: int = 2, size: tuple[int, int] = (12, 17), whole: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw semantic and mask logits, boxes (some beyond the image, some without size) and labels.

    Whole numbers make ties frequent.
    """
    generator = torch.Generator().manual_seed(seed)
    sem_logits = 2 * torch.randn(NUM_THINGS + num_stuff, *size, generator=generator)
    mask_logits = 3 * torch.randn(count, 5, 5, generator=generator)
    corner = torch.rand(count, 2, generator=generator) * 20 - 5
    extent = torch.rand(count, 2, generator=generator) * 16 - 1
    if whole:
        sem_logits, mask_logits = (sem_logits / 2).round(), (mask_logits / 3).round()
        corner, extent = corner.round(), extent.round()
    labels = torch.randint(0, NUM_THINGS, (count,), generator=generator)
    return sem_logits, mask_logits, torch.cat([corner, corner + extent], dim=1), labels


def dense(parts: tuple[Tensor, ...], **options: Any) -> Tensor:
    sem_logits, mask_logits, boxes, labels = parts
    masks = BoxMasks.from_logits(mask_logits, boxes)
    return dense_panoptic_logits(sem_logits, masks, labels, num_things=NUM_THINGS, **options)


def leanly(parts: tuple[Tensor, ...], **options: Any) -> Tensor:
    sem_logits, mask_logits, boxes, labels = parts
    masks = BoxMasks.from_logits(mask_logits, boxes)
    return argmax_panoptic_logits(sem_logits, masks, labels, num_things=NUM_THINGS, **options)


def test_three_pixels_by_hand() -> None:
    # 1 thing, 1 stuff. The box covers pixels 0 to 2; cell centres at x = 0 and 2, y = -0.25 and 1.25.
    sem_logits = torch.tensor([[[2.0, -3.0, 3.0, 5.0]], [[1.0, -9.0, 1.0, 1.0]]])
    masks = BoxMasks.from_logits(torch.full((1, 2, 2), 4.0), torch.tensor([[-1.0, -1.0, 3.0, 2.0]]))
    out = dense_panoptic_logits(sem_logits, masks, torch.tensor([0]), num_things=1)
    # The centre of pixel 2 is 2.5, half a pixel beyond the last cell centre at 2, cells are 2 wide: 0.75 * 4.
    expected = torch.tensor(
        [
            [[1.0, -9.0, 1.0, 1.0]],  # stuff
            [[2 + 4.0, -3 + 4.0, 3 + 3.0, 0.0]],  # X + Y, 0 outside
            [[2 - 2.0, -3 + 3.0, 3 - 3.0, 5 - 0.0]],  # max(X_thing) - max(X_mask)
        ]
    )
    torch.testing.assert_close(out, expected)
    winners = argmax_panoptic_logits(sem_logits, masks, torch.tensor([0]), num_things=1)
    assert winners.tolist() == [[1, 1, 1, 2]]


def test_an_instance_competes_outside_its_box() -> None:
    # All stuff is negative: beside the box 0 is the best value, of the first instance that does not cover.
    sem_logits = torch.tensor([[[-5.0, -5.0, -5.0]], [[-1.0, -1.0, -1.0]]])
    boxes = torch.tensor([[-4.0, -4.0, 2.0, 5.0], [1.0, -4.0, 7.0, 5.0]])
    parts = sem_logits, BoxMasks.from_logits(torch.full((2, 12, 12), 9.0), boxes), torch.tensor([0, 0])
    #   pixel 0: first 4, second 0; pixel 1: both cover, 4 and 4: the lower; pixel 2: 0 and 4
    options = {"num_things": 1, "unknown": False}
    assert argmax_panoptic_logits(*parts, **options).tolist() == [[1, 1, 2]]
    low = sem_logits - torch.tensor([9.0, 0.0])[:, None, None]  # now -5 inside, 0 outside
    parts = low, *parts[1:]
    assert argmax_panoptic_logits(*parts, **options).tolist() == [[2, 0, 1]]
    assert argmax_panoptic_logits(*parts, outside="-inf", **options).tolist() == [[0, 0, 0]]


@pytest.mark.parity
@pytest.mark.parametrize("outside", ["zero", "-inf"])
@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("count", [0, 1, 9], ids=["none", "one", "many"])
def test_dense_matches_literal_loop(count: int, unknown: bool, outside: str) -> None:
    for seed in range(3):
        parts = make_inputs(seed, count)
        options = {"unknown": unknown, "outside": outside}
        expected = panoptic_logits_literally(*parts, num_things=NUM_THINGS, **options)
        torch.testing.assert_close(dense(parts, **options), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.sampled_from([0, 1, 2, 8, 15]),
    num_stuff=st.sampled_from([0, 1, 3]),
    whole=st.booleans(),
    shift=st.sampled_from([0.0, -9.0, 9.0]),
    unknown=st.booleans(),
    outside=st.sampled_from(["zero", "-inf"]),
    rows=st.sampled_from([1, 5, 99]),
)
def test_lean_is_the_argmax_of_dense(
    seed: int,
    count: int,
    num_stuff: int,
    whole: bool,
    shift: float,
    unknown: bool,
    outside: str,
    rows: int,
) -> None:
    if not (num_stuff or count or unknown):
        return
    sem_logits, *rest = make_inputs(seed, count, num_stuff=num_stuff, whole=whole)
    sem_logits[NUM_THINGS:] += shift  # all-negative and all-positive stuff
    parts = sem_logits, *rest
    logits = dense(parts, unknown=unknown, outside=outside)
    first_best = (logits == logits.amax(dim=0)).int().argmax(dim=0)
    before = lean._PIXELS_AT_ONCE
    lean._PIXELS_AT_ONCE = rows * sem_logits.shape[2]
    try:
        assert torch.equal(leanly(parts, unknown=unknown, outside=outside).long(), first_best)
    finally:
        lean._PIXELS_AT_ONCE = before


def test_full_masks_and_crops() -> None:
    full = torch.zeros(1, 2, 4, dtype=torch.bool)
    full[0, 0, 1:3] = full[0, 1, 2] = True
    sem_logits = torch.zeros(2, 2, 4)
    expected = [[[0.0] * 4] * 2, [[0, 20, 20, 0], [0, -20, 20, 0]], [[0.0] * 4] * 2]
    for masks in (full, full.numpy(), BoxMasks.from_full(full)):
        out = dense_panoptic_logits(sem_logits, masks, torch.tensor([0]), num_things=1)
        assert out.tolist() == expected
        assert argmax_panoptic_logits(sem_logits, masks, torch.tensor([0]), num_things=1).tolist() == [
            [0, 1, 1, 0],
            [0, 0, 1, 0],
        ]


def test_dropped_instances_leave_no_trace() -> None:
    sem_logits, mask_logits, boxes, labels = parts = make_inputs(5, 6)
    visible = torch.tensor([True, False, True, True, False, False])
    some = dense((sem_logits, mask_logits[visible], boxes[visible], labels[visible]))
    assert torch.equal(dense(parts, visible=visible), some)
    none = dense(parts, visible=torch.zeros(6, dtype=torch.bool))
    assert torch.equal(none[-1], sem_logits[:NUM_THINGS].amax(dim=0))


@pytest.mark.parametrize("outside", ["zero", "-inf"])
def test_gradients(outside: str) -> None:
    sem_logits, mask_logits, boxes, labels = make_inputs(3, 4, size=(5, 6))
    sem_logits, mask_logits = sem_logits.double().requires_grad_(), mask_logits.double().requires_grad_()

    def loss(sem_logits: Tensor, mask_logits: Tensor) -> Tensor:
        logits = dense((sem_logits, mask_logits, boxes / 2, labels), outside=outside)
        return logits.softmax(dim=0).square().sum(dim=(1, 2))  # a form without infinity

    assert torch.autograd.gradcheck(loss, (sem_logits, mask_logits))


def test_gradient_reaches_both_heads_and_no_dropped_instance() -> None:
    sem_logits, mask_logits, boxes, labels = make_inputs(3, 4)
    sem_logits.requires_grad_()
    mask_logits.requires_grad_()
    visible = torch.tensor([True, True, False, True])
    dense((sem_logits, mask_logits, boxes + 5, labels), visible=visible).square().sum().backward()
    assert bool((sem_logits.grad != 0).any())
    reached = (mask_logits.grad != 0).flatten(1).any(dim=1)
    assert not reached[2]
    assert reached[visible].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_float32(dtype: torch.dtype) -> None:
    sem_logits, mask_logits, boxes, labels = make_inputs(1, 7)
    rounded = sem_logits.to(dtype), mask_logits.to(dtype), boxes, labels
    exact = rounded[0].float(), rounded[1].float(), boxes, labels
    assert torch.equal(dense(rounded), dense(exact))
    assert dense(rounded).dtype == torch.float32
    assert torch.equal(leanly(rounded), leanly(exact))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(dense(exact), dense(rounded))


def test_makes_nothing_of_instances_times_pixels() -> None:
    parts = make_inputs(0, 300, size=(40, 50))
    with LargestTensor() as largest:
        leanly(parts)
    assert largest.numel <= 8 * 40 * 50, largest.operation


@pytest.mark.parametrize("value", [float("nan"), INF])
@pytest.mark.parametrize("channel", [0, 4], ids=["thing", "stuff"])
def test_lean_rejects_what_is_not_finite(channel: int, value: float) -> None:
    sem_logits, mask_logits, boxes, labels = make_inputs(1, 4)
    sem_logits[channel, 3, 4] = value
    with pytest.raises(ValueError, match="`sem_logits` to be finite"):
        leanly((sem_logits, mask_logits, boxes, labels))
    mask_logits[1, 0, 0] = value
    with pytest.raises(ValueError, match="mask logits to be finite"):
        leanly((sem_logits.zero_(), mask_logits, boxes, labels))


def test_a_class_may_be_switched_off() -> None:
    sem_logits, *rest = make_inputs(1, 0)
    sem_logits[1] = sem_logits[3] = -INF
    expected = label_map_from_logits(dense((sem_logits, *rest)))
    assert torch.equal(leanly((sem_logits, *rest)).long(), expected)


def test_errors() -> None:
    sem_logits, mask_logits, boxes, labels = parts = make_inputs(1, 2)
    for call in (dense, leanly):
        with pytest.raises(ValueError, match=r"thing ids in \[0, 3\), got values in \[0, 3\]"):
            call((sem_logits, mask_logits, boxes, torch.tensor([0, 3])))
        with pytest.raises(ValueError, match=r"`labels` to have the shape \(N,\) = \(2,\)"):
            call((sem_logits, mask_logits, boxes, labels[:1]))
        with pytest.raises(ValueError, match="between 3 and 32767 channels"):
            call((sem_logits[:2], mask_logits, boxes, labels))
        with pytest.raises(TypeError, match="A label map is not enough"):
            call((sem_logits.long(), mask_logits, boxes, labels))
        with pytest.raises(ValueError, match="`outside` to be one of 'zero', '-inf', got 'nan'"):
            call(parts, outside="nan")
        with pytest.raises(ValueError, match="at least one channel"):
            call((sem_logits[:3], mask_logits[:0], boxes[:0], labels[:0]), unknown=False)
        masks = BoxMasks.from_logits(mask_logits[:0], boxes[:0])
    with pytest.raises(ValueError, match=r"Pass `unknown=False`"):
        dense_panoptic_logits(sem_logits, masks, labels[:0], num_things=0)
    with pytest.raises(ValueError, match=r"`visible` to have the shape \(N,\) = \(2,\)"):
        dense(parts, visible=torch.tensor([True]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_same() -> None:
    for seed in range(4):
        parts = make_inputs(seed, 12)
        there = tuple(part.cuda() for part in parts)
        torch.testing.assert_close(dense(there).cpu(), dense(parts))
        assert torch.equal(leanly(there).cpu(), leanly(parts))
