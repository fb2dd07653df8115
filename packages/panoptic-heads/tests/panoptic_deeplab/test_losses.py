"""The three losses: by hand, against plain loops, their gradients, and nothing to learn from."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_heads.panoptic_deeplab.losses import (
    CenterHeatmapLoss,
    OffsetL1Loss,
    WeightedBootstrappedCrossEntropy,
)
from panoptic_heads.registry import MODELS

VOID = 255


def _logits_of(losses: list[float]) -> Tensor:
    """Return two-class logits ``(1, 2, 1, W)`` whose cross entropy for class 0 is what is listed."""
    # -log softmax(z, 0)[0] = log(1 + exp(z)) for logits (0, z): z = log(exp(loss) - 1)
    rows = [[0.0, math.log(math.expm1(loss))] for loss in losses]
    return torch.tensor(rows).T[None, :, None]


class TestWeightedBootstrappedCrossEntropy:
    def test_weights_choose_the_hardest_by_hand(self) -> None:
        # Losses 1, 2, 3, 4 with weights 3, 3, 1, 1 are 3, 6, 3, 4. Half of four pixels: 6 and 4.
        loss = WeightedBootstrappedCrossEntropy(0.5)
        weight = torch.tensor([[[3.0, 3.0, 1.0, 1.0]]])
        found = loss(_logits_of([1, 2, 3, 4]), torch.zeros(1, 1, 4).long(), weight)
        assert found.item() == pytest.approx((6 + 4) / 2)
        # Without weights: 4 and 3.
        assert loss(_logits_of([1, 2, 3, 4]), torch.zeros(1, 1, 4).long()).item() == pytest.approx(3.5)

    def test_an_image_or_the_batch_by_hand(self) -> None:
        logits = torch.cat([_logits_of([1, 2]), _logits_of([5, 6])])
        target = torch.zeros(2, 1, 2).long()
        # The hardest half of each image: 2 and 6. Of the batch: 5 and 6.
        for per, expected in (("image", (2 + 6) / 2), ("batch", (5 + 6) / 2)):
            found = WeightedBootstrappedCrossEntropy(0.5, per=per)(logits, target)
            assert found.item() == pytest.approx(expected)

    def test_shares_and_divisors_by_hand(self) -> None:
        # Four pixels, one annotated with the loss 2.
        logits = _logits_of([1, 2, 3, 4])
        target = torch.tensor([[[VOID, 0, VOID, VOID]]])
        expected = {
            ("all", "selected"): 2 / 2,  # half of four pixels: 2 and a 0
            ("all", "nonzero"): 2 / 1,
            ("annotated", "selected"): 2 / 1,  # half of one pixel is one pixel
            ("annotated", "nonzero"): 2 / 1,
        }
        for (share_of, divide_by), value in expected.items():
            loss = WeightedBootstrappedCrossEntropy(0.5, share_of=share_of, divide_by=divide_by)
            assert loss(logits, target).item() == pytest.approx(value), (share_of, divide_by)

    @pytest.mark.parametrize("per", ["image", "batch"])
    @pytest.mark.parametrize("share_of", ["all", "annotated"])
    @pytest.mark.parametrize("divide_by", ["selected", "nonzero"])
    def test_equals_a_plain_loop(self, per: str, share_of: str, divide_by: str) -> None:
        for seed in range(5):
            generator = torch.Generator().manual_seed(seed)
            logits = torch.randn(3, 4, 5, 7, generator=generator)
            target = torch.randint(0, 4, (3, 5, 7), generator=generator)
            target[torch.rand(3, 5, 7, generator=generator) < 0.3] = VOID
            weight = torch.randint(1, 4, (3, 5, 7), generator=generator).float()
            found = WeightedBootstrappedCrossEntropy(0.2, per=per, share_of=share_of, divide_by=divide_by)(
                logits, target, weight
            )
            assert found.item() == pytest.approx(_plain(logits, target, weight, per, share_of, divide_by))

    def test_all_pixels_is_the_mean(self) -> None:
        logits, target = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
        loss = WeightedBootstrappedCrossEntropy(1.0)(logits, target)
        torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, target))

    def test_only_the_hardest_have_a_gradient(self) -> None:
        logits = _logits_of([1, 2, 3, 4]).requires_grad_()
        WeightedBootstrappedCrossEntropy(0.5)(logits, torch.zeros(1, 1, 4).long()).backward()
        assert logits.grad is not None
        assert (logits.grad[0].abs().sum(dim=0) > 0)[0].tolist() == [False, False, True, True]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"top_k": 0.0}, r"`top_k` to be a share in \(0, 1\], got 0.0"),
            ({"top_k": 15}, r"`top_k` to be a share in \(0, 1\], got 15"),
            ({"per": "pixel"}, r"`per` to be one of \['image', 'batch'\], got 'pixel'"),
            ({"share_of": "some"}, r"`share_of` to be one of \['all', 'annotated'\]"),
            ({"divide_by": "k"}, r"`divide_by` to be one of \['selected', 'nonzero'\]"),
        ],
    )
    def test_refuses(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            WeightedBootstrappedCrossEntropy(**arguments)


class TestCenterHeatmapLoss:
    def test_mse_by_hand(self) -> None:
        # Squares 0.25 and 0.01 count, the third does not: 200 * 0.26 / 2.
        heatmap = torch.tensor([[[[0.5, 0.1, 9.0]]]])
        target = torch.tensor([[[[1.0, 0.0, 0.0]]]])
        mask = torch.tensor([[[[True, True, False]]]])
        assert CenterHeatmapLoss()(heatmap, target, mask).item() == pytest.approx(26.0)

    def test_cross_entropy_by_hand(self) -> None:
        # Logit 0 is 0.5: log 2 whatever the target. Logit log 3 is 0.75: of 1 it costs log(4/3).
        heatmap = torch.tensor([[[[0.0, math.log(3)]]]])
        target = torch.tensor([[[[0.3, 1.0]]]])
        mask = torch.ones(1, 1, 1, 2, dtype=torch.bool)
        loss = CenterHeatmapLoss("sigmoid_cross_entropy", loss_weight=1.0)(heatmap, target, mask)
        assert loss.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)

    @pytest.mark.parametrize("kind", ["mse", "sigmoid_cross_entropy"])
    def test_the_least_loss_is_at_the_target(self, kind: Any) -> None:
        target = torch.tensor([[[[0.1, 0.5, 0.9]]]])
        heatmap = (target if kind == "mse" else target.logit()).requires_grad_()
        CenterHeatmapLoss(kind)(heatmap, target, torch.ones(1, 1, 1, 3, dtype=torch.bool)).backward()
        torch.testing.assert_close(heatmap.grad, torch.zeros_like(heatmap), atol=1e-5, rtol=0)

    def test_refuses(self) -> None:
        with pytest.raises(ValueError, match=r"`kind` to be one of \['mse', 'sigmoid_cross_entropy'\]"):
            CenterHeatmapLoss("l1")  # type: ignore[arg-type]


class TestOffsetL1Loss:
    # Image 0: one pixel, off by 1 down and 3 across. Image 1: two pixels, off by 2 in each value.
    OFFSETS = torch.tensor([[[[1.0, 7.0]], [[3.0, 7.0]]], [[[2.0, 2.0]], [[-2.0, 2.0]]]])
    MASK = torch.tensor([[[[True, False]]], [[[True, True]]]])

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({}, 0.25 * (4 + 8) / 6),  # three pixels, two values each
            ({"divide_by": "pixels", "loss_weight": 0.01}, 0.01 * (4 + 8) / 3),
            ({"per": "image", "loss_weight": 0.01}, 0.01 * (4 / 2 + 8 / 4) / 2),
            ({"per": "image", "divide_by": "pixels", "loss_weight": 1.0}, (4 / 1 + 8 / 2) / 2),
        ],
        ids=["paper", "pixels", "image", "image-pixels"],
    )
    def test_by_hand(self, arguments: dict[str, Any], expected: float) -> None:
        loss = OffsetL1Loss(**arguments)(self.OFFSETS, torch.zeros(2, 2, 1, 2), self.MASK)
        assert loss.item() == pytest.approx(expected)

    def test_an_image_without_things_counts_as_0_of_a_mean_of_images(self) -> None:
        mask = self.MASK.clone()
        mask[0] = False
        loss = OffsetL1Loss(per="image", loss_weight=1.0)(self.OFFSETS, torch.zeros(2, 2, 1, 2), mask)
        assert loss.item() == pytest.approx((0 + 2) / 2)

    @pytest.mark.parametrize("arguments", [{"divide_by": "k"}, {"per": "pixel"}])
    def test_refuses(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="to be one of"):
            OffsetL1Loss(**arguments)


def _center(heatmap: Tensor, mask: Tensor, **arguments: Any) -> Tensor:
    return CenterHeatmapLoss(**arguments)(heatmap[:, :1], torch.full_like(heatmap[:, :1], 0.5), mask)


def _offset(offsets: Tensor, mask: Tensor, **arguments: Any) -> Tensor:
    return OffsetL1Loss(**arguments)(offsets[:, :2], torch.full_like(offsets[:, :2], 3.0), mask)


def _semantic(logits: Tensor, mask: Tensor, **arguments: Any) -> Tensor:
    target = torch.where(mask[:, 0], 1, VOID)
    return WeightedBootstrappedCrossEntropy(0.3, **arguments)(logits, target, mask[:, 0] * 2.0 + 1)


ALL = pytest.mark.parametrize(
    ("loss", "arguments"),
    [
        (_semantic, {}),
        (_semantic, {"per": "batch"}),
        (_semantic, {"share_of": "annotated"}),
        (_semantic, {"divide_by": "nonzero"}),
        (_semantic, {"share_of": "annotated", "divide_by": "nonzero", "per": "batch"}),
        (_center, {}),
        (_center, {"kind": "sigmoid_cross_entropy"}),
        (_offset, {}),
        (_offset, {"per": "image"}),
        (_offset, {"divide_by": "pixels"}),
    ],
)
Loss = Callable[..., Tensor]


@ALL
def test_nothing_to_learn_from_is_an_attached_zero(loss: Loss, arguments: dict[str, Any]) -> None:
    output = torch.randn(2, 3, 4, 5, requires_grad=True)
    value = loss(output, torch.zeros(2, 1, 4, 5, dtype=torch.bool), **arguments)
    assert value.item() == 0
    value.backward()
    assert output.grad is not None
    assert not output.grad.any()


@ALL
def test_gradients_are_the_differences(loss: Loss, arguments: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(2, 3, 3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    mask = torch.rand(2, 1, 3, 4, generator=generator) < 0.6
    assert torch.autograd.gradcheck(lambda x: loss(x, mask, **arguments), output)


@ALL
def test_half_precision_is_summed_in_float32(loss: Loss, arguments: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    output = 20 * torch.randn(1, 3, 64, 64, generator=generator).bfloat16()
    mask = torch.rand(1, 1, 64, 64, generator=generator) < 0.9
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(output, mask, **arguments)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(output.float(), mask, **arguments))


@pytest.mark.parametrize("scope", ["", "panoptic_heads."])
def test_config_builds(scope: str) -> None:
    loss = MODELS.build({"type": f"{scope}WeightedBootstrappedCrossEntropy", "top_k": 0.2, "per": "batch"})
    assert (loss.top_k, loss.per) == (0.2, "batch")
    assert MODELS.build({"type": f"{scope}CenterHeatmapLoss"}).loss_weight == 200
    assert MODELS.build({"type": f"{scope}OffsetL1Loss"}).loss_weight == 0.25


def _plain(logits: Tensor, target: Tensor, weight: Tensor, per: str, share_of: str, divide_by: str) -> float:
    images = []
    for n in range(len(logits)):
        pixels = []
        for y in range(target.shape[1]):
            for x in range(target.shape[2]):
                label = int(target[n, y, x])
                if label == VOID:
                    if share_of == "all":
                        pixels.append(0.0)
                    continue
                own = math.exp(float(logits[n, label, y, x]))
                total = sum(math.exp(float(logit)) for logit in logits[n, :, y, x])
                pixels.append(-math.log(own / total) * float(weight[n, y, x]))
        images.append(pixels)
    if per == "batch":
        images = [[pixel for pixels in images for pixel in pixels]]
    means = []
    for pixels in images:
        hardest = sorted(pixels, reverse=True)[: int(len(pixels) * 0.2)]
        divisor = len(hardest) if divide_by == "selected" else sum(loss > 0 for loss in hardest)
        means.append(sum(hardest) / divisor)
    return sum(means) / len(means)
