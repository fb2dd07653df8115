"""What a network of the family says in the end: class scores, heat map, offsets (figure 2 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mmengine.model import BaseModule, normal_init
from torch import Tensor, nn

from panoptic_core.backbones.layers import separable_conv
from panoptic_fusion import full_precision
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs


class _Prediction(nn.Sequential):
    """A 5x5 depthwise-separable convolution and a 1x1 convolution that predicts."""

    def __init__(
        self,
        in_channels: int,
        channels: int | None,
        out_channels: int,
        kernel_size: int,
        norm_cfg: Mapping[str, Any],
    ) -> None:
        super().__init__()
        if channels is not None:
            conv = separable_conv(in_channels, channels, kernel_size, norm_cfg=norm_cfg)
            self.add_module("conv", conv)
        score = nn.Conv2d(in_channels if channels is None else channels, out_channels, 1)
        self.add_module("score", score)


class _ValuePrediction(_Prediction):
    """The same for values that half a precision spoils: the last convolution is in full, also under autocast.

    bfloat16 has steps of 4 pixels from 512 on, and heat maps with equal neighbours.
    """

    def forward(self, x: Tensor) -> Tensor:
        *convs, score = self
        for conv in convs:
            x = conv(x)
        assert isinstance(score, nn.Conv2d)
        # There is no autocast on the meta device, where multiply-adds are counted.
        with full_precision(x):
            values: Tensor = score(x.to(score.weight.dtype))
        return values


class Predictions(BaseModule):
    """What every head of the family has in the end: class scores, heat map, offsets.

    Args:
        num_things_classes: Thing classes, labels [0, T).
        num_stuff_classes: Stuff classes, labels [T, T + S).
        heatmap_activation: What makes values of the heat map: "none" or "sigmoid".
        init_cfg: As MMEngine's.
    """

    def __init__(
        self,
        num_things_classes: int,
        num_stuff_classes: int,
        heatmap_activation: Literal["none", "sigmoid"],
        init_cfg: Any,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if heatmap_activation not in ("none", "sigmoid"):
            msg = f"Expected `heatmap_activation` to be 'none' or 'sigmoid', got {heatmap_activation!r}."
            raise ValueError(msg)
        self.num_things_classes = num_things_classes
        self.num_stuff_classes = num_stuff_classes
        self.heatmap_activation = heatmap_activation
        self.semantic_head: nn.Module | None = None
        self.heatmap_head: nn.Module | None = None
        self.offset_head: nn.Module | None = None

    @property
    def semantic_only(self) -> bool:
        """The network labels pixels and knows no instances."""
        return self.heatmap_head is None

    def heatmap_values(self, heatmap: Tensor) -> Tensor:
        """Return the heat map's values, of what :meth:`forward` gives, in the range of the Gaussians."""
        return heatmap.sigmoid() if self.heatmap_activation == "sigmoid" else heatmap

    def init_weights(self) -> None:
        """Start the predictions near zero: the mean squared error then starts as small as its targets."""
        super().init_weights()
        for head in (self.semantic_head, self.heatmap_head, self.offset_head):
            if head is not None:
                normal_init(head.get_submodule("score"), std=0.001)

    def _make_heads(
        self,
        semantic: tuple[int, int | None],
        instance: tuple[int, int | None] | None,
        kernel_size: int,
        norm_cfg: Mapping[str, Any],
    ) -> None:
        """Make the heads; a pair is the channels of a head's input and of its convolution."""
        num_classes = self.num_things_classes + self.num_stuff_classes
        self.semantic_head = _Prediction(*semantic, num_classes, kernel_size, norm_cfg)
        if instance is not None:
            self.heatmap_head = _ValuePrediction(*instance, 1, kernel_size, norm_cfg)
            self.offset_head = _ValuePrediction(*instance, 2, kernel_size, norm_cfg)

    def _predict(self, semantic: Tensor, instance: Tensor | None) -> DeepLabOutputs:
        assert self.semantic_head is not None
        sem_logits = self.semantic_head(semantic)
        if self.heatmap_head is None or self.offset_head is None:
            return DeepLabOutputs(sem_logits)
        return DeepLabOutputs(sem_logits, self.heatmap_head(instance), self.offset_head(instance))
