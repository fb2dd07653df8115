"""MobileNetV3-Large for dense prediction (Howard et al., ICCV 2019, arXiv:1905.02244, table 1, section 6.4).

Written from the paper. Names are torchvision's: its weights load where the shapes agree, which is everywhere
but in the halved tail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from panoptic_core.backbones.atrous import AtrousBackbone, plan_strides, set_atrous
from panoptic_core.backbones.layers import BATCH_NORM
from panoptic_core.registry import MODELS

_STEM_CHANNELS = 16
_STEM_STRIDE = 2
_SQUEEZE = 4
_DIVISOR = 8
_INIT = (
    {"type": "Kaiming", "layer": "Conv2d"},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


class _Bottleneck(NamedTuple):
    """A row of table 1."""

    kernel_size: int
    expanded: int
    out_channels: int
    squeeze: bool
    activation: type[nn.Module]
    stride: int


_RE, _HS = nn.ReLU, nn.Hardswish
_LARGE = (
    _Bottleneck(3, 16, 16, False, _RE, 1),
    _Bottleneck(3, 64, 24, False, _RE, 2),
    _Bottleneck(3, 72, 24, False, _RE, 1),
    _Bottleneck(5, 72, 40, True, _RE, 2),
    _Bottleneck(5, 120, 40, True, _RE, 1),
    _Bottleneck(5, 120, 40, True, _RE, 1),
    _Bottleneck(3, 240, 80, False, _HS, 2),
    _Bottleneck(3, 200, 80, False, _HS, 1),
    _Bottleneck(3, 184, 80, False, _HS, 1),
    _Bottleneck(3, 184, 80, False, _HS, 1),
    _Bottleneck(3, 480, 112, True, _HS, 1),
    _Bottleneck(3, 672, 112, True, _HS, 1),
)
_LAST_WIDTH, _LAST_EXPANSION = 160, 6


class _ConvNorm(nn.Sequential):
    """Convolution, normalisation, activation, under torchvision's names ``0``, ``1``, ``2``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        norm_cfg: Mapping[str, Any],
        activation: type[nn.Module] | None,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=False)
        set_atrous(conv, stride=stride)
        super().__init__(conv, build_norm_layer(dict(norm_cfg), out_channels)[1])
        if activation is not None:
            self.append(activation(inplace=True))


class _SqueezeExcitation(nn.Module):
    """Weigh channels by what the whole map says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _round_channels(channels / _SQUEEZE)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = nn.functional.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))
        return x * nn.functional.hardsigmoid(self.fc2(scale))


class _InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, row: _Bottleneck, norm_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.adds = row.stride == 1 and in_channels == row.out_channels
        self.block = nn.Sequential()
        if row.expanded != in_channels:
            self.block.append(_ConvNorm(in_channels, row.expanded, 1, norm_cfg, row.activation))
        self._depthwise = len(self.block)
        depthwise = _ConvNorm(
            row.expanded,
            row.expanded,
            row.kernel_size,
            norm_cfg,
            row.activation,
            stride=row.stride,
            groups=row.expanded,
        )
        self.block.append(depthwise)
        if row.squeeze:
            self.block.append(_SqueezeExcitation(row.expanded))
        self.block.append(_ConvNorm(row.expanded, row.out_channels, 1, norm_cfg, None))

    def set_atrous(self, *, stride: int, dilation: int) -> None:
        """Change stride and dilation in place."""
        conv = self.block.get_submodule(f"{self._depthwise}.0")
        assert isinstance(conv, nn.Conv2d)
        set_atrous(conv, stride=stride, dilation=dilation)

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result, and what the depthwise convolution says."""
        inside = out = x
        for i, layer in enumerate(self.block):
            out = layer(out)
            if i == self._depthwise:
                inside = out
        return (x + out if self.adds else out), inside

    def forward(self, x: Tensor) -> Tensor:
        """Return the result."""
        return self.run(x)[0]


@MODELS.register_module()
class MobileNetV3Large(AtrousBackbone, BaseModule):
    """MobileNetV3-Large without pooling and classifier; maps of stride 4, 8, 16 and the output stride.

    The first three are the depthwise convolutions' results in the last blocks of their stride, as the public
    TensorFlow code takes them.

    Args:
        output_stride: 8, 16 or 32, by atrous convolution.
        test_output_stride: Another one outside of training. None: the same.
        reduced_tail: The last block, behind the last stride, has half its channels (the paper's table 9).
        norm_cfg: As MMDetection's.
        init_cfg: As MMEngine's.
    """

    def __init__(
        self,
        *,
        output_stride: int = 16,
        test_output_stride: int | None = None,
        reduced_tail: bool = True,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        init_cfg: Any = _INIT,
    ) -> None:
        super().__init__(init_cfg=list(init_cfg) if init_cfg is _INIT else init_cfg)
        width = _LAST_WIDTH // 2 if reduced_tail else _LAST_WIDTH
        tail = (
            _Bottleneck(5, _LARGE[-1].expanded, width, True, _HS, 2),
            _Bottleneck(5, _LAST_EXPANSION * width, width, True, _HS, 1),
            _Bottleneck(5, _LAST_EXPANSION * width, width, True, _HS, 1),
        )
        rows = (*_LARGE, *tail)
        self.features = nn.Sequential(_ConvNorm(3, _STEM_CHANNELS, 3, norm_cfg, _HS, stride=_STEM_STRIDE))
        channels = _STEM_CHANNELS
        for row in rows:
            self.features.append(_InvertedResidual(channels, row, norm_cfg))
            channels = row.out_channels
        self.features.append(_ConvNorm(channels, _LAST_EXPANSION * width, 1, norm_cfg, _HS))
        self._strides = [row.stride for row in rows]
        # Skipped maps come from the blocks before a stride, the first of which leads from 2 to 4.
        self._skips = [i for i, stride in enumerate(self._strides[1:]) if stride > 1][1:]
        self.out_channels = (*(rows[i].expanded for i in self._skips), _LAST_EXPANSION * width)
        self.init_output_stride(output_stride, test_output_stride)

    @property
    def out_strides(self) -> tuple[int, ...]:
        """Pixels of the image between two cells of each map, as the network is set now."""
        return tuple(min(stride, self._current_stride) for stride in (4, 8, 16, 32))

    def apply_output_stride(self, output_stride: int) -> None:
        """Give the convolutions their strides and dilations."""
        plan = plan_strides(self._strides, start=_STEM_STRIDE, output_stride=output_stride)
        for i, (stride, dilation) in enumerate(plan):
            block = self.features[i + 1]
            assert isinstance(block, _InvertedResidual)
            block.set_atrous(stride=stride, dilation=dilation)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return four maps of images ``(N, 3, H, W)``."""
        first, *blocks, last = self.features
        x = first(x)
        skips = []
        for i, block in enumerate(blocks):
            assert isinstance(block, _InvertedResidual)
            x, inside = block.run(x)
            if i in self._skips:
                skips.append(inside)
        return (*skips, last(x))


def _round_channels(channels: float) -> int:
    """Round to a multiple of 8, and not down by more than a tenth."""
    rounded = max(_DIVISOR, int(channels + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < 0.9 * channels else rounded
