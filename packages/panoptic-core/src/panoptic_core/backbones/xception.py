"""Xception-65 and -71 as DeepLab modifies them: aligned, all strides in separable convolutions.

Chollet, CVPR 2017 (arXiv:1610.02357); Qi et al., COCO challenge 2017; Chen et al., ECCV 2018
(arXiv:1802.02611, figure 4). Written from the papers. Which maps a decoder reads, and the entry flow of
Xception-71, which no paper prints, are those of the public TensorFlow code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_core.backbones.atrous import AtrousBackbone, plan_strides, set_atrous
from panoptic_core.backbones.layers import BATCH_NORM, conv_norm, separable_conv
from panoptic_core.registry import MODELS

_MIDDLE_UNITS = 16
_STEM_STRIDE = 2
_INIT = (
    {"type": "Kaiming", "layer": "Conv2d"},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


class _Block(NamedTuple):
    channels: tuple[int, int, int]
    stride: int
    shortcut: Literal["conv", "identity", "none"] = "conv"


_ENTRY_FLOWS = {
    65: (_Block((128,) * 3, 2), _Block((256,) * 3, 2), _Block((728,) * 3, 2)),
    71: (
        _Block((128,) * 3, 2),
        _Block((256,) * 3, 1),
        _Block((256,) * 3, 2),
        _Block((728,) * 3, 1),
        _Block((728,) * 3, 2),
    ),
}
_MIDDLE_FLOW = (_Block((728,) * 3, 1, "identity"),) * _MIDDLE_UNITS
_EXIT_FLOW = (_Block((728, 1024, 1024), 2), _Block((1536, 1536, 2048), 1, "none"))


class XceptionModule(nn.Module):
    """Three separable 3x3 convolutions beside a shortcut; a stride is in the third.

    Args:
        in_channels: Channels of the input.
        channels: Of each convolution.
        stride: Of the third convolution.
        shortcut: A 1x1 convolution, the input itself, or none at all.
        inner_activations: ReLUs follow each convolution's two halves (the network's last module); else one
            stands before each convolution.
        norm_cfg: As MMDetection's.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        *,
        stride: int = 1,
        shortcut: Literal["conv", "identity", "none"] = "conv",
        inner_activations: bool = False,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
    ) -> None:
        super().__init__()
        self.inner_activations = inner_activations
        self.shortcut: nn.Module | None = None
        if shortcut == "conv":
            self.shortcut = conv_norm(
                in_channels, channels[-1], 1, stride=stride, norm_cfg=norm_cfg, activation=False
            )
        elif shortcut == "identity":
            self.shortcut = nn.Identity()
        inputs = (in_channels, *channels[:-1])
        self.convs = nn.ModuleList(
            separable_conv(before, after, 3, norm_cfg=norm_cfg, activation=inner_activations)
            for before, after in zip(inputs, channels, strict=True)
        )
        self.set_atrous(stride=stride)

    def set_atrous(self, *, stride: int, dilation: int = 1, grid: Sequence[int] = (1, 1, 1)) -> None:
        """Change stride and dilation in place; ``grid`` multiplies the dilation of each convolution."""
        for i, (conv, factor) in enumerate(zip(self.convs, grid, strict=True)):
            own_stride = stride if i == len(self.convs) - 1 else 1
            depthwise = conv.get_submodule("depthwise.conv")
            set_atrous(_conv(depthwise), stride=own_stride, dilation=dilation * factor)
        if isinstance(self.shortcut, nn.Sequential):
            set_atrous(_conv(self.shortcut.get_submodule("conv")), stride=stride)

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result, and what the second convolution says: the last map before the stride."""
        maps = []
        residual = x
        for conv in self.convs:
            residual = conv(residual if self.inner_activations else F.relu(residual))
            maps.append(residual)
        if self.shortcut is not None:
            residual = residual + self.shortcut(x)
        return residual, maps[-2]

    def forward(self, x: Tensor) -> Tensor:
        """Return the result."""
        return self.run(x)[0]


@MODELS.register_module()
class Xception(AtrousBackbone, BaseModule):
    """DeepLab's Xception; returns maps of stride 4 (256 channels), 8 (728) and the output stride (2048).

    The first two are taken inside of modules, where the second separable convolution ends: they have not been
    through a ReLU.

    Args:
        depth: 65 or 71.
        output_stride: 8, 16 or 32, by atrous convolution.
        test_output_stride: Another one outside of training: 8 is "atrous convolution in the last two blocks
            with rate 2 and 4" (section 4.2 of Panoptic-DeepLab). None: the same.
        multi_grid: Multiplies the dilations of the last module's three convolutions.
        norm_cfg: As MMDetection's.
        init_cfg: As MMEngine's.
    """

    out_channels = (256, 728, 2048)

    def __init__(
        self,
        depth: Literal[65, 71] = 71,
        *,
        output_stride: int = 16,
        test_output_stride: int | None = None,
        multi_grid: Sequence[int] = (1, 1, 1),
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        init_cfg: Any = _INIT,
    ) -> None:
        super().__init__(init_cfg=list(init_cfg) if init_cfg is _INIT else init_cfg)
        if depth not in _ENTRY_FLOWS:
            msg = f"Expected `depth` of an Xception to be one of {sorted(_ENTRY_FLOWS)}, got {depth}."
            raise ValueError(msg)
        self.multi_grid = tuple(multi_grid)
        self.stem = nn.Sequential(
            conv_norm(3, 32, 3, stride=_STEM_STRIDE, norm_cfg=norm_cfg),
            conv_norm(32, 64, 3, norm_cfg=norm_cfg),
        )
        entry = _ENTRY_FLOWS[depth]
        blocks = (*entry, *_MIDDLE_FLOW, *_EXIT_FLOW)
        self._strides = [block.stride for block in blocks]
        # The decoders read from the modules whose strides lead from 4 to 8 and from 8 to 16.
        self._skips = [i for i, block in enumerate(entry) if block.stride > 1][1:]
        self.blocks = nn.ModuleList()
        channels = 64
        for block in blocks:
            last = block is blocks[-1]
            module = XceptionModule(
                channels,
                block.channels,
                stride=block.stride,
                shortcut=block.shortcut,
                inner_activations=last,
                norm_cfg=norm_cfg,
            )
            self.blocks.append(module)
            channels = block.channels[-1]
        self.init_output_stride(output_stride, test_output_stride)

    @property
    def out_strides(self) -> tuple[int, int, int]:
        """Pixels of the image between two cells of each map, as the network is set now."""
        return (4, 8, self._current_stride)

    def apply_output_stride(self, output_stride: int) -> None:
        """Give the convolutions their strides and dilations."""
        plan = list(plan_strides(self._strides, start=_STEM_STRIDE, output_stride=output_stride))
        for i, (module, (stride, dilation)) in enumerate(zip(self.blocks, plan, strict=True)):
            assert isinstance(module, XceptionModule)
            grid = self.multi_grid if i == len(plan) - 1 else (1, 1, 1)
            module.set_atrous(stride=stride, dilation=dilation, grid=grid)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return three maps of images ``(N, 3, H, W)``."""
        x = self.stem(x)
        skips = []
        for i, module in enumerate(self.blocks):
            assert isinstance(module, XceptionModule)
            x, before = module.run(x)
            if i in self._skips:
                skips.append(before)
        return (*skips, x)


def _conv(module: nn.Module) -> nn.Conv2d:
    assert isinstance(module, nn.Conv2d)
    return module
