"""Semantic heads on a feature pyramid: TASCNet's stuff head and Panoptic FPN's.

Channels are things first, then stuff; a head may know all things as one class, which is then channel 0.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.registry import MODELS

DEFAULT_LOSS = {"type": "panoptic_heads.SemanticCrossEntropy"}
KAIMING = {"type": "Kaiming", "layer": "Conv2d", "override": {"type": "Normal", "name": "score", "std": 0.01}}


class SemanticHead(BaseModule):
    """What semantic heads share: the meaning of their channels, their targets and their loss.

    A subclass makes ``forward``: the pyramid's levels to logits ``(N, C, h, w)`` of the finest level's size.

    Args:
        num_things_classes: Thing classes, labels [0, T).
        num_stuff_classes: Stuff classes, labels [T, T + S).
        collapse_things: Predict one channel for all things, ``C = 1 + S`` (else ``C = T + S``). There is no
            mean IoU then.
        loss: A semantic loss, called with logits ``(N, C, H, W)`` and labels ``(N, H, W)``.
        ignore_index: The label without annotation, in the targets as in the loss.
        init_cfg: As MMEngine's.
    """

    def __init__(
        self,
        num_things_classes: int,
        num_stuff_classes: int,
        *,
        collapse_things: bool = False,
        loss: dict[str, Any] = DEFAULT_LOSS,
        ignore_index: int = 255,
        init_cfg: Any = KAIMING,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_things_classes = num_things_classes
        self.num_stuff_classes = num_stuff_classes
        self.collapse_things = collapse_things
        self.ignore_index = ignore_index
        self.semantic_loss = MODELS.build({**loss, "ignore_index": ignore_index})

    @property
    def num_thing_channels(self) -> int:
        """The first channels, which are things: all thing classes, or one."""
        return 1 if self.collapse_things else self.num_things_classes

    @property
    def num_channels(self) -> int:
        """Channels of the logits, things and stuff."""
        return self.num_thing_channels + self.num_stuff_classes

    @property
    def predicts_every_class(self) -> bool:
        """Whether each class has a channel: only then is there a mean IoU."""
        return self.num_thing_channels == self.num_things_classes

    def channel_labels(self) -> Tensor:
        """Return each channel's contiguous label, ``(C,)``; one thing channel for all stands for label 0."""
        labels = torch.arange(self.num_channels)
        labels[self.num_thing_channels :] += self.num_things_classes - self.num_thing_channels
        return labels

    def targets(self, samples: Sequence[DetDataSample], size: tuple[int, int]) -> Tensor:
        """Return the channel that each pixel should have, padded with ``ignore_index`` to a batch's size.

        Args:
            samples: Training samples with ``gt_sem_seg.sem_seg``, ``(1, h, w)`` contiguous labels.
            size: Height and width of the batch.

        Returns:
            ``(N, H, W)`` int64.
        """
        maps = [_pad(sample.gt_sem_seg.sem_seg[0], size, self.ignore_index) for sample in samples]
        target = torch.stack(maps).long()
        if not self.collapse_things:
            return target
        stuff = target - self.num_things_classes + 1
        return torch.where(target == self.ignore_index, target, stuff.clamp(min=0))

    def loss(self, logits: Tensor, samples: Sequence[DetDataSample]) -> dict[str, Tensor]:
        """Return ``loss_semantic`` of logits at the size of the batch, ``(N, C, H, W)``."""
        size = (logits.shape[2], logits.shape[3])
        return {"loss_semantic": self.semantic_loss(logits, self.targets(samples, size))}


@MODELS.register_module()
class ConcatSemanticHead(SemanticHead):
    """TASCNet's stuff head (arXiv:1812.01192, section 3.1.2).

    Each level has its own 3x3 convolutions, each followed by group normalisation and ReLU; the results are
    resized to the finest level and stacked, and one 1x1 convolution predicts the classes.

    The last convolution and the resizing are both linear and act on different axes, so their order does not
    matter: here each level is scored first, and only class scores are resized. The stacked map, 512 channels
    at a quarter of the image's side, never exists.

    Args:
        in_channels: Channels of the pyramid.
        feat_channels: Channels of the convolutions.
        num_levels: The first levels of the pyramid are used: P2-P5.
        num_convs: Convolutions at each level.
        num_groups: Groups of the normalisation.
        **kwargs: As in :class:`SemanticHead`.
    """

    def __init__(
        self,
        *,
        in_channels: int = 256,
        feat_channels: int = 128,
        num_levels: int = 4,
        num_convs: int = 2,
        num_groups: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.levels = nn.ModuleList(
            nn.Sequential(
                *(
                    conv_norm_relu(in_channels if i == 0 else feat_channels, feat_channels, num_groups)
                    for i in range(num_convs)
                )
            )
            for _ in range(num_levels)
        )
        self.score = nn.Conv2d(feat_channels * num_levels, self.num_channels, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` at the size of ``features[0]``; further levels are not looked at."""
        size = features[0].shape[2:]
        weights = self.score.weight.chunk(len(self.levels), dim=1)  # (C, feat_channels, 1, 1) each
        logits = None
        for level, weight, feature in zip(self.levels, weights, features, strict=False):
            bias = self.score.bias if logits is None else None
            scores = resize_to(F.conv2d(level(feature), weight, bias), size)
            logits = scores if logits is None else logits + scores
        assert logits is not None
        return logits


@MODELS.register_module()
class SumSemanticHead(SemanticHead):
    """The semantic branch of Panoptic FPN (Kirillov et al., arXiv:1901.02446, section 3.1 and figure 3).

    A level at 1/2^k of the finest one is brought there by k stages of 3x3 convolution, group normalisation,
    ReLU and 2x bilinear upsampling (the finest has one stage without upsampling); the levels are summed, and
    one 1x1 convolution predicts the classes.

    Args:
        in_channels: Channels of the pyramid.
        feat_channels: Channels of the convolutions.
        num_levels: The first levels of the pyramid are used: P2-P5.
        num_groups: Groups of the normalisation.
        **kwargs: As in :class:`SemanticHead`.
    """

    def __init__(
        self,
        *,
        in_channels: int = 256,
        feat_channels: int = 128,
        num_levels: int = 4,
        num_groups: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.levels = nn.ModuleList(
            nn.ModuleList(
                conv_norm_relu(in_channels if i == 0 else feat_channels, feat_channels, num_groups)
                for i in range(max(level, 1))
            )
            for level in range(num_levels)
        )
        self.score = nn.Conv2d(feat_channels, self.num_channels, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return logits ``(N, C, h, w)`` at the size of ``features[0]``; further levels are not looked at."""
        total = None
        for index, stages in enumerate(self.levels):
            feature = features[index]
            for stage, conv in enumerate(stages.children(), start=1):
                feature = resize_to(conv(feature), features[max(index - stage, 0)].shape[2:])
            total = feature if total is None else total + feature
        result: Tensor = self.score(total)
        return result


def conv_norm_relu(in_channels: int, out_channels: int, num_groups: int) -> nn.Sequential:
    """Return a 3x3 convolution, group normalisation and ReLU."""
    # The normalisation has its own offset: the convolution needs no bias.
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.GroupNorm(num_groups, out_channels),
        nn.ReLU(inplace=True),
    )


def resize_to(feature: Tensor, size: Sequence[int]) -> Tensor:
    """Return ``(N, C, h, w)`` resized bilinearly to a height and width."""
    if feature.shape[2:] == torch.Size(size):
        return feature
    return F.interpolate(feature, size=tuple(size), mode="bilinear", align_corners=False)


def _pad(labels: Tensor, size: tuple[int, int], value: int) -> Tensor:
    height, width = labels.shape
    return F.pad(labels, (0, size[1] - width, 0, size[0] - height), value=value)
