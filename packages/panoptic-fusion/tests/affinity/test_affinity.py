"""The potential and the affinity: by hand, against literal loops, and their gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_fusion import apply_affinity, dynamic_potential
from panoptic_fusion.affinity.upsampling import upsampled_argmax
from panoptic_fusion.testing import LargestTensor
from panoptic_fusion.testing.literal_affinity import apply_affinity_literally, dynamic_potential_literally

NUM_THINGS = 2
FORMS = ["product", "sum", "logit_sum", "mask_free"]


def make_detections(
    seed: int, count: int = 5, size: tuple[int, int] = (9, 13)
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sem_probs = torch.randn(NUM_THINGS + 3, *size, generator=generator).softmax(dim=0)
    corner = torch.rand(count, 2, generator=generator) * 10 - 3
    boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 9 - 0.5], dim=1)
    labels = torch.randint(0, NUM_THINGS, (count,), generator=generator)
    scores = torch.rand(count, generator=generator)
    return sem_probs, boxes, labels, scores, torch.rand(count, 4, 4, generator=generator)


def make_features(seed: int, channels: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    phi = torch.randn(2, channels, *size, generator=generator).relu()
    return phi[0], phi[1]


def test_potential_by_hand() -> None:
    # One thing, one stuff; the box covers pixel 0 and 1, one cell of 0.5 over it with its centre between them
    # (M = 1): each centre is a quarter of the box, 0.25 cells, from the cell's: 0.75 * 0.5 = 0.375.
    sem_probs = torch.tensor([[[0.75, 0.5, 0.25]], [[0.25, 0.5, 0.75]]])
    boxes, labels = torch.tensor([[0.0, 0.0, 2.0, 1.0]]), torch.tensor([0])
    parts = sem_probs, boxes, labels, torch.tensor([0.5]), torch.full((1, 1, 1), 0.5)
    things = {
        "product": [0.5 * 0.75 * 0.375, 0.5 * 0.5 * 0.375, 0],
        "sum": [0.5 * (0.75 + 0.375), 0.5 * (0.5 + 0.375), 0],
        "logit_sum": [0.75 + 0.375, 0.5 + 0.375, 0],
        "mask_free": [0.5 * 0.75, 0.5 * 0.5, 0],
    }
    for form, thing in things.items():
        potential = dynamic_potential(*parts, num_things=1, form=form)
        torch.testing.assert_close(potential, torch.tensor([[thing], [[0.25, 0.5, 0.75]]]))
    without = dynamic_potential(sem_probs, boxes, labels, num_things=1)
    torch.testing.assert_close(without, torch.tensor([[[0.75, 0.5, 0]], [[0.25, 0.5, 0.75]]]))


@pytest.mark.parity
@pytest.mark.parametrize("form", FORMS)
def test_potential_matches_literal_loop(form: str) -> None:
    for seed in range(4):
        parts = make_detections(seed)
        options = {"num_things": NUM_THINGS, "form": form}
        torch.testing.assert_close(
            dynamic_potential(*parts, **options), dynamic_potential_literally(*parts, **options)
        )


@pytest.mark.parametrize("form", ["product", "sum"])
def test_without_masks_there_is_score_times_semantics(form: str) -> None:
    sem_probs, boxes, labels, scores, mask_probs = make_detections(1)
    parts = sem_probs, boxes, labels, scores
    expected = dynamic_potential(*parts, mask_probs, num_things=NUM_THINGS, form="mask_free")
    assert torch.equal(dynamic_potential(*parts, num_things=NUM_THINGS, form=form), expected)


def test_no_detections_leave_stuff() -> None:
    sem_probs, *rest = make_detections(0)
    potential = dynamic_potential(sem_probs, *(part[:0] for part in rest), num_things=NUM_THINGS)
    assert torch.equal(potential, sem_probs[NUM_THINGS:])
    assert dynamic_potential(sem_probs[:2], *(part[:0] for part in rest), num_things=2).shape == (0, 9, 13)


@pytest.mark.parametrize("form", FORMS)
def test_potential_gradients(form: str) -> None:
    sem_probs, boxes, labels, scores, mask_probs = make_detections(2, count=3, size=(5, 6))
    inputs = [part.double().requires_grad_() for part in (sem_probs, scores, mask_probs)]

    def potential(sem_probs: Tensor, scores: Tensor, mask_probs: Tensor) -> Tensor:
        parts = sem_probs, boxes / 2, labels, scores, mask_probs
        return dynamic_potential(*parts, num_things=NUM_THINGS, form=form)

    assert torch.autograd.gradcheck(potential, inputs)


def test_the_panoptic_loss_reaches_the_scores() -> None:
    sem_probs, boxes, labels, scores, mask_probs = make_detections(2)
    scores.requires_grad_()
    boxes.requires_grad_()
    dynamic_potential(sem_probs, boxes, labels, scores, mask_probs, num_things=NUM_THINGS).sum().backward()
    assert bool((scores.grad > 0).any())
    assert boxes.grad is None


@pytest.mark.parity
@pytest.mark.parametrize("padded", [False, True])
def test_affinity_is_the_explicit_product_forward_and_backward(padded: bool) -> None:
    size = 4, 5
    potential = torch.rand(3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    phi0, phi1 = (phi.double() for phi in make_features(0, 2, size))
    gamma = torch.tensor(0.7, dtype=torch.float64)
    inputs = [part.requires_grad_() for part in (potential, phi0, phi1, gamma)]
    valid = None
    if padded:
        valid = torch.zeros(size, dtype=torch.bool)
        valid[:3, :4] = True
    ours = apply_affinity(*inputs, valid)
    theirs = apply_affinity_literally(*inputs, valid)
    torch.testing.assert_close(ours, theirs)
    weights = torch.rand(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for mine, expected in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((theirs * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected)
    assert torch.autograd.gradcheck(lambda *parts: apply_affinity(*parts, valid), inputs)


def test_result_does_not_depend_on_padding() -> None:
    size = 6, 7
    potential = torch.rand(4, *size, generator=torch.Generator().manual_seed(0))
    phi0, phi1 = make_features(1, 8, size)
    alone = apply_affinity(potential, phi0, phi1, 0.5)
    for rows, columns in ((6, 9), (11, 7), (9, 12)):
        valid = torch.zeros(rows, columns, dtype=torch.bool)
        valid[:6, :7] = True
        padded = []
        for part in (potential, phi0, phi1):
            larger = torch.full((len(part), rows, columns), float("nan"))  # whatever a network says there
            larger[:, :6, :7] = part
            padded.append(larger)
        together = apply_affinity(*padded, 0.5, valid)[:, :6, :7]
        torch.testing.assert_close(together, alone)
    nothing = apply_affinity(potential, phi0, phi1, 0.5, torch.zeros(size, dtype=torch.bool))
    assert torch.equal(nothing, potential)


def test_affinity_runs_in_float32_and_never_makes_pairs_of_pixels() -> None:
    size = 30, 40
    potential = torch.rand(4, *size, generator=torch.Generator().manual_seed(0))
    phi0, phi1 = make_features(1, 8, size)
    expected = apply_affinity(potential, phi0, phi1)
    with LargestTensor() as largest, torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(apply_affinity(potential, phi0, phi1), expected)
    assert largest.numel <= 2 * 8 * 30 * 40, largest.operation
    halves = [part.half() for part in (potential, phi0, phi1)]
    assert apply_affinity(*halves).dtype == torch.float32


def test_errors() -> None:
    sem_probs, boxes, labels, _, _ = make_detections(1)
    options: dict[str, Any] = {"num_things": NUM_THINGS}
    with pytest.raises(ValueError, match=r"`boxes` to have the shape \(D, 4\) = \(5, 4\)"):
        dynamic_potential(sem_probs, boxes[:2], labels, **options)
    with pytest.raises(ValueError, match=r"thing ids in \[0, 2\), got values in \[2, 2\]"):
        dynamic_potential(sem_probs, boxes, torch.full_like(labels, 2), **options)
    with pytest.raises(ValueError, match=r'masks with form="logit_sum", got none'):
        dynamic_potential(sem_probs, boxes, labels, form="logit_sum", **options)
    with pytest.raises(ValueError, match="`form` to be one of 'product'"):
        dynamic_potential(sem_probs, boxes, labels, form="B", **options)
    with pytest.raises(ValueError, match="`boxes` to be finite"):
        dynamic_potential(sem_probs, boxes / 0, labels, **options)
    phi0, phi1 = make_features(1, 8, (9, 13))
    with pytest.raises(
        ValueError, match=r"`phi1` to have the shape \(8, 9, 13\) of `phi0`, got \(7, 9, 13\)"
    ):
        apply_affinity(sem_probs, phi0, phi1[:7])
    with pytest.raises(ValueError, match=r"`phi0` to have the shape \(C, H, W\) = \(C, 9, 13\)"):
        apply_affinity(sem_probs, phi0[:, :8], phi1)
    with pytest.raises(TypeError, match="`valid` to be bool"):
        apply_affinity(sem_probs, phi0, phi1, valid=torch.ones(9, 13))


@pytest.mark.parity
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("grid", [(1, 1), (3, 1), (6, 9)])
@pytest.mark.parametrize("stride", [1.5, 2, 4])
def test_argmax_of_the_upsampling(stride: float, grid: tuple[int, int], noisy: bool) -> None:
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(7, *grid, generator=generator)
        if not noisy:  # one channel leads in most places
            values[:3, : grid[0] // 2] += torch.tensor([4.0, 0, 0])[:, None, None]
        size = int(grid[0] * stride), int(grid[1] * stride)
        full = torch.nn.functional.interpolate(
            values[None], scale_factor=stride, mode="bilinear", recompute_scale_factor=False
        )[0][:, : size[0], : size[1]]
        best = upsampled_argmax(values, values.argmax(dim=0).int(), size, (stride, stride))
        top = full.topk(2, dim=0).values
        clear = top[0] - top[1] > 1e-5
        assert torch.equal(best[clear].long(), full.argmax(dim=0)[clear])
        assert clear.float().mean() > 0.9
        small = max(1, size[0] - 2), max(1, size[1] - 3)  # padding cut off
        cut = upsampled_argmax(values, values.argmax(dim=0).int(), small, (stride, stride))
        assert torch.equal(cut, best[: small[0], : small[1]])


def test_argmax_of_the_upsampling_gives_ties_to_the_lowest() -> None:
    values = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[0.5, 0.5]], [[1.0, 1.0]], [[1.0, 1.0]]])
    for chosen, expected in (([0, 1, 2], [1, 1, 0, 0]), ([1, 3, 4], [0, 1, 1, 1]), ([3, 4], [0, 0, 0, 0])):
        part = values[chosen]
        # pixel centres at 0, 0.25, 0.75, 1 of the way
        winners = upsampled_argmax(part, part.argmax(dim=0).int(), (1, 4), (1.0, 2.0))
        assert winners.tolist() == [expected]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_same() -> None:
    parts = make_detections(3)
    here = dynamic_potential(*parts, num_things=NUM_THINGS)
    there = dynamic_potential(*(part.cuda() for part in parts), num_things=NUM_THINGS)
    torch.testing.assert_close(there.cpu(), here)
    phi = make_features(1, 8, (9, 13))
    revised = apply_affinity(there, *(part.cuda() for part in phi))
    torch.testing.assert_close(revised.cpu(), apply_affinity(here, *phi))
    winners = here.argmax(dim=0).int()
    best = upsampled_argmax(here, winners, (36, 52), (4, 4))
    assert torch.equal(upsampled_argmax(here.cuda(), winners.cuda(), (36, 52), (4, 4)).cpu(), best)
