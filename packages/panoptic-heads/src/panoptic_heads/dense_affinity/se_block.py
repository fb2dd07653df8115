"""The squeeze-and-excitation on the top ResNet feature (Li et al., CVPR 2020, arXiv:2001.04982, section 3.1).

"We carry out a squeeze-and-excitation operation on the top-level ResNet feature before producing the first
FPN feature." The operation is that of Hu et al., CVPR 2018, arXiv:1709.01507.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.models import FPN
from mmdet.models.layers import SELayer
from torch import Tensor

from panoptic_heads.registry import MODELS


@MODELS.register_module()
class SqueezeExcitationFPN(FPN):
    """Feature pyramid that weighs the channels of the backbone's last stage before it reads it.

    The squeeze is the mean over the padded map: a pyramid does not know where the padding begins. Parameters
    keep the names that they have in MMDetection's FPN; ``squeeze`` is new. At first each channel is halved.

    Args:
        in_channels: Channels of the backbone's stages, res5 last.
        out_channels: Channels of the pyramid.
        num_outs: Number of levels.
        reduction: Channels of res5 over those of the bottleneck; not printed, 16 is the default of
            arXiv:1709.01507 (section 6.4).
        **kwargs: As MMDetection's FPN, which reads every stage.

    Raises:
        ValueError: If the pyramid does not end with res5, or the bottleneck has no channel.
    """

    def __init__(
        self, in_channels: list[int], out_channels: int, num_outs: int, *, reduction: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(in_channels, out_channels, num_outs, **kwargs)
        if self.backbone_end_level != len(in_channels):
            msg = f"Expected the pyramid to end with res5, got end_level={self.end_level}. Leave it out."
            raise ValueError(msg)
        if not 1 <= reduction <= in_channels[-1]:
            msg = f"Expected `reduction` to be in [1, {in_channels[-1]}], res5's channels, got {reduction}."
            raise ValueError(msg)
        self.squeeze = SELayer(in_channels[-1], ratio=reduction)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return ``num_outs`` levels ``(N, out_channels, h, w)``, finest first."""
        levels: tuple[Tensor, ...] = super().forward([*inputs[:-1], self.squeeze(inputs[-1])])
        return levels
