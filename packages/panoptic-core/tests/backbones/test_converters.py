"""State dicts under public names, made up, load into our networks."""

import re

import panoptic_core.backbones as backbones

# isort: split
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor

from panoptic_core.backbones import convert_hrnet, convert_mobilenet_v3, convert_xception
from panoptic_core.backbones.converters import _rename

TO_TIMM = (
    (r"\.convs\.(\d)\.", lambda m: f".stack.conv{int(m[1]) + 1}."),
    (r"depthwise\.conv", "conv_dw"),
    (r"depthwise\.norm", "bn_dw"),
    (r"pointwise\.conv", "conv_pw"),
    (r"pointwise\.norm", "bn_pw"),
    (r"\.norm\.", ".bn."),
)
TIMM_NAMES = [  # of timm's xception71, written down from its code
    "stem.0.conv.weight",
    "stem.1.bn.running_mean",
    "blocks.0.shortcut.conv.weight",
    "blocks.0.shortcut.bn.bias",
    "blocks.3.stack.conv2.conv_dw.weight",
    "blocks.3.stack.conv2.bn_dw.weight",
    "blocks.20.stack.conv1.conv_pw.weight",
    "blocks.22.stack.conv3.bn_pw.running_var",
]


def test_xception() -> None:
    with torch.device("meta"):
        network = backbones.Xception(71)
    ours = network.state_dict()
    theirs: dict[str, Tensor] = {"head.fc.weight": torch.zeros(1), "head.fc.bias": torch.zeros(1)}
    for name, value in ours.items():
        for pattern, replacement in TO_TIMM:
            name = re.sub(pattern, replacement, name)
        theirs[name] = value
    assert set(TIMM_NAMES) <= theirs.keys()
    assert convert_xception(theirs) == ours


def test_mobilenet_names_are_torchvisions() -> None:
    names = {  # of torchvision's mobilenet_v3_large, written down from its code
        "features.0.0.weight": (16, 3, 3, 3),
        "features.0.1.running_mean": (16,),
        "features.1.block.0.0.weight": (16, 1, 3, 3),  # no expansion
        "features.4.block.1.0.weight": (72, 1, 5, 5),
        "features.4.block.2.fc1.weight": (24, 72, 1, 1),
        "features.4.block.2.fc2.bias": (72,),
        "features.4.block.3.1.weight": (40,),
        "features.13.block.0.0.weight": (672, 112, 1, 1),
        "features.13.block.3.0.weight": (160, 672, 1, 1),
        "features.16.0.weight": (960, 160, 1, 1),
    }
    with torch.device("meta"):
        shapes = {
            n: tuple(v.shape) for n, v in backbones.MobileNetV3Large(reduced_tail=False).state_dict().items()
        }
    assert names.items() <= shapes.items()


def test_mobilenet_with_a_halved_tail_takes_all_but_the_tail() -> None:
    with torch.device("meta"):
        whole = backbones.MobileNetV3Large(reduced_tail=False).state_dict()
        ours = backbones.MobileNetV3Large().state_dict()
    public = {**whole, "classifier.0.weight": torch.zeros(1)}
    assert convert_mobilenet_v3(public).keys() == whole.keys()
    kept = convert_mobilenet_v3(public, shapes=ours)
    left_out = ours.keys() - kept.keys()
    assert left_out
    assert all(
        int(name.split(".")[1]) >= 13 for name in left_out
    )  # the last three blocks and the layer on top
    assert "features.13.block.0.0.weight" in kept  # the expansion of the first of them is as it was


def test_hrnet_of_mmpretrain() -> None:
    with torch.device("meta"):
        ours = backbones.DeepLabHRNet(head=True).state_dict()
    back = (
        (r"^incre_modules\.", "neck.increase_layers."),
        (r"^downsamp_modules\.(\d)\.0\.", r"neck.downsample_layers.\1.conv."),
        (r"^downsamp_modules\.(\d)\.1\.", r"neck.downsample_layers.\1.bn."),
        (r"^final_layer\.0\.", "neck.final_layer.conv."),
        (r"^final_layer\.1\.", "neck.final_layer.bn."),
        (r"^(?!neck)", "backbone."),
    )
    theirs = {**_rename(ours, back, left_out=()), "head.fc.weight": torch.zeros(1)}
    assert {
        "backbone.stage2.0.branches.0.0.conv1.weight",
        "neck.increase_layers.0.0.conv1.weight",
    } <= theirs.keys()
    assert convert_hrnet(theirs) == ours
    assert convert_hrnet({**ours, "classifier.weight": torch.zeros(1)}) == ours


def test_torchvisions_resnet_loads_by_name() -> None:
    with torch.device("meta"):
        ours = backbones.DeepLabResNet(50).state_dict()
    names = {  # of torchvision's resnet50, written down from its code
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_var": (64,),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.0.downsample.1.bias": (256,),
        "layer2.0.conv2.weight": (128, 128, 3, 3),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
        "layer4.2.bn3.num_batches_tracked": (),
    }
    assert names.items() <= {name: tuple(value.shape) for name, value in ours.items()}.items()


def test_loading_changes_the_network() -> None:
    torch.manual_seed(0)
    source, target = backbones.MobileNetV3Large(), backbones.MobileNetV3Large()
    load_state_dict(target, convert_mobilenet_v3(source.state_dict()), strict=True)
    image = torch.rand(1, 3, 33, 33)
    with torch.no_grad():
        torch.testing.assert_close(source.eval()(image)[-1], target.eval()(image)[-1])


def test_rejects_other_names() -> None:
    with pytest.raises(ValueError, match=r"without \['stem.0.conv.weight', .*prefix off"):
        convert_xception({"module.stem.0.conv.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"without \['backbone.conv1.weight'\]"):
        convert_hrnet({})
    with pytest.raises(ValueError, match=r"'features.0.0.weight'"):
        convert_mobilenet_v3({})
