"""Semantic losses: by hand, against a literal loop, and without a single annotated pixel."""

import math

import pytest
import torch
from torch import Tensor, nn

from panoptic_heads.common.semantic_losses import BootstrappedCrossEntropy, SemanticCrossEntropy


def _logits(*probabilities: tuple[float, ...]) -> Tensor:
    """Logits ``(1, C, 1, W)`` whose softmax at pixel i is ``probabilities[i]``."""
    return torch.tensor(probabilities).log().T[None, :, None]


def test_mean_over_annotated_pixels_by_hand() -> None:
    logits = _logits((0.5, 0.5), (0.25, 0.75), (0.9, 0.1))
    target = torch.tensor([[[0, 1, 255]]])
    # (-log 0.5 - log 0.75) / 2
    expected = -(math.log(0.5) + math.log(0.75)) / 2
    assert SemanticCrossEntropy()(logits, target).item() == pytest.approx(expected)
    assert SemanticCrossEntropy(loss_weight=0.5)(logits, target).item() == pytest.approx(expected / 2)


def test_class_weights_by_hand() -> None:
    logits, target = _logits((0.5, 0.5), (0.25, 0.75)), torch.tensor([[[0, 1]]])
    # (3 * -log 0.5 + 1 * -log 0.75) / 2: weights do not change what is divided by.
    expected = -(3 * math.log(0.5) + math.log(0.75)) / 2
    assert SemanticCrossEntropy(class_weight=[3.0, 1.0])(logits, target).item() == pytest.approx(expected)


def test_bootstrap_takes_the_hardest_pixels_by_hand() -> None:
    # Losses -log p of the label: 0.1 (hardest), 0.5, 0.9, 0.2 (ignored).
    logits = _logits((0.1, 0.9), (0.5, 0.5), (0.9, 0.1), (0.2, 0.8))
    target = torch.tensor([[[0, 0, 0, 255]]])
    assert BootstrappedCrossEntropy(1)(logits, target).item() == pytest.approx(-math.log(0.1))
    # 70 % of three annotated pixels are two.
    expected = -(math.log(0.1) + math.log(0.5)) / 2
    assert BootstrappedCrossEntropy(0.7)(logits, target).item() == pytest.approx(expected)
    # More than there are: all annotated ones.
    everything = SemanticCrossEntropy()(logits, target).item()
    assert BootstrappedCrossEntropy(99)(logits, target).item() == pytest.approx(everything)
    assert BootstrappedCrossEntropy(1.0)(logits, target).item() == pytest.approx(everything)


def test_an_ignored_pixel_never_replaces_a_perfect_one() -> None:
    logits = torch.tensor(
        [[[[90.0, 0.0]], [[0.0, 0.0]]]], requires_grad=True
    )  # pixel 0: loss 0; pixel 1: ignored
    BootstrappedCrossEntropy(1)(logits, torch.tensor([[[0, 255]]])).backward()
    assert torch.equal(logits.grad[..., 1], torch.zeros(1, 2, 1))


@pytest.mark.parity
@pytest.mark.parametrize("top_k", [0.3, 5, 1000])
def test_bootstrap_matches_a_literal_loop(top_k: float) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 4, 5, 6, generator=generator)
    target = torch.randint(0, 5, (3, 5, 6), generator=generator)
    target[target == 4] = 255
    target[2] = 255  # one image without annotation
    weight = [1.0, 2.0, 0.5, 3.0]
    chosen: list[float] = []
    for image, labels in zip(logits, target, strict=True):
        losses = [
            weight[label] * -image[:, y, x].log_softmax(0)[label].item()
            for y, row in enumerate(labels.tolist())
            for x, label in enumerate(row)
            if label != 255
        ]
        number = int(top_k * len(losses)) if isinstance(top_k, float) else min(top_k, len(losses))
        chosen += sorted(losses, reverse=True)[:number]
    loss = BootstrappedCrossEntropy(top_k, class_weight=weight)(logits, target)
    assert loss.item() == pytest.approx(sum(chosen) / len(chosen), rel=1e-5)


LOSSES = [SemanticCrossEntropy(), BootstrappedCrossEntropy(0.2), BootstrappedCrossEntropy(50)]


@pytest.mark.parametrize("loss", LOSSES, ids=["mean", "share", "number"])
def test_nothing_annotated_gives_an_attached_zero(loss: nn.Module) -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    value = loss(logits, torch.full((2, 4, 4), 255))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("loss", LOSSES, ids=["mean", "share", "number"])
def test_half_precision_is_summed_in_float32(loss: nn.Module) -> None:
    logits = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    target = torch.randint(0, 3, (1, 64, 64), generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"labels in \[0, 2\) or 255, got \[2\]\. Let num_things"):
        SemanticCrossEntropy()(torch.zeros(1, 2, 1, 2), torch.tensor([[[1, 2]]]))
    with pytest.raises(ValueError, match=r"`target` to be \(1, 4, 4\)"):
        SemanticCrossEntropy()(torch.zeros(1, 2, 4, 4), torch.zeros(1, 8, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"a share in \(0, 1\] or a number of pixels >= 1, got 1\.5"):
        BootstrappedCrossEntropy(1.5)
