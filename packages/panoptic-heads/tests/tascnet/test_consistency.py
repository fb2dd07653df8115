"""TASC: both maps, the valid pixels and the loss."""

import pytest
import torch

from panoptic_fusion import PanopticSegmentation
from panoptic_heads.tascnet.consistency import flatten_batch, semantic_thing_map, tasc_loss, valid_pixels


def _logits(*probabilities: tuple[float, ...]) -> torch.Tensor:
    """Logits ``(1, C, 1, W)`` whose softmax at pixel i is ``probabilities[i]``."""
    return torch.tensor(probabilities).log().T[None, :, None]


def test_semantic_map_by_hand() -> None:
    # Two thing channels, then one stuff channel.
    logits = _logits((0.7, 0.2, 0.1), (0.1, 0.6, 0.3), (0.1, 0.1, 0.8), (0.4, 0.3, 0.3), (0.2, 0.5, 0.3))
    expected = torch.tensor([[[0.7, 0.6, 0.0, 0.0, 0.0]]])  # stuff wins; 0.4 < 0.5; 0.5 is not more than 0.5
    torch.testing.assert_close(semantic_thing_map(logits, 2), expected)


def test_semantic_map_of_one_channel_for_all_things() -> None:
    torch.testing.assert_close(
        semantic_thing_map(_logits((0.9, 0.1), (0.2, 0.8)), 1), torch.tensor([[[0.9, 0.0]]])
    )


def test_semantic_map_matches_softmax() -> None:
    logits = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0)) * 3
    probability, winner = logits.softmax(dim=1).max(dim=1)
    expected = torch.where((winner < 3) & (probability > 0.5), probability, torch.zeros(()))
    torch.testing.assert_close(semantic_thing_map(logits, 3), expected)


def test_valid_pixels_leave_out_void_crowd_and_padding() -> None:
    first = PanopticSegmentation.from_id_map(
        torch.tensor([[1, 2], [0, 3]]),
        [1, 2, 3],
        [0, 0, 1],
        [True, True, False],
        iscrowd=[False, True, False],
    )
    second = PanopticSegmentation.empty(1, 3)
    expected = torch.tensor(
        [
            [[True, False, False], [False, True, False]],  # thing, crowd, padding | void, stuff, padding
            [[False, False, False], [False, False, False]],
        ]
    )
    assert torch.equal(valid_pixels([first, second], (2, 3)), expected)


def test_loss_by_hand() -> None:
    things = torch.tensor([[[0.8, 0.0, 0.6]], [[0.9, 0.0, 0.0]]])
    semantic = torch.tensor([[[0.6, 0.7, 0.6]], [[0.0, 0.0, 0.0]]])
    valid = torch.tensor([[[True, True, False]], [[True, True, False]]])
    # (0.2^2 + 0.7^2 + 0.9^2 + 0^2) / 4 = (0.04 + 0.49 + 0.81) / 4
    torch.testing.assert_close(tasc_loss(things, semantic, valid), torch.tensor(0.335))


def test_loss_without_valid_pixels_is_an_attached_zero() -> None:
    things = torch.rand(1, 2, 2, requires_grad=True)
    loss = tasc_loss(things, torch.rand(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(things.grad, torch.zeros(1, 2, 2))


def test_gradient_reaches_both_heads_and_only_where_they_are_confident() -> None:
    # Four pixels:                          both sure   only the mask   only semantics   neither
    mask_logits = torch.tensor([0.9, 0.8, 0.3, 0.4]).logit().view(1, 1, 4).requires_grad_()
    sem_logits = _logits((0.7, 0.3), (0.2, 0.8), (0.9, 0.1), (0.1, 0.9)).requires_grad_()
    things = flatten_batch([mask_logits], [torch.tensor([[0.0, 0.0, 4.0, 1.0]])], (1, 4))
    semantic = semantic_thing_map(sem_logits, 1)
    tasc_loss(things, semantic, torch.ones(1, 1, 4, dtype=torch.bool)).backward()

    of_masks, of_things = mask_logits.grad.flatten(), sem_logits.grad[0, 0, 0]
    # A step against the gradient: the mask falls to 0.7 and the semantic probability rises to 0.9 ...
    assert of_masks[0] > 0
    assert of_things[0] < 0
    # ... and where one side alone is sure, that side falls, while the other one is not lifted.
    assert of_masks[1] > 0
    assert of_things[1] == 0
    assert of_masks[2] == 0
    assert of_things[2] > 0
    assert of_masks[3] == 0
    assert of_things[3] == 0


@pytest.mark.parity
def test_loss_and_gradients_match_the_literal_sum() -> None:
    generator = torch.Generator().manual_seed(5)
    mask_logits = [torch.randn(k, 3, 3, generator=generator, dtype=torch.float64) * 3 for k in (2, 0, 1)]
    boxes = [torch.tensor([[0.0, 0.0, 6.0, 4.0], [2.2, 1.1, 7.0, 5.0]]), torch.zeros(0, 4)]
    boxes.append(torch.tensor([[1.0, 1.0, 8.0, 5.0]]))
    sem_logits = torch.randn(3, 3, 6, 8, generator=generator, dtype=torch.float64) * 2
    valid = torch.rand(3, 6, 8, generator=generator) > 0.3
    things = flatten_batch(mask_logits, boxes, (6, 8))
    semantic = semantic_thing_map(sem_logits, 2)
    total, count = 0.0, 0
    for n in range(3):
        for y in range(6):
            for x in range(8):
                if valid[n, y, x]:
                    total += (things[n, y, x] - semantic[n, y, x]).item() ** 2
                    count += 1
    assert tasc_loss(things, semantic, valid).item() == pytest.approx(total / count, abs=1e-12)


def test_scaled_boxes_give_the_map_at_a_quarter() -> None:
    # A box of 8x8 input pixels is 2x2 pixels at a quarter of the side.
    maps = flatten_batch(
        [torch.full((1, 2, 2), 4.0)], [torch.tensor([[4.0, 4.0, 12.0, 12.0]])], (4, 4), scale=0.25
    )
    assert (maps[0] > 0).nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
