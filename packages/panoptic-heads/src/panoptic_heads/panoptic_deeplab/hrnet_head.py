"""HRNet's own head with the three outputs of Panoptic-DeepLab (figure 5 of arXiv:1911.10194)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_core.backbones.layers import BATCH_NORM, conv_norm
from panoptic_heads.panoptic_deeplab.predictions import Predictions
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs
from panoptic_heads.registry import MODELS


@MODELS.register_module()
class PanopticHRNetHead(Predictions):
    """HRNet's own head (arXiv:1908.07919; figure 5 of the paper) in place of contexts and decoders.

    All maps are brought to the finest one's grid and stacked; a 1x1 convolution mixes them. The class scores
    and the instance predictions read the same mixture. ``HRNet-W48`` of table 5.

    Args:
        num_things_classes: Thing classes, labels [0, T).
        num_stuff_classes: Stuff classes, labels [T, T + S).
        in_channels: Of the backbone's maps, finest first.
        channels: Of the mixture; None: of all maps together, as in the public code.
        semantic_channels: Of a 5x5 separable convolution before the class scores; None: there is none, as in
            the public code.
        instance_channels: The same before the heat map and the offsets, as in
            :class:`~panoptic_heads.panoptic_deeplab.heads.PanopticDeepLabHead`.
        semantic_only: Predict no instances.
        head_kernel: Side of these convolutions.
        align_corners: The corners of a coarse and a fine grid fall on each other.
        heatmap_activation: As in :class:`~panoptic_heads.panoptic_deeplab.heads.PanopticDeepLabHead`.
        norm_cfg: As MMDetection's.
        init_cfg: As MMEngine's.
    """

    def __init__(
        self,
        num_things_classes: int,
        num_stuff_classes: int,
        *,
        in_channels: Sequence[int] = (48, 96, 192, 384),
        channels: int | None = None,
        semantic_channels: int | None = None,
        instance_channels: int | None = 32,
        semantic_only: bool = False,
        head_kernel: int = 5,
        align_corners: bool = True,
        heatmap_activation: Literal["none", "sigmoid"] = "none",
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(num_things_classes, num_stuff_classes, heatmap_activation, init_cfg)
        self.align_corners = align_corners
        stacked = sum(in_channels)
        mixed = channels or stacked
        self.mix = conv_norm(stacked, mixed, 1, norm_cfg=norm_cfg)
        instance = None if semantic_only else (mixed, instance_channels)
        self._make_heads((mixed, semantic_channels), instance, head_kernel, norm_cfg)

    def forward(self, features: Sequence[Tensor]) -> DeepLabOutputs:
        """Return the three outputs of the backbone's maps ``(N, C, h, w)``, finest first."""
        size = (features[0].shape[2], features[0].shape[3])
        resized = [
            F.interpolate(feature, size=size, mode="bilinear", align_corners=self.align_corners)
            for feature in features[1:]
        ]
        mixed = self.mix(torch.cat([features[0], *resized], dim=1))
        return self._predict(mixed, mixed)
