"""ResNet-50 and -101 as DeepLab uses them: MMDetection's, with atrous convolution instead of late strides.

Two switches make the network of the public TensorFlow code ("beta"), which the papers of that lineage count:
a stem of three 3x3 convolutions, and strides in the last unit of a stage instead of the next one's first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mmdet.models.backbones.resnet import ResNet
from torch import Tensor, nn

from panoptic_core.backbones.atrous import AtrousBackbone, plan_strides, set_atrous
from panoptic_core.backbones.layers import BATCH_NORM
from panoptic_core.registry import MODELS

_STEM_STRIDE = 4
_STRIDES = (1, 2, 2, 2)
_STEM_CHANNELS = {"torchvision": 64, "beta": 128}


@MODELS.register_module()
class DeepLabResNet(AtrousBackbone, ResNet):
    """ResNet with an output stride of 8, 16 or 32; returns the last map of each of the four stages.

    Names are torchvision's: ``init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50")`` loads.

    Args:
        depth: 50 or 101 (152, 34 and 18 are there too).
        output_stride: 8, 16 or 32, by atrous convolution.
        test_output_stride: Another one outside of training: 8 is "atrous convolution in the last two blocks
            with rate 2 and 4" (section 4.2 of Panoptic-DeepLab). None: the same.
        stem: "torchvision": one 7x7 convolution of 64 channels. "beta": three 3x3 convolutions of 64, 64 and
            128 channels; no public weights fit this one.
        strided_unit: Where a stride is. "first": in the first unit of a stage, as torchvision's weights have
            it. "last": in the last unit of the stage before, whose map is then taken before that unit.
        multi_grid: Multiplies the dilations of the last stage's units (arXiv:1706.05587, section 3.1); the
            last factor is for all further units too. A unit whose stride is taken away keeps its taps, as in
            torchvision, so that the weights compute what they did.
        norm_cfg: As MMDetection's.
        **kwargs: As of MMDetection's ResNet. Batch normalisation is trained (``norm_eval=False``) and nothing
            is frozen by default (the paper, section 4).
    """

    def __init__(
        self,
        depth: int = 50,
        *,
        output_stride: int = 16,
        test_output_stride: int | None = None,
        stem: Literal["torchvision", "beta"] = "torchvision",
        strided_unit: Literal["first", "last"] = "first",
        multi_grid: Sequence[int] = (1, 1, 1),
        norm_cfg: Mapping[str, Any] = BATCH_NORM,
        **kwargs: Any,
    ) -> None:
        if stem not in _STEM_CHANNELS:
            msg = f"Expected `stem` to be 'torchvision' or 'beta', got {stem!r}."
            raise ValueError(msg)
        if strided_unit not in ("first", "last"):
            msg = f"Expected `strided_unit` to be 'first' or 'last', got {strided_unit!r}."
            raise ValueError(msg)
        kwargs.setdefault("norm_eval", False)
        base = kwargs.get("base_channels", 64)
        super().__init__(
            depth,
            strides=_STRIDES,
            deep_stem=stem == "beta",
            stem_channels=_STEM_CHANNELS[stem] * base // 64,
            norm_cfg=dict(norm_cfg),
            **kwargs,
        )
        self.strided_unit = strided_unit
        self.multi_grid = tuple(multi_grid)
        self.init_output_stride(output_stride, test_output_stride)

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Of the maps."""
        return tuple(self.base_channels * 2**i * self.block.expansion for i in self.out_indices)

    @property
    def out_strides(self) -> tuple[int, ...]:
        """Pixels of the image between two cells of each map, as the network is set now."""
        return tuple(min(_STEM_STRIDE * 2**i, self._current_stride) for i in self.out_indices)

    def apply_output_stride(self, output_stride: int) -> None:
        """Give the convolutions their strides and dilations."""
        stages = [list(getattr(self, name)) for name in self.res_layers]
        strides = []
        for i, units in enumerate(stages):
            own = [1] * len(units)
            if self.strided_unit == "first":
                own[0] = _STRIDES[i]
            elif i + 1 < len(stages):
                own[-1] = _STRIDES[i + 1]
            strides += own
        plan = plan_strides(strides, start=_STEM_STRIDE, output_stride=output_stride)
        for i, units in enumerate(stages):
            grid = self.multi_grid if i == len(stages) - 1 else (1,)
            for k, (unit, (stride, dilation)) in enumerate(zip(units, plan, strict=False)):
                self._set_unit(unit, stride, dilation * grid[min(k, len(grid) - 1)])

    def _set_unit(self, unit: nn.Module, stride: int, dilation: int) -> None:
        convs = [m for name, m in unit.named_children() if name.startswith("conv")]
        # Bottleneck: the 3x3 convolution in the middle; BasicBlock: the first of two.
        strided = convs[1] if len(convs) == 3 else convs[0]
        for conv in convs:
            assert isinstance(conv, nn.Conv2d)
            if conv.kernel_size == (3, 3):
                set_atrous(conv, stride=stride if conv is strided else 1, dilation=dilation)
        if isinstance(unit.downsample, nn.Sequential):
            projection = unit.downsample[0]
            assert isinstance(projection, nn.Conv2d)
            set_atrous(projection, stride=stride)
        elif self.strided_unit == "last":
            # The identity of a unit with a stride: every other pixel.
            setattr(unit, "downsample", nn.MaxPool2d(1, stride=stride) if stride > 1 else None)  # noqa: B010

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of images ``(N, 3, H, W)``."""
        if self.deep_stem:
            x = self.stem(x)
        else:
            x = self.relu(self.norm1(self.conv1(x)))
        x = self.maxpool(x)
        maps = []
        for i, name in enumerate(self.res_layers):
            *units, last = getattr(self, name)
            for unit in units:
                x = unit(x)
            before = x
            x = last(x)
            if i in self.out_indices:
                strided = last.downsample is not None and self.strided_unit == "last"
                maps.append(before if strided else x)
        return tuple(maps)
