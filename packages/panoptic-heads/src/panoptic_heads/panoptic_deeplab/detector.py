"""Panoptic-DeepLab (Cheng et al., CVPR 2020, arXiv:1911.10194): class scores, instance centers, offsets.

Written from the paper. One network labels every pixel, draws a heat map of instance centers, and tells each
pixel the way to its center; :class:`~panoptic_heads.panoptic_deeplab.fusion.CentersFusion` groups the pixels.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import PanopticSegmentation, RawOutputs, flip_raw_outputs, merge_raw_outputs
from panoptic_heads.common import NetworkOutput, PanopticPrediction
from panoptic_heads.common.prediction import height_and_width
from panoptic_heads.common.resize import Sizes, resize_logits, resize_winner
from panoptic_heads.common.tta import View, make_view
from panoptic_heads.panoptic_deeplab.structures import DeepLabOutputs
from panoptic_heads.panoptic_deeplab.targets import center_maps, semantic_maps
from panoptic_heads.registry import MODELS

SEMANTIC_LOSS = {"type": "panoptic_heads.WeightedBootstrappedCrossEntropy"}
CENTER_LOSS = {"type": "panoptic_heads.CenterHeatmapLoss"}
OFFSET_LOSS = {"type": "panoptic_heads.OffsetL1Loss"}
FUSION = {"type": "panoptic_heads.CentersFusion"}


@MODELS.register_module()
class PanopticDeepLab(PanopticPrediction, BaseModel):
    """A backbone, the dual branches and three losses.

    Images of any size: they are padded at the right and at the bottom with zeros, the mean colour after
    normalisation, and nothing is learnt or predicted there. In testing each image goes through the network by
    itself, so that its result does not depend on its batch.

    Args:
        backbone: Its maps go to the head, finest first.
        head: A :class:`~panoptic_heads.panoptic_deeplab.heads.PanopticDeepLabHead`. With ``instance=None``
            the model only labels pixels: it trains with the semantic loss alone and predicts
            ``pred_sem_seg`` alone.
        semantic_loss: :class:`~panoptic_heads.panoptic_deeplab.losses.WeightedBootstrappedCrossEntropy`.
        center_loss: :class:`~panoptic_heads.panoptic_deeplab.losses.CenterHeatmapLoss`.
        offset_loss: :class:`~panoptic_heads.panoptic_deeplab.losses.OffsetL1Loss`.
        panoptic_fusion_head: :class:`~panoptic_heads.panoptic_deeplab.fusion.CentersFusion`.
        predict_centers: Also predict ``pred_centers`` (PixelData with ``heatmap`` ``(1, H, W)`` and
            ``offsets`` ``(2, H, W)``): pictures are made of it.
        size_divisor: Sides are padded to a multiple of it; with ``align_corners`` of the head to one more,
            the paper's ``k * stride + 1``, where the corners of all grids fall on each other. The backbone's
            output stride.
        data_preprocessor: As MMDetection's.
        init_cfg: As MMEngine's.
        tta: Test-time augmentation, :class:`~panoptic_heads.common.tta.ViewSettings`: class scores, heat map
            and offsets of all views are averaged. ``tools/test.py --tta`` fills it with the config's block
            of that name.

    Raises:
        ValueError: If a setting does not fit.
    """

    takes_partners = True

    def __init__(
        self,
        *,
        backbone: Any,
        head: Any,
        semantic_loss: Any = SEMANTIC_LOSS,
        center_loss: Any = CENTER_LOSS,
        offset_loss: Any = OFFSET_LOSS,
        panoptic_fusion_head: Any = FUSION,
        predict_centers: bool = False,
        size_divisor: int = 16,
        data_preprocessor: Any = None,
        init_cfg: Any = None,
        tta: Any = None,
    ) -> None:
        with DefaultScope.overwrite_default_scope("mmdet"):
            super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
            self.backbone = MODELS.build(backbone)
            self.head = MODELS.build(head)
            self.semantic_loss = MODELS.build(semantic_loss)
            self.center_loss = MODELS.build(center_loss)
            self.offset_loss = MODELS.build(offset_loss)
            self.init_prediction(MODELS.build(panoptic_fusion_head), tta)
        if self.tta is not None and self.tta.semantics_only:
            msg = (
                "Expected `tta` without `semantics_only`, got True. Centers are averaged with the semantics."
            )
            raise ValueError(msg)
        if size_divisor < 1:
            msg = f"Expected `size_divisor` to be at least 1, got {size_divisor}. It is the output stride."
            raise ValueError(msg)
        self.size_divisor = size_divisor
        self.predict_centers = predict_centers

    def forward(
        self, inputs: Tensor, data_samples: list[DetDataSample] | None = None, mode: str = "tensor"
    ) -> Any:
        """Return losses (``mode="loss"``), samples with predictions (``"predict"``) or the head's outputs."""
        if mode == "tensor":
            return self.head(self.backbone(self.pad_inputs(inputs)))
        assert data_samples is not None
        return self.loss(inputs, data_samples) if mode == "loss" else self.predict(inputs, data_samples)

    def fixed_forward(self, batch_inputs: Tensor, *, num_boxes: int, num_masks: int) -> DeepLabOutputs:
        """Run the network on the images as they are, without padding: for :mod:`panoptic_core.complexity`."""
        outputs: DeepLabOutputs = self.head(self.backbone(batch_inputs))
        return outputs

    def pad_inputs(self, inputs: Tensor) -> Tensor:
        """Pad ``(N, 3, H, W)`` at the right and at the bottom to sides that the grids fit."""
        more = 1 if self.head.align_corners else 0
        height, width = inputs.shape[2:]
        down, right = (-(side - more) % self.size_divisor for side in (height, width))
        return F.pad(inputs, (0, right, 0, down)) if down or right else inputs

    # --- training

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Return ``loss_semantic`` and, with an instance branch, ``loss_center`` and ``loss_offset``."""
        inputs = self.pad_inputs(batch_inputs)
        size = (inputs.shape[2], inputs.shape[3])
        outputs: DeepLabOutputs = self.head(self.backbone(inputs))
        labels, weights = semantic_maps(
            batch_data_samples, size, ignore_index=self.semantic_loss.ignore_index
        )
        losses = {
            "loss_semantic": self.semantic_loss(self._enlarge(outputs.sem_logits, size), labels, weights)
        }
        if outputs.heatmap is None or outputs.offsets is None:
            return losses
        maps = center_maps(batch_data_samples, size)
        heatmap, offsets = self._enlarge(outputs.heatmap, size), self._enlarge(outputs.offsets, size)
        losses["loss_center"] = self.center_loss(heatmap, maps.heatmap, maps.heatmap_mask)
        losses["loss_offset"] = self.offset_loss(offsets, maps.offsets, maps.offset_mask)
        return losses

    def _enlarge(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize ``(N, C, h, w)`` to the input, in float32."""
        corners = self.head.align_corners
        return F.interpolate(maps.float(), size=size, mode="bilinear", align_corners=corners)

    # --- testing: fusion and samples are PanopticPrediction's

    def finish(self, samples: list[DetDataSample], outputs: Sequence[NetworkOutput]) -> list[DetDataSample]:
        """Fill the samples; a network without an instance branch has ``pred_sem_seg`` alone."""
        if not self.head.semantic_only:
            return super().finish(samples, outputs)
        for sample, output in zip(samples, outputs, strict=True):
            labels = self.transform(output.raw, sample).semantic_labels()
            sample.pred_sem_seg = PixelData(sem_seg=labels[None])
        return samples

    def fill_sample(
        self, sample: DetDataSample, instances: InstanceData, raw: RawOutputs, seg: PanopticSegmentation
    ) -> None:
        """Put the predictions of one image into its sample."""
        super().fill_sample(sample, instances, raw, seg)
        if self.predict_centers:
            sample.pred_centers = PixelData(heatmap=raw.center_heatmap, offsets=raw.offsets)

    def predict_raw(
        self, batch_inputs: Tensor, samples: list[DetDataSample], *, rescale: bool = True
    ) -> list[NetworkOutput]:
        """Run the network alone, on all views if there is ``tta``; arguments as in :meth:`predict`."""
        return [
            NetworkOutput(
                self._look(
                    image[None, :, : sample.metainfo["img_shape"][0], : sample.metainfo["img_shape"][1]],
                    sample,
                    height_and_width(sample.metainfo["ori_shape" if rescale else "img_shape"]),
                ),
                instances=None,
            )
            for image, sample in zip(batch_inputs, samples, strict=True)
        ]

    def _look(self, image: Tensor, sample: DetDataSample, size: tuple[int, int]) -> RawOutputs:
        """Return what the network says of an unpadded image ``(1, 3, h, w)``, at a size."""
        if self.tta is None:
            return self._raw_output(image, size, with_logits=self.keep_sem_logits)
        views = self.tta.views
        looks = self._views(image, sample, views, size)
        return next(looks) if len(views) == 1 else merge_raw_outputs(looks, space=self.tta.space)

    def _views(
        self, image: Tensor, sample: DetDataSample, views: Sequence[View], size: tuple[int, int]
    ) -> Iterator[RawOutputs]:
        """Yield what the network says of each view, brought back to the image."""
        for view in views:
            inputs, _, _ = make_view(image, [sample], view, divisor=1, pad_value=0)
            raw = self._raw_output(inputs, size, with_logits=True)
            yield flip_raw_outputs(raw) if view.flip else raw

    def _raw_output(self, image: Tensor, size: tuple[int, int], *, with_logits: bool) -> RawOutputs:
        """Run the network on one image ``(1, 3, h, w)`` and bring its outputs to a size."""
        inputs = self.pad_inputs(image)
        outputs: DeepLabOutputs = self.head(self.backbone(inputs))
        image_size = (image.shape[2], image.shape[3])
        sizes = Sizes((inputs.shape[2], inputs.shape[3]), image_size, size)
        num_things = self.head.num_things_classes
        raw = RawOutputs(size, num_things, num_things + self.head.num_stuff_classes)
        corners = self.head.align_corners
        if with_logits or self.panoptic_fusion_head.needs_sem_logits:
            raw.sem_logits = resize_logits(outputs.sem_logits[0].float(), sizes, align_corners=corners)
        else:
            raw.sem_seg = resize_winner(outputs.sem_logits[0].float(), sizes, align_corners=corners)
        if outputs.heatmap is not None and outputs.offsets is not None:
            heatmap = resize_logits(outputs.heatmap[0].float(), sizes, align_corners=corners)
            raw.center_heatmap = self.head.heatmap_values(heatmap)
            offsets = resize_logits(outputs.offsets[0].float(), sizes, align_corners=corners)
            factors = torch.tensor([size[0] / image_size[0], size[1] / image_size[1]], device=offsets.device)
            raw.offsets = offsets * factors[:, None, None]  # pixels of the result
        return raw
