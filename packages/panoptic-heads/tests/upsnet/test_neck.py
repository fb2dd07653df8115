"""Global context: the average of the coarsest stage, reduced, in every level."""

import pytest
import torch
from mmdet.models import FPN

from panoptic_heads.registry import MODELS
from panoptic_heads.upsnet import GlobalContextFPN

CHANNELS = [2, 3, 4, 5]


def _stages() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, 8 // 2**i, 8 // 2**i, generator=generator)
        for i, channels in enumerate(CHANNELS)
    ]


def test_is_the_plain_pyramid_with_a_constant_added_before_p5() -> None:
    torch.manual_seed(0)
    ours = GlobalContextFPN(CHANNELS, 6, 5)
    plain = FPN(CHANNELS, 6, 5)
    missing = plain.load_state_dict(ours.state_dict(), strict=False)
    assert missing.missing_keys == []  # a pyramid's checkpoint fits by name
    assert sorted(missing.unexpected_keys) == [f"lateral_convs.3.context.{x}" for x in ("bias", "weight")]
    stages = _stages()
    context = ours.lateral_convs[3].context
    weight = context.weight[:, :, 0, 0]
    extra = stages[3].mean(dim=(2, 3)) @ weight.T + context.bias  # (2, 6)
    lateral = plain.lateral_convs[3].forward
    plain.lateral_convs[3].forward = lambda x: lateral(x) + extra[:, :, None, None]
    for level, expected in zip(ours(stages), plain(stages), strict=True):
        torch.testing.assert_close(level, expected)


def test_built_by_name_and_learns() -> None:
    neck = MODELS.build(
        {
            "type": "panoptic_heads.GlobalContextFPN",
            "in_channels": CHANNELS,
            "out_channels": 6,
            "num_outs": 5,
        }
    )
    neck.init_weights()
    outputs = neck(_stages())
    assert len(outputs) == 5
    outputs[0].square().sum().backward()  # P2 sees it through the top-down path
    assert neck.lateral_convs[3].context.weight.grad.abs().sum() > 0


def test_errors() -> None:
    with pytest.raises(ValueError, match="end with res5, got end_level=2"):
        GlobalContextFPN(CHANNELS, 6, 3, end_level=2)
