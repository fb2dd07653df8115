"""OANet's stuff branch (Liu et al., arXiv:1903.05027, section 3.1 and figure 3)."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from panoptic_heads.common.semantic_heads import SemanticHead, conv_norm_relu, resize_to
from panoptic_heads.registry import MODELS

Supervision = Literal["all", "stuff"]


@MODELS.register_module()
class StuffBranch(SemanticHead):
    """Two 3x3 convolutions on each level, the levels stacked, a 3x3 and a 1x1 convolution.

    The paper prints neither channels nor normalisation: 128, and group normalisation after each 3x3
    convolution, are ours.

    Args:
        in_channels: Channels of the pyramid.
        feat_channels: Channels of the 3x3 convolutions.
        num_levels: The first levels of the pyramid are used: P2-P5.
        num_convs: Convolutions at each level.
        num_groups: Groups of the normalisation.
        supervise: ``'all'`` classes, things as context of stuff; ``'stuff'`` alone, where things are holes
            (Table 2).
        **kwargs: As in :class:`~panoptic_heads.common.semantic_heads.SemanticHead`, without collapsed things.

    Raises:
        ValueError: If `supervise` is neither, or things are collapsed.
    """

    def __init__(
        self,
        *,
        in_channels: int = 256,
        feat_channels: int = 128,
        num_levels: int = 4,
        num_convs: int = 2,
        num_groups: int = 32,
        supervise: Supervision = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if supervise not in get_args(Supervision):
            msg = f"Expected `supervise` to be one of {list(get_args(Supervision))}, got {supervise!r}."
            raise ValueError(msg)
        if self.collapse_things:
            msg = "Expected `collapse_things` to be False, got True. For stuff alone use supervise='stuff'."
            raise ValueError(msg)
        self.supervise = supervise
        self.levels = nn.ModuleList(
            nn.Sequential(
                *(
                    conv_norm_relu(in_channels if i == 0 else feat_channels, feat_channels, num_groups)
                    for i in range(num_convs)
                )
            )
            for _ in range(num_levels)
        )
        self.join = conv_norm_relu(feat_channels * num_levels, feat_channels, num_groups)
        self.score = nn.Conv2d(feat_channels, self.num_channels, 1)

    @property
    def num_thing_channels(self) -> int:
        """The first channels, which are things; none if stuff alone is supervised."""
        return super().num_thing_channels if self.supervise == "all" else 0

    def targets(self, samples: Sequence[DetDataSample], size: tuple[int, int]) -> Tensor:
        """Return the channel that each pixel should have, ``(N, H, W)`` int64; see the base class."""
        target = super().targets(samples, size)
        if self.supervise == "all":
            return target
        is_stuff = (target != self.ignore_index) & (target >= self.num_things_classes)
        return torch.where(is_stuff, target - self.num_things_classes, self.ignore_index)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` at the size of ``features[0]``; further levels are not looked at."""
        size = features[0].shape[2:]
        stacked = [
            resize_to(level(feature), size) for level, feature in zip(self.levels, features, strict=False)
        ]
        logits: Tensor = self.score(self.join(torch.cat(stacked, dim=1)))
        return logits
