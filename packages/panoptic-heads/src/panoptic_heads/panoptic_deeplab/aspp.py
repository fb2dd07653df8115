"""Atrous spatial pyramid pooling (Chen et al., arXiv:1706.05587, section 3.3; separable: arXiv:1802.02611).

Written from the papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_core.backbones.atrous import set_atrous
from panoptic_core.backbones.layers import BATCH_NORM, conv_norm, separable_conv


class ImagePooling(nn.Module):
    """The branch of ASPP that sees the whole image, or a window as large as the training's crops.

    Args:
        in_channels: Channels of the feature map.
        out_channels: Channels of the result.
        window: Height and width, in cells of the map, of the window over which means are taken: at every
            place inside the map, stretched over the map. A network that learned from crops then reads in a
            larger image what it read in training. None: one mean of the whole map.
        norm_cfg: As MMDetection's.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        window: Sequence[int] | None = None,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
    ) -> None:
        super().__init__()
        self.window = None if window is None else (int(window[0]), int(window[1]))
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm = build_norm_layer(dict(norm_cfg), out_channels)[1]

    def forward(self, feature: Tensor) -> Tensor:
        """Return ``(N, out_channels, h, w)`` of a map ``(N, in_channels, h, w)``."""
        height, width = feature.shape[2:]
        if self.window is None or (self.window[0] >= height and self.window[1] >= width):
            pooled = feature.mean(dim=(2, 3), keepdim=True)
        else:
            window = (min(self.window[0], height), min(self.window[1], width))
            pooled = F.avg_pool2d(feature, window, stride=1)
        pooled = F.relu(self._normalise(self.conv(pooled)))
        return F.interpolate(pooled, size=(height, width), mode="bilinear", align_corners=True)

    def _normalise(self, pooled: Tensor) -> Tensor:
        values = pooled.shape[0] * pooled.shape[2] * pooled.shape[3]
        if self.training and values == 1 and type(self.norm) is nn.BatchNorm2d:
            # One image, one cell: a batch statistic of one number is that number, and PyTorch refuses it.
            norm = self.norm
            return F.batch_norm(
                pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
            )
        normalised: Tensor = self.norm(pooled)
        return normalised


class ASPP(nn.Module):
    """Five views of one feature map, side by side, and a 1x1 convolution that mixes them.

    A 1x1 convolution, one 3x3 convolution for each rate, and image pooling.

    Args:
        in_channels: Channels of the feature map.
        channels: Of each branch and of the result.
        rates: Distances between the taps of the 3x3 convolutions, for the map's stride: 6, 12, 18 at stride
            16, half of that at 32.
        test_rates: Others outside of training, for a backbone whose stride is smaller there. None: the same.
        separable: 3x3 convolutions are depthwise-separable (arXiv:1802.02611, section 3.1).
        image_pooling: With the branch of image pooling.
        pooling_window: See :class:`ImagePooling`.
        dropout: Share of the result that is dropped in training.
        norm_cfg: As MMDetection's.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        rates: Sequence[int] = (6, 12, 18),
        test_rates: Sequence[int] | None = None,
        separable: bool = True,
        image_pooling: bool = True,
        pooling_window: Sequence[int] | None = None,
        dropout: float = 0.1,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
    ) -> None:
        super().__init__()
        conv3x3 = separable_conv if separable else conv_norm
        self.rates = tuple(rates)
        self.test_rates = self.rates if test_rates is None else tuple(test_rates)
        if len(self.test_rates) != len(self.rates):
            msg = f"Expected `test_rates` to have as many entries as `rates`, got {test_rates} and {rates}."
            raise ValueError(msg)
        self.branches = nn.ModuleList(
            [
                conv_norm(in_channels, channels, 1, norm_cfg=norm_cfg),
                *(conv3x3(in_channels, channels, 3, dilation=rate, norm_cfg=norm_cfg) for rate in rates),
            ]
        )
        if image_pooling:
            self.branches.append(
                ImagePooling(in_channels, channels, window=pooling_window, norm_cfg=norm_cfg)
            )
        self.project = conv_norm(len(self.branches) * channels, channels, 1, norm_cfg=norm_cfg)
        self.dropout = nn.Dropout(dropout)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and testing, and the rates with it."""
        super().train(mode)
        for branch, rate in zip(self.branches[1:], self.rates if mode else self.test_rates, strict=False):
            for conv in branch.modules():
                if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3):
                    set_atrous(conv, dilation=rate)
        return self

    def forward(self, feature: Tensor) -> Tensor:
        """Return ``(N, channels, h, w)`` of a map ``(N, in_channels, h, w)``."""
        mixed: Tensor = self.project(torch.cat([branch(feature) for branch in self.branches], dim=1))
        return self.dropout(mixed)
