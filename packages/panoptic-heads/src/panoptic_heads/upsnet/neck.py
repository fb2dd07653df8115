"""UPSNet's global context on COCO (Xiong et al., CVPR 2019, arXiv:1901.03784, section 4.1).

"We use a global average pooling over the feature map of the last layer in the 5-th stage of ResNet ('res5'),
reduce its dimension to 256 and add back to FPN before producing P5 feature map."
"""

from typing import Any

from mmcv.cnn import ConvModule
from mmdet.models import FPN
from torch import Tensor, nn

from panoptic_heads.registry import MODELS


class ContextLateral(ConvModule):
    """A pyramid's lateral 1x1 convolution plus the reduced global average of its input."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__(in_channels, out_channels, 1, **kwargs)
        self.context = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, feature: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return ``(N, out_channels, h, w)``."""
        lateral: Tensor = super().forward(feature, *args, **kwargs)
        return lateral + self.context(feature.mean(dim=(2, 3), keepdim=True))


@MODELS.register_module()
class GlobalContextFPN(FPN):
    """Feature pyramid whose coarsest lateral also sees the whole image.

    The context flows down to the finer levels as P5's lateral does. The average is over the padded map.
    Parameters keep the names that they have in MMDetection's FPN; ``lateral_convs.3.context`` is new.

    Args:
        in_channels: Channels of the backbone's stages, res5 last.
        out_channels: Channels of the pyramid: 256.
        num_outs: Number of levels.
        **kwargs: As MMDetection's FPN, which reads every stage.
    """

    def __init__(self, in_channels: list[int], out_channels: int, num_outs: int, **kwargs: Any) -> None:
        super().__init__(in_channels, out_channels, num_outs, **kwargs)
        if self.backbone_end_level != len(in_channels):
            msg = f"Expected the pyramid to end with res5, got end_level={self.end_level}. Leave it out."
            raise ValueError(msg)
        norm = None if self.no_norm_on_lateral else kwargs.get("norm_cfg")
        self.lateral_convs[-1] = ContextLateral(
            in_channels[-1],
            out_channels,
            conv_cfg=kwargs.get("conv_cfg"),
            norm_cfg=norm,
            act_cfg=kwargs.get("act_cfg"),
            inplace=False,
        )
