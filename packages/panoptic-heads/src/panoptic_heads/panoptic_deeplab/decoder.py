"""The decoder of Panoptic-DeepLab (section 3.1), and DeepLabV3+'s as a case of it.

Written from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_core.backbones.layers import BATCH_NORM, conv_norm, separable_conv


class Decoder(nn.Module):
    """Bring a coarse map back to finer grids, one backbone level after the other.

    At each step the map is resized to the level's grid, the level is projected to a few channels by a 1x1
    convolution, both are stacked, and depthwise-separable convolutions mix them. Panoptic-DeepLab: levels of
    stride 8 and 4, one 5x5 convolution each. DeepLabV3+ (arXiv:1802.02611): the level of stride 4 alone,
    projected to 48 channels, and two 3x3 convolutions.

    Args:
        in_channels: Of the coarse map.
        skip_channels: Of the backbone's levels, coarsest first.
        projections: What each level is projected to, coarsest first.
        channels: Of the result.
        kernel_size: Of the convolutions.
        num_convs: How many at each step.
        align_corners: The corners of a coarse and a fine grid fall on each other, as those of sides of
            ``k * stride + 1`` pixels do (section 4: crops of 1025 x 2049).
        norm_cfg: As MMDetection's.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        skip_channels: Sequence[int],
        projections: Sequence[int],
        channels: int,
        kernel_size: int = 5,
        num_convs: int = 1,
        align_corners: bool = True,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        if len(projections) != len(skip_channels):
            msg = (
                f"Expected `projections` to have one entry for each of the {len(skip_channels)} levels, "
                f"coarsest first, got {tuple(projections)}."
            )
            raise ValueError(msg)
        self.projections = nn.ModuleList(
            conv_norm(skip, width, 1, norm_cfg=norm_cfg)
            for skip, width in zip(skip_channels, projections, strict=True)
        )
        self.fusions = nn.ModuleList()
        for width in projections:
            inputs = [in_channels + width] + [channels] * (num_convs - 1)
            self.fusions.append(
                nn.Sequential(*(separable_conv(i, channels, kernel_size, norm_cfg=norm_cfg) for i in inputs))
            )
            in_channels = channels

    def forward(self, feature: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Return ``(N, channels, h, w)`` on the grid of the last of ``skips``.

        Args:
            feature: ``(N, in_channels, h', w')``.
            skips: The backbone's levels, coarsest first, ``(N, C, h, w)`` each.
        """
        for skip, projection, fusion in zip(skips, self.projections, self.fusions, strict=True):
            size = (skip.shape[2], skip.shape[3])
            resized = F.interpolate(feature, size=size, mode="bilinear", align_corners=self.align_corners)
            feature = fusion(torch.cat([resized, projection(skip)], dim=1))
        return feature
