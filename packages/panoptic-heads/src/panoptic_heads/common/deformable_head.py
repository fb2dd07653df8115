"""The deformable semantic head of UPSNet (Xiong et al., CVPR 2019, arXiv:1901.03784, section 3.1).

Written from the paper; widths and initial values, which it does not print, are those of its public code. The
dense-affinity network has the same branch with group normalisation, and a second copy of it for features.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.ops import DeformConv2d
from mmengine.model import constant_init, kaiming_init, normal_init
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common.semantic_heads import SemanticHead
from panoptic_heads.registry import MODELS

_TAPS = 9  # of a 3x3 kernel


class DeformableLayer(nn.Module):
    """A 3x3 deformable convolution (v1) that predicts its own offsets, a normalisation if asked for, ReLU.

    The offsets begin as zeros: at first this is a plain convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        num_groups: Groups of the normalisation; None: there is none, and the convolution has a bias.
    """

    def __init__(self, in_channels: int, out_channels: int, num_groups: int | None = None) -> None:
        super().__init__()
        self.offset = nn.Conv2d(in_channels, 2 * _TAPS, 3, padding=1)
        self.conv = DeformConv2d(in_channels, out_channels, 3, padding=1)
        # mmcv's deformable convolution has no bias of its own.
        self.bias = nn.Parameter(torch.zeros(out_channels)) if num_groups is None else None
        self.norm = None if num_groups is None else nn.GroupNorm(num_groups, out_channels)
        self.init_weights()

    def init_weights(self) -> None:
        """Start as a plain convolution."""
        kaiming_init(self.conv)
        constant_init(self.offset, 0)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, feature: Tensor) -> Tensor:
        """Return ``(N, out_channels, h, w)``."""
        out: Tensor = self.conv(feature, self.offset(feature))
        if self.norm is not None:
            out = self.norm(out)
        elif self.bias is not None:
            out = out + self.bias[:, None, None]
        return F.relu(out)


class DeformableBranch(nn.Module):
    """Deformable convolutions that all levels of a pyramid share, and one 1x1 convolution on top.

    The levels' results are resized to the finest one and stacked (figure 2). The last convolution and the
    resizing are both linear and act on different axes: here each level is scored first, and the stacked map,
    512 channels at a quarter of the image's side, never exists.

    Args:
        out_channels: Channels of the result.
        in_channels: Channels of the pyramid.
        feat_channels: Channels of the last two convolutions; those before keep `in_channels`.
        num_levels: The first levels of the pyramid are used: P2-P5.
        num_convs: Deformable convolutions.
        num_groups: Groups of a group normalisation after each of them; None: there is none.
    """

    def __init__(
        self,
        out_channels: int,
        *,
        in_channels: int = 256,
        feat_channels: int = 128,
        num_levels: int = 4,
        num_convs: int = 2,
        num_groups: int | None = None,
    ) -> None:
        super().__init__()
        if num_convs < 1:
            msg = f"Expected `num_convs` to be 1 or more, got {num_convs}."
            raise ValueError(msg)
        widths = [in_channels] * max(num_convs - 1, 1) + [feat_channels] * min(num_convs, 2)
        self.num_levels = num_levels
        self.layers = nn.Sequential(
            *(DeformableLayer(width, following, num_groups) for width, following in pairwise(widths))
        )
        self.score = nn.Conv2d(feat_channels * num_levels, out_channels, 1)
        self.init_weights()

    def init_weights(self) -> None:
        """Set the values that training begins with; MMEngine calls it after any ``init_cfg`` above."""
        for layer in self.modules():
            if isinstance(layer, DeformableLayer):
                layer.init_weights()
        normal_init(self.score, std=0.01)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return ``(N, out_channels, h, w)`` at the size of ``features[0]``; further levels are not read."""
        size = (features[0].shape[2], features[0].shape[3])
        weights = self.score.weight.chunk(self.num_levels, dim=1)  # (out, feat_channels, 1, 1) each
        total = None
        for weight, feature in zip(weights, features, strict=False):
            bias = self.score.bias if total is None else None
            scores = F.conv2d(self.layers(feature), weight, bias)
            scores = F.interpolate(scores, size=size, mode="bilinear", align_corners=False)
            total = scores if total is None else total + scores
        assert total is not None
        return total


@MODELS.register_module()
class DeformableSemanticHead(SemanticHead):
    """UPSNet's semantic head: a :class:`DeformableBranch` that scores all classes.

    Args:
        in_channels: As in :class:`DeformableBranch`, like the next four.
        feat_channels: 128 in UPSNet.
        num_levels: P2-P5.
        num_convs: 3 on COCO, 2 on Cityscapes (section 4.2).
        num_groups: None in UPSNet.
        **kwargs: As in :class:`~panoptic_heads.common.semantic_heads.SemanticHead`.
    """

    def __init__(
        self,
        *,
        in_channels: int = 256,
        feat_channels: int = 128,
        num_levels: int = 4,
        num_convs: int = 2,
        num_groups: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"init_cfg": None, **kwargs})  # the branch sets its own values
        self.branch = DeformableBranch(
            self.num_channels,
            in_channels=in_channels,
            feat_channels=feat_channels,
            num_levels=num_levels,
            num_convs=num_convs,
            num_groups=num_groups,
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` at the size of ``features[0]``."""
        logits: Tensor = self.branch(features)
        return logits
