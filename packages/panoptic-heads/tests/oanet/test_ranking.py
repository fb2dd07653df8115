"""The spatial ranking module and its loss."""

import pytest
import torch

from panoptic_heads.oanet import SpatialRanking

KERNELS = ["large", "3x3", "1x1"]


def _random(kernel: str, **kwargs: object) -> SpatialRanking:
    torch.manual_seed(0)
    module = SpatialRanking(3, kernel=kernel, **kwargs)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def test_loss_by_hand() -> None:
    # 1x1: logits = weight @ map + bias. Two classes set at pixel 0 and 1; the label is 1, then 0.
    module = SpatialRanking(2, kernel="1x1", loss_weight=2.0)
    conv = module.orders[0][0]
    conv.weight.data = torch.tensor([[0.0, 0.0], [0.0, 1.0]])[:, :, None, None]  # logits (0, 1) where set
    drawn = torch.tensor([[[1, 1, 1]], [[1, 1, 0]]]).bool()
    label = torch.tensor([[1, 0, 255]])
    # Softmax of (0, 1): 0.2689, 0.7311. Loss: 2 * (-ln 0.7311 - ln 0.2689) / 2 = 0.3133 + 1.3133
    assert module.loss([drawn], [label]).item() == pytest.approx(0.31326 + 1.31326, abs=1e-4)
    # A second image with one conflict: the mean is over the three pixels of the batch, not over images.
    other = torch.tensor([[255, 1, 255]])
    expected = 2 * (2 * 0.31326 + 1.31326) / 3
    assert module.loss([drawn, drawn], [label, other]).item() == pytest.approx(expected, abs=1e-4)


def test_starts_neutral_and_can_learn() -> None:
    for kernel in KERNELS:
        module = SpatialRanking(3, kernel=kernel)
        maps = torch.ones(1, 3, 9, 9, dtype=torch.bool)
        assert module(maps.float()).eq(0).all()
        label = torch.full((9, 9), 255)
        label[4, 4] = 1
        optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
        losses = []
        for _ in range(20):
            loss = module.loss([maps[0]], [label])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(1.0986, abs=1e-4)  # ln 3
        assert losses[-1] < 0.3
        assert all(p.abs().sum() > 0 for p in module.parameters())


def test_large_kernel_is_both_orders_summed() -> None:
    module = _random("large", kernel_size=5)
    shapes = [[tuple(conv.kernel_size) for conv in order] for order in module.orders]
    assert shapes == [[(1, 5), (5, 1)], [(5, 1), (1, 5)]]
    maps = torch.rand(1, 3, 8, 9)
    expected = sum(order[1](order[0](maps)) for order in module.orders)
    torch.testing.assert_close(module(maps), expected)


@pytest.mark.parity
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("place", ["inside", "corner", "anywhere"])
def test_loss_in_the_window_is_the_loss_of_the_whole_map(kernel: str, place: str) -> None:
    module = _random(kernel)
    generator = torch.Generator().manual_seed(1)
    drawn = torch.rand(3, 30, 40, generator=generator) > 0.6
    label = torch.full((30, 40), 255)
    where = {"inside": (slice(12, 15), slice(20, 26)), "corner": (slice(28, 30), slice(0, 2))}
    region = where.get(place, (slice(None, None, 7), slice(None, None, 11)))
    label[region] = torch.randint(0, 3, label[region].shape, generator=generator)
    ours = torch.autograd.grad(module.loss([drawn], [label]), list(module.parameters()))
    logits = module(drawn[None].float())
    whole = torch.nn.functional.cross_entropy(logits, label[None], ignore_index=255)
    torch.testing.assert_close(module.loss([drawn], [label]), whole)
    for mine, theirs in zip(ours, torch.autograd.grad(whole, list(module.parameters())), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_only_conflicts_count(kernel: str) -> None:
    module = _random(kernel)
    drawn = torch.rand(3, 40, 40) > 0.5
    label = torch.full((40, 40), 255)
    label[20, 20] = 2
    loss = module.loss([drawn], [label])
    changed = drawn.clone()  # beyond the kernel's reach nothing matters
    for side in (slice(0, 20 - module.reach), slice(21 + module.reach, 40)):
        changed[:, side] = ~changed[:, side]
    assert torch.equal(module.loss([changed], [label]), loss)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("images", [0, 2])
def test_without_a_conflict_the_loss_is_an_attached_zero(kernel: str, images: int) -> None:
    module = _random(kernel)
    nothing = torch.full((8, 8), 255)
    loss = module.loss([torch.ones(3, 8, 8).bool()] * images, [nothing] * images)
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None and p.grad.eq(0).all() for p in module.parameters())


def test_half_precision() -> None:
    module = _random("large")
    drawn, label = torch.rand(3, 9, 9) > 0.5, torch.randint(0, 3, (9, 9))
    exact = module.loss([drawn], [label])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = module.loss([drawn], [label])
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.05, atol=0.05)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"`kernel` to be one of \['large', '3x3', '1x1'\], got '7x7'"):
        SpatialRanking(2, kernel="7x7")
    with pytest.raises(ValueError, match=r"`resolution` to be one of .*, got 'half'"):
        SpatialRanking(2, resolution="half")
    with pytest.raises(ValueError, match=r"`kernel_size` to be odd and at least 1, got 4"):
        SpatialRanking(2, kernel_size=4)
