"""From the head's grid to the image."""

import pytest
import torch

from panoptic_heads.common.resize import Sizes, resize_logits, resize_winner


def test_same_sizes_change_nothing() -> None:
    logits = torch.randn(3, 4, 5)
    assert torch.equal(resize_logits(logits, Sizes((4, 5), (4, 5), (4, 5))), logits)


def test_padding_is_cut_before_the_last_resize() -> None:
    # Columns 0 and 1 are the image (value 1), columns 2 and 3 are padding (value 100).
    logits = torch.tensor([[[1.0, 1.0, 100.0, 100.0]]])
    out = resize_logits(logits, Sizes(padded=(1, 4), image=(1, 2), output=(2, 6)))
    assert torch.equal(out, torch.ones(1, 2, 6))


@pytest.mark.parity
@pytest.mark.parametrize("channels_at_once", [1, 2, 3, 100])
def test_winner_is_the_argmax_of_all_channels(channels_at_once: int) -> None:
    logits = torch.randn(7, 8, 6, generator=torch.Generator().manual_seed(0))
    sizes = Sizes(padded=(32, 24), image=(30, 21), output=(43, 30))
    winner = resize_winner(logits, sizes, channels_at_once=channels_at_once)
    assert torch.equal(winner, resize_logits(logits, sizes).argmax(dim=0))


def test_ties_go_to_the_lowest_channel() -> None:
    winner = resize_winner(torch.zeros(5, 2, 2), Sizes((2, 2), (2, 2), (2, 2)), channels_at_once=2)
    assert torch.equal(winner, torch.zeros(2, 2, dtype=torch.int64))
