"""Squeeze-and-excitation: the pyramid reads res5 with its channels weighed, nothing else changes."""

import pytest
import torch
from mmdet.models import FPN
from torch import Tensor

from panoptic_heads.dense_affinity import SqueezeExcitationFPN
from panoptic_heads.registry import MODELS

CHANNELS = [2, 3, 4, 32]


def _stages() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, 8 // 2**i, 8 // 2**i, generator=generator)
        for i, channels in enumerate(CHANNELS)
    ]


def test_is_the_plain_pyramid_of_weighed_channels() -> None:
    torch.manual_seed(0)
    ours = SqueezeExcitationFPN(CHANNELS, 6, 5)
    plain = FPN(CHANNELS, 6, 5)
    missing = plain.load_state_dict(ours.state_dict(), strict=False)
    assert missing.missing_keys == []  # a pyramid's checkpoint fits by name
    assert {key.split(".")[0] for key in missing.unexpected_keys} == {"squeeze"}
    stages = _stages()
    first, second = ours.squeeze.conv1.conv, ours.squeeze.conv2.conv
    assert first.weight.shape == (32 // 16, 32, 1, 1)  # reduction 16
    mean = stages[3].mean(dim=(2, 3))  # (2, 32)
    hidden = (mean @ first.weight[:, :, 0, 0].T + first.bias).relu()
    weight = (hidden @ second.weight[:, :, 0, 0].T + second.bias).sigmoid()
    expected = plain([*stages[:3], stages[3] * weight[:, :, None, None]])
    for level, other in zip(ours(stages), expected, strict=True):
        torch.testing.assert_close(level, other)


def test_built_by_name_and_learns() -> None:
    neck = MODELS.build(
        {
            "type": "panoptic_heads.SqueezeExcitationFPN",
            "in_channels": CHANNELS,
            "out_channels": 6,
            "num_outs": 5,
            "reduction": 4,
        }
    )
    neck.init_weights()
    neck(_stages())[0].square().sum().backward()  # P2 sees it through the top-down path
    assert neck.squeeze.conv1.conv.weight.shape[0] == 8
    assert neck.squeeze.conv1.conv.weight.grad.abs().sum() > 0


def test_errors() -> None:
    with pytest.raises(ValueError, match="end with res5, got end_level=2"):
        SqueezeExcitationFPN(CHANNELS, 6, 3, end_level=2)
    with pytest.raises(ValueError, match=r"`reduction` to be in \[1, 32\].*got 64"):
        SqueezeExcitationFPN(CHANNELS, 6, 5, reduction=64)
