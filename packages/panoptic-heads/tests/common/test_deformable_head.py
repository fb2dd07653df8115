"""The deformable head: a plain convolution at first, shared by all levels, widths as the paper's sets."""

import pytest
import torch
from mmcv.ops import DeformConv2d
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common import DeformableBranch, DeformableSemanticHead
from panoptic_heads.common.deformable_head import DeformableLayer
from panoptic_heads.registry import MODELS

SIZES = [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)]  # P2-P6


def _pyramid(channels: int, num_levels: int = 5) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, channels, *size, generator=generator) for size in SIZES[:num_levels]]


@pytest.mark.parametrize(
    ("num_convs", "widths"),
    [(1, [(256, 128)]), (2, [(256, 128), (128, 128)]), (3, [(256, 256), (256, 128), (128, 128)])],
)
def test_widths(num_convs: int, widths: list[tuple[int, int]]) -> None:
    # Section 4.2: 2 layers on Cityscapes (3 on COCO); the branch ends with 128 channels a level.
    head = DeformableSemanticHead(num_things_classes=8, num_stuff_classes=11, num_convs=num_convs)
    convs = [module for module in head.modules() if isinstance(module, DeformConv2d)]
    assert [(conv.in_channels, conv.out_channels) for conv in convs] == widths
    score = head.branch.score
    assert (score.in_channels, score.out_channels, score.kernel_size) == (4 * 128, 19, (1, 1))


@pytest.mark.parametrize("num_groups", [None, 4])
def test_begins_as_a_plain_convolution(num_groups: int | None) -> None:
    layer = DeformableLayer(6, 8, num_groups)
    feature = torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    plain = F.conv2d(feature, layer.conv.weight, padding=1)
    if layer.norm is not None:
        plain = layer.norm(plain)
    torch.testing.assert_close(layer(feature), plain.relu(), rtol=1e-4, atol=1e-5)
    assert (layer.bias is None) == (num_groups is not None)


def test_offsets_move_the_taps_and_learn() -> None:
    layer = DeformableLayer(1, 1)
    nn.init.zeros_(layer.conv.weight)
    layer.conv.weight.data[0, 0, 1, 1] = 1.0  # the identity, were it not for the offset
    layer.offset.bias.data[2 * 4 + 1] = 1.0  # tap 4 is the centre; y before x: look one pixel to the right
    feature = torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    out = layer(feature)
    assert out[0, 0].tolist() == [[2, 3, 4, 0], [6, 7, 8, 0], [10, 11, 12, 0]]
    out.sum().backward()
    assert layer.offset.bias.grad is not None
    assert layer.offset.bias.grad.abs().sum() > 0


@pytest.mark.parity
def test_scoring_before_resizing_equals_the_stacked_map() -> None:
    branch = DeformableBranch(5, in_channels=8, feat_channels=16, num_convs=3)
    features = _pyramid(8)
    stacked = [
        F.interpolate(branch.layers(feature), size=SIZES[0], mode="bilinear", align_corners=False)
        for feature in features[:4]
    ]
    expected = branch.score(torch.cat(stacked, dim=1))
    torch.testing.assert_close(branch(features), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(branch(features[:4]), expected, rtol=1e-4, atol=1e-5)  # P6 is not read


def test_every_parameter_has_a_gradient_and_initial_values_survive_a_config() -> None:
    config = {
        "type": "panoptic_heads.DeformableSemanticHead",
        "num_things_classes": 2,
        "num_stuff_classes": 3,
        "in_channels": 8,
        "feat_channels": 16,
        "num_groups": 4,
        "init_cfg": {"type": "Kaiming", "layer": "Conv2d"},  # a user's; offsets must be zeros all the same
    }
    head = MODELS.build(config)
    head.init_weights()
    offsets = [p for name, p in head.named_parameters() if ".offset." in name]
    assert len(offsets) == 4
    assert all((p == 0).all() for p in offsets)
    logits = head(_pyramid(8))
    assert logits.shape == (2, 5, 8, 12)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in head.parameters())


def test_errors() -> None:
    with pytest.raises(ValueError, match="`num_convs` to be 1 or more, got 0"):
        DeformableBranch(3, num_convs=0)
