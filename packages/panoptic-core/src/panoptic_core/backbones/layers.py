"""Convolutions as the DeepLab family writes them: each one with its normalisation and its activation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcv.cnn import build_norm_layer
from torch import nn

BATCH_NORM: Mapping[str, Any] = {"type": "BN"}


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    norm_cfg: Mapping[str, Any] = BATCH_NORM,
    activation: bool = True,
) -> nn.Sequential:
    """Make a convolution without bias, a normalisation and, if asked for, a ReLU.

    Padding is the same on all sides, ``dilation * (kernel_size - 1) / 2``: a side of ``k * stride + 1``
    pixels becomes ``k + 1``, and the corners of the two grids fall on each other.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd.
        stride: Between outputs.
        dilation: Between taps.
        groups: As of :class:`torch.nn.Conv2d`.
        norm_cfg: As MMDetection's.
        activation: End with a ReLU.

    Returns:
        Modules ``conv``, ``norm`` and ``relu``.
    """
    padding = dilation * (kernel_size - 1) // 2
    layers = nn.Sequential()
    layers.add_module(
        "conv",
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
    )
    layers.add_module("norm", build_norm_layer(dict(norm_cfg), out_channels)[1])
    if activation:
        layers.add_module("relu", nn.ReLU(inplace=True))
    return layers


def separable_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    norm_cfg: Mapping[str, Any] = BATCH_NORM,
    activation: bool = True,
) -> nn.Sequential:
    """Make a depthwise-separable convolution: each channel by itself, then all of a pixel.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Of the depthwise convolution; odd.
        stride: Of the depthwise convolution.
        dilation: Of the depthwise convolution.
        norm_cfg: As MMDetection's, for both.
        activation: A ReLU after both; none at all else.

    Returns:
        Modules ``depthwise`` and ``pointwise``, each as :func:`conv_norm` makes them.
    """
    layers = nn.Sequential()
    layers.add_module(
        "depthwise",
        conv_norm(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=in_channels,
            norm_cfg=norm_cfg,
            activation=activation,
        ),
    )
    layers.add_module(
        "pointwise", conv_norm(in_channels, out_channels, 1, norm_cfg=norm_cfg, activation=activation)
    )
    return layers
