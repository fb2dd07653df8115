"""PSPNet (Zhao et al., CVPR 2017, arXiv:1612.01105): a network that labels pixels, and knows no instances.

It is the semantic half of the two-network baseline: Mask R-CNN and PSPNet, each trained alone, fused by
``panoptic-fuse`` (UPSNet, arXiv:1901.03784, section 4: "MR-CNN-PSP").
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import average_semantics
from panoptic_heads.common import ViewSettings, resize_logits, resize_winner
from panoptic_heads.common.resize import Sizes
from panoptic_heads.common.tta import View, make_view
from panoptic_heads.pspnet.sliding import Windows, slide
from panoptic_heads.registry import MODELS


@MODELS.register_module()
class PSPNet(BaseModel):
    """A backbone and a semantic head, tested by sliding windows.

    Args:
        backbone: Its last two maps are read; MMDetection's ResNet with dilations.
        semantic_head: A :class:`~panoptic_heads.pspnet.heads.PyramidPoolingHead`, or any semantic head.
        auxiliary_head: A second loss in training.
        windows: ``size`` and ``stride`` of the windows in testing, see
            :class:`~panoptic_heads.pspnet.sliding.Windows`. None: the image at once.
        data_preprocessor: As MMDetection's.
        init_cfg: As MMEngine's.
        tta: Test-time augmentation as of the detectors, :class:`~panoptic_heads.common.tta.ViewSettings`.
    """

    def __init__(
        self,
        *,
        backbone: Any,
        semantic_head: Any,
        auxiliary_head: Any = None,
        windows: Any = None,
        data_preprocessor: Any = None,
        init_cfg: Any = None,
        tta: Any = None,
    ) -> None:
        with DefaultScope.overwrite_default_scope("mmdet"):
            super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
            self.backbone = MODELS.build(backbone)
            self.semantic_head = MODELS.build(semantic_head)
            self.auxiliary_head = None if auxiliary_head is None else MODELS.build(auxiliary_head)
        self.windows = None if windows is None else Windows.read(windows)
        self.tta = None if tta is None else ViewSettings.read(tta)

    def forward(
        self, inputs: Tensor, data_samples: list[DetDataSample] | None = None, mode: str = "tensor"
    ) -> Any:
        """Return losses (``mode="loss"``), samples with predictions (``"predict"``) or logits."""
        if mode == "tensor":
            return self.semantic_head(self.backbone(inputs))
        assert data_samples is not None
        return self.loss(inputs, data_samples) if mode == "loss" else self.predict(inputs, data_samples)

    def loss(self, inputs: Tensor, samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Return ``loss_semantic`` and, with an auxiliary head, ``loss_auxiliary``."""
        features = self.backbone(inputs)
        losses: dict[str, Tensor] = {}
        for head in (self.semantic_head, self.auxiliary_head):
            if head is not None:
                losses.update(head.loss(_resize(head(features), inputs.shape[2:]), samples))
        return losses

    def predict(self, inputs: Tensor, samples: list[DetDataSample]) -> list[DetDataSample]:
        """Fill the samples with ``pred_sem_seg``: PixelData with labels ``(1, H, W)`` of the image's size."""
        for image, sample in zip(inputs, samples, strict=True):
            height, width = sample.metainfo["img_shape"][:2]
            own_size = (int(sample.metainfo["ori_shape"][0]), int(sample.metainfo["ori_shape"][1]))
            winner = self._label(image[None, :, :height, :width], sample, own_size)
            labels = self.semantic_head.channel_labels().to(winner.device)[winner]
            sample.pred_sem_seg = PixelData(sem_seg=labels[None])
        return samples

    def _label(self, image: Tensor, sample: DetDataSample, size: tuple[int, int]) -> Tensor:
        """Return each pixel's winning channel, ``(H, W)``, of an unpadded image ``(1, 3, h, w)``."""
        if self.tta is None:
            (logits,) = self._slide(image)
            seen = (image.shape[2], image.shape[3])
            return resize_winner(logits, Sizes(seen, seen, size))
        maps = self._views(image, sample, self.tta.views, size)
        return average_semantics(maps, space=self.tta.space).argmax(dim=0)

    def _views(
        self, image: Tensor, sample: DetDataSample, views: Sequence[View], size: tuple[int, int]
    ) -> Iterator[Tensor]:
        """Yield each view's logits ``(C, H, W)``, brought back to the image."""
        for view in views:
            batch, _, _ = make_view(image, [sample], view, divisor=1, pad_value=0)
            # The plain view comes as it is; `make_view` mirrors the others.
            (logits,) = self._slide(batch)
            seen = (batch.shape[2], batch.shape[3])
            resized = resize_logits(logits, Sizes(seen, seen, size))
            yield resized.flip(-1) if view.flip else resized

    def _slide(self, images: Tensor) -> Tensor:
        """Return logits ``(N, C, H, W)`` of images ``(N, 3, H, W)``, float32."""
        if self.windows is None:
            return self._logits(images)
        return slide(self._logits, images, self.windows)

    def _logits(self, images: Tensor) -> Tensor:
        return _resize(self.semantic_head(self.backbone(images)).float(), images.shape[2:])


def _resize(logits: Tensor, size: Sequence[int] | torch.Size) -> Tensor:
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
