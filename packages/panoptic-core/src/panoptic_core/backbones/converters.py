"""Public weights under our names: functions from one state dict to another; tensors are not copied.

Only where public names differ. ``torchvision://resnet50`` and ``open-mmlab://msra/hrnetv2_w48`` need none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

_XCEPTION = (
    (r"^stem\.(\d)\.bn\.", r"stem.\1.norm."),
    (r"\.shortcut\.bn\.", ".shortcut.norm."),
    (r"\.stack\.conv1\.", ".convs.0."),
    (r"\.stack\.conv2\.", ".convs.1."),
    (r"\.stack\.conv3\.", ".convs.2."),
    (r"\.conv_dw\.", ".depthwise.conv."),
    (r"\.bn_dw\.", ".depthwise.norm."),
    (r"\.conv_pw\.", ".pointwise.conv."),
    (r"\.bn_pw\.", ".pointwise.norm."),
)


def convert_xception(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename timm's ``xception65`` or ``xception71`` (the TensorFlow weights of DeepLab's authors).

    Args:
        weights: A state dict under timm's names, ``blocks.0.stack.conv1.conv_dw.weight`` and so on. They
            were trained on RGB images in [-1, 1] (mean and deviation 127.5) and with ``eps=1e-3``.

    Returns:
        What :class:`~panoptic_core.backbones.xception.Xception` loads; the classifier is left out.

    Raises:
        ValueError: If the names are others.
    """
    _require(weights, "stem.0.conv.weight", "blocks.0.stack.conv1.conv_dw.weight")
    return _rename(weights, _XCEPTION, left_out=("head.",))


def convert_mobilenet_v3(
    weights: Mapping[str, Tensor], *, shapes: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Leave out of torchvision's ``mobilenet_v3_large`` what a dense network does not have.

    Args:
        weights: A state dict under torchvision's names.
        shapes: The state dict of the network that will load it: entries of another shape are left out too. In
            a network with a halved tail these are the last blocks, 160 channels wide in the public weights.

    Returns:
        What :class:`~panoptic_core.backbones.mobilenet_v3.MobileNetV3Large` loads.

    Raises:
        ValueError: If the names are others.
    """
    _require(weights, "features.0.0.weight", "features.1.block.0.0.weight")
    kept = _rename(weights, (), left_out=("classifier.",))
    if shapes is None:
        return kept
    return {name: value for name, value in kept.items() if _same_shape(value, shapes.get(name))}


def convert_hrnet(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename MMPretrain's HRNet to the names of HRNet's public code, which are ours and MMDetection's.

    Args:
        weights: A state dict with the trunk under ``backbone.`` and the ImageNet head under
            ``neck.increase_layers``, ``neck.downsample_layers`` and ``neck.final_layer``; or already under
            the public code's names, which stay as they are.

    Returns:
        What :class:`~panoptic_core.backbones.hrnet.DeepLabHRNet` with ``head=True`` loads; the classifier is
        left out.

    Raises:
        ValueError: If the names are neither.
    """
    if "conv1.weight" in weights:
        return _rename(weights, (), left_out=("classifier.",))
    _require(weights, "backbone.conv1.weight")
    rules = (
        (r"^backbone\.", ""),
        (r"^neck\.increase_layers\.", "incre_modules."),
        (r"^neck\.downsample_layers\.(\d)\.conv\.", r"downsamp_modules.\1.0."),
        (r"^neck\.downsample_layers\.(\d)\.bn\.", r"downsamp_modules.\1.1."),
        (r"^neck\.final_layer\.conv\.", "final_layer.0."),
        (r"^neck\.final_layer\.bn\.", "final_layer.1."),
    )
    return _rename(weights, rules, left_out=("head.",))


def _rename(
    weights: Mapping[str, Tensor], rules: Iterable[tuple[str, str]], *, left_out: tuple[str, ...]
) -> dict[str, Tensor]:
    rules = tuple(rules)
    renamed = {}
    for name, value in weights.items():
        if name.startswith(left_out):
            continue
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def _require(weights: Mapping[str, Tensor], *names: str) -> None:
    missing = [name for name in names if name not in weights]
    if missing:
        msg = (
            f"Expected `weights` to hold {', '.join(map(repr, names))}, got {len(weights)} entries without "
            f"{missing}, such as {sorted(weights)[:3]}. Take the state dict out of the checkpoint, and its "
            "prefix off."
        )
        raise ValueError(msg)


def _same_shape(value: Tensor, other: Tensor | None) -> bool:
    return other is not None and value.shape == other.shape
