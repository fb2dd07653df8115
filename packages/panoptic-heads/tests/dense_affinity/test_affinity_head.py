"""The affinity: two thin products equal the explicit one, padding has no say, P begins as the potential."""

import pytest
import torch
from torch import Tensor

from panoptic_fusion.testing.literal_affinity import apply_affinity_literally
from panoptic_heads.dense_affinity import AffinityFeatures, AffinityHead, affinity_at, valid_cells
from panoptic_heads.registry import MODELS

SIZES = [(6, 8), (3, 4), (2, 2), (1, 1)]


def _pyramid(channels: int = 6, batch: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, channels, *size, generator=generator) for size in SIZES]


def _head(gamma: float = 0.0) -> AffinityHead:
    torch.manual_seed(0)
    return AffinityHead(
        in_channels=6, feat_channels=8, num_convs=1, num_groups=4, channels=5, initial_gamma=gamma
    )


def _features(size: tuple[int, int] = (6, 8), seed: int = 1) -> AffinityFeatures:
    generator = torch.Generator().manual_seed(seed)
    return AffinityFeatures(*(torch.rand(5, *size, generator=generator, dtype=torch.float64) for _ in "01"))


def _potential(channels: int = 3, size: tuple[int, int] = (6, 8)) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(channels, *size, generator=generator, dtype=torch.float64)


def test_by_hand() -> None:
    # Two pixels of one feature, 2 and 4 (gather) and 1 and 3 (give); gamma 0.5, n = 2. One channel: 1, 0.
    # Gathered: (1 * 1 + 3 * 0) / 2 = 0.5. P = [1 + 0.5 * 2 * 0.5, 0 + 0.5 * 4 * 0.5] = [1.5, 1.0].
    features = AffinityFeatures(torch.tensor([[[2.0, 4.0]]]), torch.tensor([[[1.0, 3.0]]]))
    revised = _head(0.5).revise(torch.tensor([[[1.0, 0.0]]]), features)
    assert revised.tolist() == [[[1.5, 1.0]]]
    # Only the first pixel is valid: n = 1, gathered 1 -> P = 1 + 0.5 * 2 * 1.
    valid = torch.tensor([[True, False]])
    assert _head(0.5).revise(torch.tensor([[[1.0, 9.0]]]), features, valid)[0, 0, 0] == 2.0
    assert affinity_at(features, 0, 1).tolist() == [[4.0, 12.0]]
    assert affinity_at(features, 0, 1, gamma=-0.5).tolist() == [[-2.0, -6.0]]


def test_half_weights_give_float32_features() -> None:
    head = _head(1.0)
    expected = head(_pyramid())
    features = head.to(torch.bfloat16)([level.to(torch.bfloat16) for level in _pyramid()])
    for half, full in zip(features, expected, strict=True):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, full, atol=0.05, rtol=0.05)


@pytest.mark.parity
@pytest.mark.parametrize("padded", [False, True])
def test_two_thin_products_equal_the_explicit_one(padded: bool) -> None:
    """Forward and backward, at small inputs: the (HW, HW) affinity is made here."""
    head = _head(0.7).double()
    valid = valid_cells((20, 28), (24, 32), (6, 8)) if padded else None
    results = []
    for explicit in (False, True):
        parts = [each.clone().requires_grad_() for each in (_potential(), *_features())]
        head.gamma.grad = None
        potential, features = parts[0], AffinityFeatures(*parts[1:])
        if explicit:
            revised = apply_affinity_literally(potential, *features, head.gamma, valid)
        else:
            revised = head.revise(potential, features, valid)
        (revised * torch.linspace(-1, 1, 144, dtype=torch.float64).view(3, 6, 8)).sum().backward()
        results.append([revised.detach(), head.gamma.grad, *(part.grad for part in parts)])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-7, atol=1e-9)  # 1 / n is float32


def test_gradients_are_those_of_differences() -> None:
    head = _head(0.7).double()
    inputs = _potential(2, (2, 3)), *(each[:2, :2, :3] for each in _features())
    valid = torch.tensor([[True, True, False]] * 2)

    def revise(potential: Tensor, phi0: Tensor, phi1: Tensor) -> Tensor:
        return head.revise(potential, AffinityFeatures(phi0, phi1), valid)

    leaves = [part.detach().clone().requires_grad_() for part in inputs]
    assert torch.autograd.gradcheck(revise, leaves)


def test_begins_close_to_the_potential() -> None:
    torch.manual_seed(0)
    head = AffinityHead(in_channels=6, feat_channels=8, num_convs=1, num_groups=4, channels=5)
    potential = _potential().float()
    change = (head.revise(potential, head(_pyramid()).of_image(0)) - potential).abs()
    assert 0 < change.max() < 0.25 * potential.max()


def test_without_a_scale_it_begins_as_the_potential_and_every_part_learns() -> None:
    head = MODELS.build(
        {
            "type": "panoptic_heads.AffinityHead",
            "in_channels": 6,
            "feat_channels": 8,
            "num_convs": 1,
            "num_groups": 4,
            "channels": 5,
            "initial_gamma": 0.0,
            "init_cfg": {"type": "Constant", "layer": "Conv2d", "val": 0},  # a user's; phi must not be zeros
        }
    )
    head.init_weights()
    potential = _potential().float()
    features = head(_pyramid())
    assert features.phi0.shape == (1, 5, 6, 8)
    assert all((each >= 0).all() and (each > 0).any() for each in features)
    revised = head.revise(potential, features.of_image(0))
    assert torch.equal(revised, potential)
    (revised * _potential()).sum().backward()
    assert head.gamma.grad.abs() > 0  # the first step moves gamma, the next ones all the rest
    assert all(p.grad is not None for p in head.parameters())  # no parameter without a part in the loss

    head.gamma.data.fill_(0.1)
    head.zero_grad()
    head.revise(potential, head(_pyramid()).of_image(0)).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_scale_at_the_start() -> None:
    """An affinity of about 1, so that what gamma scales is about the mean of the potential."""
    torch.manual_seed(0)
    head = AffinityHead(in_channels=64)  # the paper's widths but for the pyramid's
    generator = torch.Generator().manual_seed(0)
    features = head([torch.randn(1, 64, 16 // 2**i, 16 // 2**i, generator=generator) for i in range(4)])
    affinity = affinity_at(features.of_image(0), 8, 8)
    assert 0.2 < affinity.mean() < 5


@pytest.mark.parametrize("fill", [7.0, float("nan")])
def test_padding_has_no_say(fill: float) -> None:
    """The image alone, and the same one in a larger batch whose padding holds anything."""
    head = _head(0.7).double()
    alone = head.revise(_potential(), _features())
    size = (9, 11)
    inside = (slice(None), slice(6), slice(8))
    potential = torch.full((3, *size), fill, dtype=torch.float64)
    potential[inside] = _potential()
    padded = AffinityFeatures(*(torch.full((5, *size), fill, dtype=torch.float64) for _ in "01"))
    for each, own in zip(padded, _features(), strict=True):
        each[inside] = own
    valid = valid_cells((24, 32), (36, 44), size)
    assert valid.sum() == 48
    torch.testing.assert_close(head.revise(potential, padded, valid)[inside], alone)
    if fill == 7:
        assert not torch.allclose(head.revise(potential, padded)[inside], alone)


def test_no_channels_stay_in_the_graph() -> None:
    head = _head()
    features = head(_pyramid()).of_image(0)
    revised = head.revise(torch.zeros(0, 6, 8), features)
    assert revised.shape == (0, 6, 8)
    (revised.sum() * 0).backward()
    assert all(p.grad is not None for p in head.parameters())


def test_sums_are_float32_under_autocast() -> None:
    head = _head(1.0)
    with torch.autocast("cpu", torch.bfloat16):
        features = head(_pyramid())
        assert {each.dtype for each in features} == {torch.float32}
        revised = head.revise(_potential().bfloat16(), features.of_image(0))
        assert revised.dtype == torch.float32
        row = affinity_at(features.of_image(0), 1, 1)
    expected = head.revise(_potential().bfloat16(), features.of_image(0))
    torch.testing.assert_close(revised, expected)
    assert row.dtype == torch.float32
    revised.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_valid_cells() -> None:
    # 100 x 130 in 128 x 160, cells of 4: the centre of cell 24 lies at 98 < 100, of column 32 at 130 = 130.
    valid = valid_cells((100, 130), (128, 160), (32, 40))
    assert (int(valid[:, 0].sum()), int(valid[0].sum())) == (25, 32)
    with pytest.raises(ValueError, match=r"cell inside of \(6, 8\), got row 6"):
        affinity_at(_features(), 6, 0)
