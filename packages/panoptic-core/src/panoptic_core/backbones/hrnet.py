"""HRNet-W48, and what Panoptic-DeepLab makes of it: W48+, Wider+ and their atrous forms (appendix A).

Sun et al., CVPR 2019; Wang et al., arXiv:1908.07919; Cheng et al., arXiv:1911.10194, section 4.3 and
figure 6. The trunk is MMDetection's. Written from the papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

from mmcv.cnn import build_norm_layer
from mmdet.models.backbones.hrnet import HRNet
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_core.backbones.atrous import set_atrous
from panoptic_core.backbones.layers import BATCH_NORM
from panoptic_core.backbones.xception import XceptionModule
from panoptic_core.registry import MODELS

_STAGE_MODULES = (1, 1, 4, 3)  # arXiv:1908.07919, section 3
_BLOCKS = 4
_HEAD_WIDTHS = (32, 64, 128, 256)  # bottlenecks of the ImageNet head (figure 6a): four times that comes out
_HEAD_CHANNELS = 2048
_BRANCHES = 4


class _XceptionBlock(XceptionModule):
    """An Xception module under the signature of MMDetection's residual blocks."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        *,
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        **_: Any,
    ) -> None:
        shortcut: Literal["conv", "identity"] = "identity" if stride == 1 and inplanes == planes else "conv"
        super().__init__(inplanes, (planes,) * 3, stride=stride, shortcut=shortcut, norm_cfg=norm_cfg)


@MODELS.register_module()
class DeepLabHRNet(HRNet):
    """HRNet for images of any size, with or without the head of its ImageNet training.

    Without the head it returns the trunk's four maps, strides 4, 8, 16 and 32 (HRNet-W48). With it ("+") it
    returns the head's maps of stride 4, 8 and 16 (128, 256 and 512 channels), and its last one (2048), as it
    is before pooling and classifier. Names are those of HRNet's public code:
    ``open-mmlab://msra/hrnetv2_w48`` loads into the trunk, its image-classification weights into both.

    Args:
        channels: Of the four resolutions.
        block: "basic": residual blocks of two 3x3 convolutions. "xception": Xception modules, and separable
            3x3 convolutions between the resolutions (Wider+).
        head: Keep the ImageNet head ("+").
        atrous: The coarsest resolution has stride 16 instead of 32, and its 3x3 convolutions a dilation of 2.
        resize: How a coarse map comes to a finer grid. "bilinear", corners on corners, is the public code's
            way for labelling pixels, "nearest" its way for ImageNet.
        norm_cfg: As MMDetection's.
        norm_eval: As MMDetection's; batch normalisation is trained by default.
        with_cp: Save memory in training and compute twice.
        init_cfg: As MMEngine's.
    """

    blocks_dict: ClassVar[dict[str, Any]] = {
        "BASIC": BasicBlock,
        "BOTTLENECK": Bottleneck,
        "XCEPTION": _XceptionBlock,
    }

    def __init__(
        self,
        *,
        channels: Sequence[int] = (48, 96, 192, 384),
        block: Literal["basic", "xception"] = "basic",
        head: bool = False,
        atrous: bool = False,
        resize: Literal["bilinear", "nearest"] = "bilinear",
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: Any = None,
    ) -> None:
        for name, value, choices in (
            ("block", block, ("basic", "xception")),
            ("resize", resize, ("bilinear", "nearest")),
        ):
            if value not in choices:
                msg = f"Expected `{name}` to be one of {choices}, got {value!r}."
                raise ValueError(msg)
        super().__init__(
            _stages(channels, block.upper()),
            norm_cfg=dict(norm_cfg),
            norm_eval=norm_eval,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )
        self.channels = tuple(channels)
        self.atrous = atrous
        self.resize = resize
        self.head = head
        if block == "xception":
            for stage in (self.transition1, self.transition2, self.transition3, *self._fuse_layers()):
                _separate(stage, norm_cfg)
        if head:
            self._make_head(norm_cfg)
        if atrous:
            self._remove_last_stride()

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Of the maps."""
        if not self.head:
            return self.channels
        return (*(Bottleneck.expansion * width for width in _HEAD_WIDTHS[:-1]), _HEAD_CHANNELS)

    @property
    def out_strides(self) -> tuple[int, ...]:
        """Pixels of the image between two cells of each map."""
        return (4, 8, 16, 16 if self.atrous else 32)

    def _fuse_layers(self) -> list[nn.Module]:
        stages = (self.stage2, self.stage3, self.stage4)
        return [module.fuse_layers for stage in stages for module in stage]

    def _make_head(self, norm_cfg: Mapping[str, Any]) -> None:
        """Make the ImageNet head: more channels for each resolution, then one after the other downwards."""
        self.incre_modules = nn.ModuleList(
            self._make_layer(Bottleneck, channels, width, 1)
            for channels, width in zip(self.channels, _HEAD_WIDTHS, strict=True)
        )
        widths = [Bottleneck.expansion * width for width in _HEAD_WIDTHS]
        self.downsamp_modules = nn.ModuleList(
            _conv_norm_relu(before, after, 3, 2, norm_cfg) for before, after in pairwise(widths)
        )
        self.final_layer = _conv_norm_relu(widths[-1], _HEAD_CHANNELS, 1, 1, norm_cfg)

    def _remove_last_stride(self) -> None:
        """Give the coarsest branch stride 16 and a dilation of 2, with the weights as they are."""
        strided = [self.transition3[-1]]
        dilated = []
        for module in self.stage4:
            strided += [layer[-1] for layer in module.fuse_layers[-1] if layer is not None]
            dilated.append(module.branches[-1])
        if self.head:
            strided.append(self.downsamp_modules[-1])
            dilated.append(self.incre_modules[-1])
        for part in strided:
            *_, last = (conv for conv in _convs_of(part) if conv.stride == (2, 2))
            set_atrous(last)
        for part in dilated:
            for conv in _convs_of(part):
                if conv.kernel_size == (3, 3):
                    set_atrous(conv, dilation=2)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and testing."""
        super().train(mode)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return four maps of images ``(N, 3, H, W)``."""
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        maps = [self.layer1(x)]
        stages = (self.stage2, self.stage3, self.stage4)
        transitions = (self.transition1, self.transition2, self.transition3)
        for transition, stage in zip(transitions, stages, strict=True):
            # A new branch starts from the coarsest map there is.
            sources = maps + [maps[-1]] * (len(transition) - len(maps))
            maps = [
                source if step is None else step(source)
                for step, source in zip(transition, sources, strict=True)
            ]
            for module in stage:
                maps = self._exchange(module, [b(m) for b, m in zip(module.branches, maps, strict=True)])
        return self._run_head(maps) if self.head else tuple(maps)

    def _run_head(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        out = self.incre_modules[0](maps[0])
        outs = [out]
        for i, down in enumerate(self.downsamp_modules, start=1):
            out = self.incre_modules[i](maps[i]) + down(out)
            outs.append(out)
        return (*outs[:-1], self.final_layer(outs[-1]))

    def _exchange(self, module: Any, maps: Sequence[Tensor]) -> list[Tensor]:
        """Add to each resolution what the others say, on grids of any size."""
        fused = []
        for i, (own, layers) in enumerate(zip(maps, module.fuse_layers, strict=True)):
            total = own
            for j, layer in enumerate(layers):
                if j < i:
                    total = total + layer(maps[j])
                elif j > i:
                    *convolve, _ = layer  # the last is a resizing by a power of two: no match for odd sides
                    coarse = maps[j]
                    for step in convolve:
                        coarse = step(coarse)
                    total = total + self._resize_to(own, coarse)
            fused.append(F.relu(total))
        return fused

    def _resize_to(self, target: Tensor, coarse: Tensor) -> Tensor:
        size = (target.shape[2], target.shape[3])
        if size == tuple(coarse.shape[2:]):
            return coarse
        if self.resize == "nearest":
            return F.interpolate(coarse, size=size, mode="nearest")
        return F.interpolate(coarse, size=size, mode="bilinear", align_corners=True)


def _stages(channels: Sequence[int], block: str) -> dict[str, Any]:
    """Return MMDetection's settings of the four stages."""
    if len(channels) != _BRANCHES:
        msg = f"Expected `channels` of an HRNet to have {_BRANCHES} entries, got {tuple(channels)}."
        raise ValueError(msg)
    stages = {}
    for i, modules in enumerate(_STAGE_MODULES):
        stages[f"stage{i + 1}"] = {
            "num_modules": modules,
            "num_branches": i + 1,
            "block": block if i else "BOTTLENECK",
            "num_blocks": (_BLOCKS,) * (i + 1),
            "num_channels": tuple(channels[: i + 1]) if i else (64,),
        }
    return stages


def _conv_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, norm_cfg: Mapping[str, Any]
) -> nn.Sequential:
    """Make a layer of the ImageNet head; its convolutions have biases, as the public weights do."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2),
        build_norm_layer(dict(norm_cfg), out_channels)[1],
        nn.ReLU(inplace=True),
    )


def _convs_of(module: nn.Module) -> list[nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def _separate(module: nn.Module, norm_cfg: Mapping[str, Any]) -> None:
    """Make the dense 3x3 convolutions inside a module separable, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and child.kernel_size == (3, 3) and child.groups == 1:
            depthwise = nn.Conv2d(
                child.in_channels,
                child.in_channels,
                3,
                child.stride[0],
                1,
                groups=child.in_channels,
                bias=False,
            )
            norm = build_norm_layer(dict(norm_cfg), child.in_channels)[1]
            pointwise = nn.Conv2d(child.in_channels, child.out_channels, 1, bias=False)
            setattr(module, name, nn.Sequential(depthwise, norm, pointwise))
        else:
            _separate(child, norm_cfg)
