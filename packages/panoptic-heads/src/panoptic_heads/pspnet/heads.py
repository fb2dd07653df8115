"""PSPNet's two heads on a dilated backbone (Zhao et al., CVPR 2017, arXiv:1612.01105)."""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common import SemanticHead
from panoptic_heads.registry import MODELS


@MODELS.register_module()
class PyramidPoolingHead(SemanticHead):
    """The pyramid pooling module and its classifier (section 3.2, figure 3).

    The last feature map is averaged over grids of several sizes; each result is reduced, normalised and
    brought back to the map's size; all are stacked on the map, and a 3x3 convolution reads them.

    Args:
        in_channels: Of the backbone's last map.
        feat_channels: Of each reduced grid, and of the convolution that reads all.
        grids: Bins a side.
        dropout: Share of the channels that are dropped before the classifier in training.
        **kwargs: As in :class:`~panoptic_heads.common.semantic_heads.SemanticHead`.
    """

    def __init__(
        self,
        *,
        in_channels: int = 2048,
        feat_channels: int = 512,
        grids: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(grid), *_conv_norm_relu(in_channels, feat_channels, 1))
            for grid in grids
        )
        stacked = in_channels + len(grids) * feat_channels
        self.reduce = nn.Sequential(*_conv_norm_relu(stacked, feat_channels, 3), nn.Dropout2d(dropout))
        self.score = nn.Conv2d(feat_channels, self.num_channels, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` at the size of the last of ``features``."""
        feature = features[-1]
        size = (feature.shape[2], feature.shape[3])
        pooled = [
            F.interpolate(pool(feature), size=size, mode="bilinear", align_corners=False)
            for pool in self.pools
        ]
        logits: Tensor = self.score(self.reduce(torch.cat([feature, *pooled], dim=1)))
        return logits


@MODELS.register_module()
class AuxiliaryHead(SemanticHead):
    """A classifier on the map before the last one, in training only (section 3.3, figure 4).

    Args:
        in_channels: Of that map.
        feat_channels: Of its convolution.
        dropout: As in :class:`PyramidPoolingHead`.
        **kwargs: As in :class:`~panoptic_heads.common.semantic_heads.SemanticHead`.
    """

    def __init__(
        self, *, in_channels: int = 1024, feat_channels: int = 256, dropout: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.reduce = nn.Sequential(*_conv_norm_relu(in_channels, feat_channels, 3), nn.Dropout2d(dropout))
        self.score = nn.Conv2d(feat_channels, self.num_channels, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` at the size of the last but one of ``features``."""
        logits: Tensor = self.score(self.reduce(features[-2]))
        return logits

    def loss(self, logits: Tensor, samples: Sequence[DetDataSample]) -> dict[str, Tensor]:
        """Return ``loss_auxiliary`` of logits at the size of the batch, ``(N, C, H, W)``."""
        return {"loss_auxiliary": super().loss(logits, samples)["loss_semantic"]}


def _conv_norm_relu(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
