"""The panoptic matching loss: which channel each pixel should win, the mean, tau, who gets a gradient."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from panoptic_fusion import PanopticSegmentation, apply_affinity, dynamic_potential
from panoptic_heads.common import NO_TARGET
from panoptic_heads.dense_affinity import (
    PanopticMatchingLoss,
    match_segments,
    matched_target,
)
from panoptic_heads.registry import MODELS

# Two things (0, 1), two stuff classes (2, 3). Segments: 10 and 11 instances, 12 a crowd, 13 an instance that
# no detection meets, 20 and 21 stuff, 0 void.
TRUTH = PanopticSegmentation.from_id_map(
    torch.tensor([[10, 11, 12, 13], [20, 21, 0, 20]]),
    [10, 11, 12, 13, 20, 21],
    [0, 1, 0, 1, 2, 3],
    [True, True, True, True, False, False],
    iscrowd=[False, False, True, False, False, False],
)
NONE = NO_TARGET


def _target(segment_ids: list[int], truth: PanopticSegmentation = TRUTH) -> list[list[int]]:
    ids = torch.tensor(segment_ids, dtype=torch.int64)
    return matched_target(truth, ids, (2, 4), input_size=(2, 4), num_things=2).tolist()


def test_target_by_hand() -> None:
    # Detections 0 (segment 11), 1 (nothing) and 2 (segment 10); stuff 3 and 4.
    assert _target([11, 0, 10]) == [[2, 0, NONE, NONE], [3, 4, NONE, 3]]


def test_target_without_detections_and_without_things() -> None:
    assert _target([]) == [[NONE] * 4, [0, 1, NONE, 0]]
    assert _target([0, 0]) == [[NONE] * 4, [2, 3, NONE, 2]]
    stuff = TRUTH.select(~TRUTH.is_thing)
    assert _target([0], stuff) == [[NONE] * 4, [1, 2, NONE, 1]]
    assert _target([0], PanopticSegmentation.empty(2, 4)) == [[NONE] * 4] * 2


def test_a_crowd_and_void_are_nobodys() -> None:
    assert _target([12])[0][2] == NONE  # even if somebody says so
    assert _target([0])[1][2] == NONE  # 0 is not the id of void


def test_a_quarter_takes_the_segment_below_the_centre_and_padding_has_none() -> None:
    id_map = torch.zeros(8, 12, dtype=torch.int64)
    id_map[:4] = 20
    id_map[2:4, 2:4] = 10  # below the centre (2, 2) of the first pixel
    id_map[4:, 4:8] = 21
    truth = PanopticSegmentation.from_id_map(id_map, [10, 20, 21], [0, 2, 3], [True, False, False])
    target = matched_target(truth, torch.tensor([10]), (4, 4), input_size=(16, 16), num_things=2)
    assert target.tolist() == [[0, 1, 1, NONE], [NONE, 2, NONE, NONE], [NONE] * 4, [NONE] * 4]


def test_loss_by_hand() -> None:
    # Two images: one detection and one stuff class over two pixels; one stuff class alone over one pixel.
    first = torch.tensor([[[0.5, 0.0]], [[0.2, 1.0]]])
    second = torch.tensor([[[0.7]]])
    targets = [torch.tensor([[0, 1]]), torch.tensor([[0]])]
    # log(e^0.5 + e^0.2) - 0.5; log(1 + e) - 1; 0 where there is one channel only.
    left = math.log(1 + math.exp(0.2 - 0.5))
    right = math.log(1 + math.exp(0.0 - 1.0))
    loss = PanopticMatchingLoss()
    assert loss([first, second], targets).item() == pytest.approx((left + right + 0) / 3)
    # With tau 10 differences are ten times as large.
    left10, right10 = math.log(1 + math.exp(-3.0)), math.log(1 + math.exp(-10.0))
    found = PanopticMatchingLoss(10.0, loss_weight=0.1)([first, second], targets)
    assert found.item() == pytest.approx(0.1 * (left10 + right10) / 3)
    # Pixels without target do not count.
    targets[0][0, 1] = NO_TARGET
    assert loss([first, second], targets).item() == pytest.approx((left + 0) / 2)


def test_tau_of_one_cannot_be_content() -> None:
    # The right channel at 2, the top of the potential, 99 others at 0.
    potential = torch.zeros(100, 1, 1)
    potential[0] = 2
    target = torch.zeros(1, 1, dtype=torch.int64)
    assert PanopticMatchingLoss()([potential], [target]).item() == pytest.approx(
        math.log(1 + 99 * math.e**-2)
    )
    assert PanopticMatchingLoss(10.0)([potential], [target]).item() < 1e-5


def test_tau_is_learned() -> None:
    loss = PanopticMatchingLoss(4.0, learn_tau=True)
    assert [name for name, _ in loss.named_parameters()] == ["log_tau"]
    assert not list(PanopticMatchingLoss(4.0).parameters())
    potential, target = torch.tensor([[[0.5]], [[0.2]]]), torch.zeros(1, 1, dtype=torch.int64)
    value = loss([potential], [target])
    assert value.item() == pytest.approx(PanopticMatchingLoss(4.0)([potential], [target]).item())
    value.backward()
    # d/dtau log(1 + e^(-0.3 tau)) = -0.3 / (1 + e^(0.3 tau)), times dtau/dlog tau = tau
    assert loss.log_tau.grad.item() == pytest.approx(-0.3 / (1 + math.exp(1.2)) * 4, rel=1e-5)
    optimizer = torch.optim.SGD(loss.parameters(), lr=1.0)
    for _ in range(50):  # the truth has the best channel: the surer the better
        optimizer.zero_grad()
        loss([potential], [target]).backward()
        optimizer.step()
    assert loss.tau.item() > 8


@pytest.mark.parametrize("learn_tau", [False, True])
@pytest.mark.parametrize("channels", [0, 1, 3])
def test_no_pixel_with_a_target_is_zero_and_attached(channels: int, learn_tau: bool) -> None:
    loss = PanopticMatchingLoss(2.0, learn_tau=learn_tau)
    potential = torch.randn(channels, 2, 2, requires_grad=True)
    value = loss([potential], [torch.full((2, 2), NO_TARGET)])
    value.backward()
    assert value.item() == 0
    assert torch.equal(potential.grad, torch.zeros_like(potential))
    if learn_tau:
        assert loss.log_tau.grad == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    potential = torch.rand(5, 64, 64, generator=generator).to(dtype)
    target = torch.randint(0, 5, (64, 64), generator=generator)
    loss = PanopticMatchingLoss(10.0, learn_tau=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss([potential], [target])
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss([potential.float()], [target]))


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    potential = torch.rand(3, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[0, NO_TARGET], [2, 1]])
    loss = PanopticMatchingLoss(3.0)
    assert torch.autograd.gradcheck(lambda x: loss([x], [target]), potential)


class Scene:
    """Two instances of class 0 and stuff in 8 x 8 pixels, and what a network might say of them."""

    id_map = torch.full((8, 8), 20)
    id_map[0:4, 0:4] = 10
    id_map[4:8, 4:8] = 11
    truth = PanopticSegmentation.from_id_map(id_map, [10, 11, 20], [0, 0, 1], [True, True, False])
    boxes = torch.tensor(
        [
            [0.0, 0, 4, 3],  # IoU 12 / 16 with segment 10
            [0, 0, 4, 4],  # IoU 1 with segment 10
            [4, 0, 8, 4],  # nothing there
        ]
    )
    labels = torch.tensor([0, 0, 0])

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.scores = torch.tensor([0.9, 0.8, 0.7], requires_grad=True)
        self.masks = torch.rand(3, 4, 4, generator=generator).requires_grad_()
        self.sem_probs = torch.rand(2, 8, 8, generator=generator).softmax(dim=0).requires_grad_()

    def loss(self, phi: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, ids = match_segments(self.boxes, self.labels, self.scores, self.truth)
        potential = dynamic_potential(
            self.sem_probs,
            self.boxes[kept],
            self.labels[kept],
            self.scores[kept],
            self.masks[kept],
            num_things=1,
        )
        revised = potential if phi is None else apply_affinity(potential, phi, phi)
        revised.retain_grad()
        target = matched_target(self.truth, ids, (8, 8), input_size=(8, 8), num_things=1)
        return PanopticMatchingLoss()([revised], [target]), revised


@pytest.mark.parametrize("affinity", [False, True])
def test_who_gets_a_gradient(affinity: bool) -> None:
    scene = Scene()
    phi = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1)) if affinity else None
    loss, revised = scene.loss(phi)
    loss.backward()
    # The surplus detection: none at all.
    assert scene.scores.grad[0] == 0
    assert (scene.masks.grad[0] == 0).all()
    # The matched one rises, the one without a truth falls.
    assert scene.scores.grad[1] < 0
    assert scene.scores.grad[2] > 0
    assert (scene.masks.grad[1] != 0).any()
    assert (scene.masks.grad[2] != 0).any()
    # Truth that nothing meets: its pixels say nothing to any channel.
    unmatched = scene.id_map == 11
    assert (revised.grad[:, unmatched] == 0).all()
    assert (revised.grad[:, ~unmatched] != 0).all()
    if not affinity:  # with it, other pixels' losses reach them
        assert (scene.sem_probs.grad[:, unmatched] == 0).all()


def test_detections_without_truth_learn_to_win_nothing() -> None:
    scene = Scene()
    loss, revised = scene.loss()
    loss.backward()
    annotated = scene.id_map != 11
    assert (revised.grad[1][annotated] > 0).all()  # channel 1: the detection at [4, 0, 8, 4]


def test_padding_changes_nothing() -> None:
    potential = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([10])
    own = matched_target(TRUTH, ids, (2, 4), input_size=(2, 4), num_things=2)
    padded = matched_target(TRUTH, ids, (5, 7), input_size=(5, 7), num_things=2)
    assert torch.equal(padded[:2, :4], own)
    assert (padded[2:] == NONE).all()
    assert (padded[:, 4:] == NONE).all()
    large = torch.nn.functional.pad(potential, (0, 3, 0, 3), value=1.5)
    loss = PanopticMatchingLoss()
    torch.testing.assert_close(loss([large], [padded]), loss([potential], [own]))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"no segment twice in `segment_ids`, got \[10, 10\]\. Drop surplus"):
        _target([10, 10])
    with pytest.raises(ValueError, match=r"`truth` to be no larger than the input, \(2, 3\), got \(2, 4\)"):
        matched_target(TRUTH, torch.tensor([10]), (2, 3), input_size=(2, 3), num_things=2)
    for tau in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"`tau` to be a finite number > 0"):
            MODELS.build({"type": "PanopticMatchingLoss", "tau": tau})
    with pytest.raises(ValueError, match=r"labels in \[0, 1\) or -100, got \[1\]"):
        PanopticMatchingLoss()([torch.zeros(1, 1, 1)], [torch.ones(1, 1, dtype=torch.int64)])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu() -> None:
    target = matched_target(TRUTH.to("cuda"), torch.tensor([10]), (2, 4), input_size=(2, 4), num_things=2)
    potential: Any = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0))
    loss = PanopticMatchingLoss(10.0, learn_tau=True)
    expected = loss([potential], [target.cpu()])
    torch.testing.assert_close(loss.cuda()([potential.cuda()], [target]).cpu(), expected)
