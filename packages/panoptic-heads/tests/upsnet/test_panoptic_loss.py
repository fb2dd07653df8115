"""The panoptic loss: which channel each pixel should win, by hand; the mean; dropped instances."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from panoptic_fusion import BoxMasks, PanopticSegmentation, dense_panoptic_logits
from panoptic_heads.common import NO_TARGET
from panoptic_heads.upsnet import draw_visible, panoptic_cross_entropy, panoptic_target

# Two things (0, 1), two stuff classes (2, 3). Segments: 10 and 11 instances, 12 a crowd, 13 a thing that no
# instance shows (too small, or not in the instance file), 20 and 21 stuff, 0 void.
TRUTH = PanopticSegmentation.from_id_map(
    torch.tensor([[10, 11, 12, 13], [20, 21, 0, 20]]),
    [10, 11, 12, 13, 20, 21],
    [0, 1, 0, 1, 2, 3],
    [True, True, True, True, False, False],
    iscrowd=[False, False, True, False, False, False],
)
IDS = torch.tensor([11, 10])  # in the order of the instances


def _target(visible: list[bool], *, unknown: bool = True, ids: torch.Tensor = IDS) -> list[list[int]]:
    return panoptic_target(
        TRUTH,
        ids,
        torch.tensor(visible, dtype=torch.bool),
        (2, 4),
        input_size=(2, 4),
        num_things=2,
        num_stuff=2,
        unknown=unknown,
    ).tolist()


def test_all_visible() -> None:
    # Stuff 0 and 1, instances 2 (segment 11) and 3 (segment 10), unknown 4.
    assert _target([True, True]) == [[3, 2, 4, 4], [0, 1, NO_TARGET, 0]]


def test_a_dropped_instance_is_unknown_and_its_channel_is_gone() -> None:
    # Instance 0 is dropped: stuff 0 and 1, instance 2 (segment 10), unknown 3.
    assert _target([False, True]) == [[2, 3, 3, 3], [0, 1, NO_TARGET, 0]]


def test_without_unknown_such_pixels_have_no_target() -> None:
    none = NO_TARGET
    assert _target([True, True], unknown=False) == [[3, 2, none, none], [0, 1, none, 0]]


def test_no_instance_and_instances_that_nothing_shows() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert _target([], ids=empty) == [[2, 2, 2, 2], [0, 1, NO_TARGET, 0]]
    hidden = torch.tensor([0, 10])  # the first is behind others: a channel, no pixel
    assert _target([True, True], ids=hidden) == [[3, 4, 4, 4], [0, 1, NO_TARGET, 0]]


def test_a_quarter_takes_the_label_below_the_centre_and_padding_has_none() -> None:
    id_map = torch.zeros(8, 12, dtype=torch.int64)
    id_map[:4] = 20
    id_map[2:4, 2:4] = 10  # below the centre (2, 2) of the first pixel
    id_map[4:, 4:8] = 21
    truth = PanopticSegmentation.from_id_map(id_map, [10, 20, 21], [0, 2, 3], [True, False, False])
    target = panoptic_target(
        truth,
        torch.tensor([10]),
        torch.tensor([True]),
        (4, 4),
        input_size=(16, 16),
        num_things=2,
        num_stuff=2,
    )
    none = NO_TARGET
    assert target.tolist() == [[2, 0, 0, none], [none, 1, none, none], [none] * 4, [none] * 4]


def test_loss_by_hand() -> None:
    # One thing, one stuff class, three pixels; one instance over the left two, mask logit 1 in its box.
    #            left  mid  right
    # X_thing     2     0     1
    # X_stuff     0     3     0
    # Z: stuff    0     3     0
    #    inst.  2+1=3 0+1=1   0  (outside its box)
    #    unknown 2-2   0-0   1-0
    sem_logits = torch.tensor([[[2.0, 0.0, 1.0]], [[0.0, 3.0, 0.0]]], requires_grad=True)
    mask_logits = torch.full((1, 4, 4), 1.0, requires_grad=True)
    boxes = torch.tensor([[0.0, -1.0, 2.0, 2.0]])
    # read at its middle row: cells beyond the mask are 0, so only the inner pixel centres see all of it
    z = dense_panoptic_logits(
        sem_logits, BoxMasks.from_logits(mask_logits, boxes), torch.tensor([0]), num_things=1
    )
    assert z.tolist() == [[[0, 3, 0]], [[3, 1, 0]], [[0, 0, 1]]]
    target = torch.tensor([[1, 0, 2]])
    left = math.log(1 + math.e**3 + 1) - 3
    mid = math.log(math.e**3 + math.e + 1) - 3
    right = math.log(1 + 1 + math.e) - 1
    loss = panoptic_cross_entropy([z], [target])
    assert loss.item() == pytest.approx((left + mid + right) / 3)
    loss.backward()
    assert sem_logits.grad.abs().sum() > 0
    assert mask_logits.grad.abs().sum() > 0
    target[0, 1] = NO_TARGET
    assert panoptic_cross_entropy([z], [target]).item() == pytest.approx((left + right) / 2)
    assert panoptic_cross_entropy([z], [target], divide_by="all").item() == pytest.approx((left + right) / 3)


def test_mean_over_the_batch_counts_pixels_not_images() -> None:
    first, second = torch.zeros(2, 1, 3), torch.zeros(4, 1, 1)
    targets = [torch.tensor([[0, 1, 0]]), torch.tensor([[3]])]
    loss = panoptic_cross_entropy([first, second], targets)
    assert loss.item() == pytest.approx((3 * math.log(2) + math.log(4)) / 4)


def test_no_pixel_with_a_target_is_zero_and_attached() -> None:
    z = torch.randn(3, 2, 2, requires_grad=True)
    loss = panoptic_cross_entropy([z], [torch.full((2, 2), NO_TARGET)])
    loss.backward()
    assert loss == 0
    assert (z.grad == 0).all()


@given(count=st.integers(0, 60), fraction=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_dropped_instances(count: int, fraction: float) -> None:
    visible = draw_visible(count, fraction)
    assert visible.shape == (count,)
    kept = int(visible.sum())
    assert kept >= min(count, 1)
    assert kept == 1 or abs(kept - count * (1 - fraction)) <= 0.5
    if fraction == 0:
        assert kept == count


def test_every_instance_is_dropped_equally_often() -> None:
    torch.manual_seed(0)
    kept = torch.stack([draw_visible(10) for _ in range(2000)]).float()
    assert (kept.sum(dim=1) == 7).all()
    assert (kept.mean(dim=0) - 0.7).abs().max() < 0.05
