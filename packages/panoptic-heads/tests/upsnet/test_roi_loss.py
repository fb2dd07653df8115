"""The RoI loss: crops of logits and labels, the mean, nothing to do."""

import pytest
import torch
from torch import Tensor

from panoptic_heads.upsnet import crop_labels, roi_semantic_loss


def test_one_box_by_hand() -> None:
    # 8x8 pixels, logits at a quarter. The box is the left upper pixel of the logits; both of its 2x2 cells'
    # rows lie in it. Channel 0 has 2 there, channel 1 has 0: cross entropy is log(1 + e^-2) for label 0 and
    # log(1 + e^2) for label 1.
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 0] = 2.0
    target = torch.zeros(1, 8, 8, dtype=torch.int64)
    target[0, :2, :2] = 1  # one of the four cells
    target[0, 2:4, 2:4] = 255  # one more
    box = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
    low, high = torch.tensor(1 + torch.e**-2).log(), torch.tensor(1 + torch.e**2).log()
    loss = roi_semantic_loss(logits, target, [box], size=2)
    torch.testing.assert_close(loss, (2 * low + high) / 3)
    loss = roi_semantic_loss(logits, target, [box], size=2, divide_by="all")
    torch.testing.assert_close(loss, (2 * low + high) / 4)


@pytest.mark.parity
def test_matches_a_literal_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 9, generator=generator)
    target = torch.randint(0, 3, (2, 24, 36), generator=generator)
    boxes = [
        torch.tensor([[3.0, 2.0, 20.0, 13.0]]),
        torch.tensor([[0.0, 0.0, 36.0, 24.0], [5.0, 7.5, 6.0, 9.5]]),
    ]
    size, losses = 5, []
    for n, own in enumerate(boxes):
        for x0, y0, x1, y1 in own.tolist():
            for i in range(size):
                for j in range(size):
                    x, y = x0 + (j + 0.5) * (x1 - x0) / size, y0 + (i + 0.5) * (y1 - y0) / size
                    value = _bilinear(logits[n], x / 4 - 0.5, y / 4 - 0.5)
                    label = target[n, int(y), int(x)]
                    losses.append(value.logsumexp(0) - value[label])
    loss = roi_semantic_loss(logits, target, boxes, size=size)
    torch.testing.assert_close(loss, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)


def _bilinear(maps: Tensor, x: float, y: float) -> Tensor:
    """Read ``(C, h, w)`` at a place in index coordinates, the border repeated."""
    height, width = maps.shape[1:]
    x, y = min(max(x, 0.0), width - 1), min(max(y, 0.0), height - 1)
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    dx, dy = x - left, y - top
    return (
        maps[:, top, left] * (1 - dx) * (1 - dy)
        + maps[:, top, left + 1] * dx * (1 - dy)
        + maps[:, top + 1, left] * (1 - dx) * dy
        + maps[:, top + 1, left + 1] * dx * dy
    )


def test_labels_stay_inside_the_image() -> None:
    target = torch.arange(6).reshape(1, 2, 3)
    labels = crop_labels(target, torch.tensor([0]), torch.tensor([[-3.0, 0.0, 6.0, 4.0]]), 3)
    # columns -1.5, 1.5, 4.5 -> 0, 1, 2; rows 2/3, 2, 10/3 -> 0, 1, 1
    assert labels.tolist() == [[[0, 1, 2], [3, 4, 5], [3, 4, 5]]]


@pytest.mark.parametrize("boxes", [[], [[2.0, 2.0, 6.0, 6.0]]], ids=["no box", "all void"])
def test_nothing_to_do_is_zero_and_attached(boxes: list[list[float]]) -> None:
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    target = torch.full((1, 16, 16), 255)
    loss = roi_semantic_loss(logits, target, [torch.tensor(boxes).reshape(-1, 4)])
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_half_precision_is_summed_in_float32() -> None:
    logits = torch.randn(1, 2, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = roi_semantic_loss(
            logits, torch.zeros(1, 16, 16, dtype=torch.int64), [torch.tensor([[1.0, 1.0, 9.0, 9.0]])]
        )
    assert loss.dtype == torch.float32
    loss.backward()
    assert logits.grad.abs().sum() > 0
