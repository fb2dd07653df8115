"""What every backbone promises: maps of any image's size, names, channels and strides, changes of stride."""

import math
from functools import cache
from typing import Any

import panoptic_core.backbones  # noqa: F401 - before mmdet: it makes the operators available

# isort: split
import pytest
import torch
from mmengine.registry import MODELS as ROOT
from torch import Tensor, nn

from panoptic_core.registry import MODELS

BACKBONES: dict[str, dict[str, Any]] = {
    "x65": {"type": "Xception", "depth": 65},
    "x71": {"type": "Xception", "depth": 71},
    "mnv3": {"type": "MobileNetV3Large"},
    "r50": {"type": "DeepLabResNet", "depth": 50},
    "r101": {"type": "DeepLabResNet", "depth": 101},
    "r50 beta": {"type": "DeepLabResNet", "depth": 50, "stem": "beta", "strided_unit": "last"},
    "w48": {"type": "DeepLabHRNet"},
    "w48+": {"type": "DeepLabHRNet", "head": True},
    "w48+ atrous": {"type": "DeepLabHRNet", "head": True, "atrous": True},
    "wider+": {
        "type": "DeepLabHRNet",
        "head": True,
        "block": "xception",
        "channels": (64, 256, 384, 384),
    },
}
STRIDED = ["x71", "mnv3", "r50", "r50 beta"]


def build(name: str, **changes: Any) -> Any:
    return MODELS.build({**BACKBONES[name], **changes})


def run(backbone: Any, size: tuple[int, int]) -> tuple[Tensor, ...]:
    with torch.no_grad():
        maps: tuple[Tensor, ...] = backbone.eval()(torch.zeros(2, 3, *size))
    return maps


@cache
def on_meta(name: str) -> Any:
    with torch.device("meta"):
        return build(name)


@pytest.mark.parametrize("size", [(129, 257), (128, 192), (101, 78)], ids=["k*s+1", "k*s", "odd"])
@pytest.mark.parametrize("name", BACKBONES)
def test_maps_of_any_size(name: str, size: tuple[int, int]) -> None:
    with torch.device("meta"):
        backbone = on_meta(name)
        maps = run(backbone, size)
    assert [feature.shape[1] for feature in maps] == list(backbone.out_channels)
    assert sorted(backbone.out_strides) == list(backbone.out_strides)
    for feature, stride in zip(maps, backbone.out_strides, strict=True):
        # Convolutions with stride and padding round up, so that k * s + 1 pixels become k + 1 cells.
        assert tuple(feature.shape[2:]) == tuple(math.ceil(side / stride) for side in size)


@pytest.mark.parametrize("name", STRIDED)
def test_output_stride(name: str) -> None:
    for output_stride in (8, 32):
        with torch.device("meta"):
            backbone = build(name, output_stride=output_stride)
            last = run(backbone, (129, 193))[-1]
        assert tuple(last.shape[2:]) == (math.ceil(129 / output_stride), math.ceil(193 / output_stride))
        assert backbone.out_strides[-1] == output_stride


@pytest.mark.parametrize("name", STRIDED)
def test_test_output_stride_holds_outside_of_training_alone(name: str) -> None:
    with torch.device("meta"):
        backbone = build(name, output_stride=16, test_output_stride=8)
        image = torch.zeros(2, 3, 65, 65)
        assert backbone.train()(image)[-1].shape[2:] == (5, 5)
        assert backbone.eval()(image)[-1].shape[2:] == (9, 9)
        assert backbone.train().out_strides[-1] == 16


def dilations(module: nn.Module) -> set[int]:
    """Of the convolutions that have a neighbourhood."""
    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    return {conv.dilation[0] for conv in convs}


def test_rates_of_the_last_two_blocks_are_2_and_4() -> None:
    # The paper, section 4.2: "applies atrous convolution in the last two blocks, with rate 2 and 4".
    with torch.device("meta"):
        xception = build("x71", test_output_stride=8).eval()
        resnet = build("r50", test_output_stride=8).eval()
    assert dilations(xception.blocks[4]) == {1}  # its stride is taken away, its taps stay
    assert dilations(xception.blocks[5:21]) == {2}  # the middle flow
    assert dilations(xception.blocks[21]) == {2}  # the exit flow's stride is taken away
    assert dilations(xception.blocks[22]) == {4}
    assert [dilations(unit) for unit in resnet.layer3] == [{1}, *[{2}] * 5]
    assert [dilations(unit) for unit in resnet.layer4] == [{2}, {4}, {4}]


@pytest.mark.parametrize("name", ["x65", "r50"])
def test_multi_grid(name: str) -> None:
    with torch.device("meta"):
        backbone = build(name, multi_grid=(1, 2, 4))
    last = backbone.blocks[-1].convs if name == "x65" else backbone.layer4
    # ResNet's first unit here is the one that loses its stride; Xception's is in the module before.
    assert [max(dilations(part)) for part in last] == ([2, 4, 8] if name == "x65" else [1, 4, 8])


def test_atrous_weights_compute_what_the_strided_ones_do() -> None:
    # Without strides and with wider taps, every other cell is what the strided network says. Batch statistics
    # are not involved in testing; the border is the same, because zeros are padded in both.
    torch.manual_seed(0)
    backbone = build("mnv3", output_stride=32, test_output_stride=16).eval()
    image = torch.rand(1, 3, 65, 97)
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.uniform_(0.5, 2.0)
            if module.__class__.__name__ == "_SqueezeExcitation":  # it sees the mean of the whole map
                module.fc2.weight.zero_()
        dense = backbone(image)[-1]
        backbone.set_output_stride(32)
        strided = backbone(image)[-1]
    torch.testing.assert_close(dense[:, :, ::2, ::2], strided, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["r50", "r50 beta"])
def test_dense_resnet_computes_what_the_strided_one_does(kind: str) -> None:
    torch.manual_seed(0)
    backbone = build(kind, base_channels=8, output_stride=32).eval()
    image = torch.rand(1, 3, 65, 97)
    with torch.no_grad():
        strided = backbone(image)
        backbone.set_output_stride(16)
        dense = backbone(image)
    torch.testing.assert_close(dense[-1][:, :, ::2, ::2], strided[-1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(dense[1], strided[1])


def test_strides_in_the_last_unit_change_no_name() -> None:
    with torch.device("meta"):
        first, last = build("r50"), build("r50", strided_unit="last")
    assert first.state_dict().keys() == last.state_dict().keys()
    assert all(last.state_dict()[name].shape == value.shape for name, value in first.state_dict().items())


def test_a_map_is_taken_before_the_strided_unit() -> None:
    backbone = build("r50", base_channels=8, strided_unit="last").eval()
    image = torch.rand(1, 3, 65, 65)
    with torch.no_grad():
        x = backbone.maxpool(backbone.relu(backbone.norm1(backbone.conv1(image))))
        before = backbone.layer1[1](backbone.layer1[0](x))
        torch.testing.assert_close(backbone(image)[0], before)


def test_all_parameters_get_a_gradient() -> None:
    backbone = build("mnv3")
    sum(feature.mean() for feature in backbone.train()(torch.rand(2, 3, 33, 33))).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize("resize", ["bilinear", "nearest"])
def test_hrnet_is_mmdetections_where_that_runs(resize: str) -> None:
    # On sides that are multiples of 32, with its way of resizing, the trunk is MMDetection's.
    settings = {"channels": (4, 8, 16, 32), "resize": resize}
    torch.manual_seed(0)
    ours = build("w48", **settings).eval()
    theirs = ROOT.build({"type": "mmdet.HRNet", "extra": ours.extra, "norm_cfg": {"type": "BN"}})
    theirs.eval()
    theirs.load_state_dict(ours.state_dict())
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        pairs = list(zip(ours(image), theirs(image), strict=True))
    same = [torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in pairs]
    assert all(same) if resize == "nearest" else not any(same)


def test_atrous_hrnet_has_rate_2_in_the_coarsest_branch_alone() -> None:
    with torch.device("meta"):
        backbone = build("w48+ atrous")
    for module in backbone.stage4:
        assert [dilations(branch) for branch in module.branches] == [{1}, {1}, {1}, {2}]
    assert [dilations(part) for part in backbone.incre_modules] == [{1}, {1}, {1}, {2}]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("x65", {"depth": 50}, r"`depth` of an Xception to be one of \[65, 71\], got 50"),
        ("x65", {"output_stride": 4}, "`output_stride` to be 8, 16 or 32, got 4"),
        ("r50", {"output_stride": 64}, "`output_stride` to be 8, 16 or 32, got 64"),
        ("r50", {"stem": "deep"}, "`stem` to be 'torchvision' or 'beta', got 'deep'"),
        ("r50", {"strided_unit": "middle"}, "`strided_unit` to be 'first' or 'last', got 'middle'"),
        ("mnv3", {"test_output_stride": 4}, "`output_stride` to be 8, 16 or 32, got 4"),
        ("w48", {"block": "dense"}, "`block` to be one of"),
        ("w48", {"resize": "cubic"}, "`resize` to be one of"),
        ("w48", {"channels": (1, 2)}, "`channels` of an HRNet to have 4 entries"),
    ],
)
def test_rejects(name: str, changes: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build(name, **changes)
