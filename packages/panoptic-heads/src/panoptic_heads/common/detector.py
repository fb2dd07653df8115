"""The base of box-based panoptic detectors: Mask R-CNN, a semantic head on the same pyramid, and a fusion.

Training: features -> RPN -> RoI head and semantic head -> a method's own losses (:meth:`extra_losses`).

Testing: network -> RawOutputs here; fusion and data samples in :mod:`panoptic_heads.common.prediction`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_core.complexity import forward_two_stage
from panoptic_core.oracles import OracleError
from panoptic_heads.common.network_output import network_output
from panoptic_heads.common.prediction import PanopticPrediction, height_and_width
from panoptic_heads.common.resize import Sizes
from panoptic_heads.common.structures import NetworkOutput, RoITrainingContext, TrainingState
from panoptic_heads.common.true_boxes import predict_in_true_boxes
from panoptic_heads.common.tta import predict_views
from panoptic_heads.registry import MODELS


@MODELS.register_module()
class PanopticTwoStageDetector(PanopticPrediction, TwoStageDetector):
    """Mask R-CNN, a semantic head and a fusion; by itself Panoptic FPN (Kirillov et al., arXiv:1901.02446).

    A method on top of it overrides :meth:`extra_losses`, and changes heads and fusion by its config.

    Args:
        backbone: As MMDetection's two-stage detectors have it, like the next three.
        neck: Feature pyramid.
        rpn_head: Region proposals.
        roi_head: A :class:`~panoptic_heads.common.roi_head.PanopticRoIHead`. Its mask head is optional;
            without one the detections are boxes alone, for a fusion that reads no masks.
        semantic_head: A :class:`~panoptic_heads.common.semantic_heads.SemanticHead`.
        panoptic_fusion_head: One of :mod:`panoptic_heads.common.fusion`.
        train_cfg: ``rpn``, ``rpn_proposal`` and ``rcnn`` as MMDetection has them.
        test_cfg: ``rpn`` and ``rcnn`` as MMDetection has them: the detections for average precision.
            ``panoptic`` (``score_thr``, ``nms``, ``max_per_img``) filters the boxes for fusion from the same
            candidates; without it fusion gets the detections of ``rcnn``.
        data_preprocessor: As MMDetection's.
        init_cfg: As MMEngine's.
        tta: Test-time augmentation: ``scales``, ``flip`` and more, the entries of
            :class:`~panoptic_heads.common.tta.ViewSettings`. None: the input as it is. ``tools/test.py
            --tta`` fills it with the config's block of that name.

    Raises:
        ValueError: If the fusion reads masks and there is no mask head.

    Attributes:
        true_boxes: What detections take from the ground truth, see :meth:`use_true_boxes`; None: nothing.
        raw_transforms, keep_sem_logits: See :class:`~panoptic_heads.common.prediction.PanopticPrediction`.
    """

    def __init__(
        self,
        *,
        backbone: Any,
        neck: Any,
        rpn_head: Any,
        roi_head: Any,
        semantic_head: Any,
        panoptic_fusion_head: Any,
        train_cfg: Any = None,
        test_cfg: Any = None,
        data_preprocessor: Any = None,
        init_cfg: Any = None,
        tta: Any = None,
    ) -> None:
        # MMDetection's parts name their own parts without a scope; in another scope those would not be found.
        with DefaultScope.overwrite_default_scope("mmdet"):
            super().__init__(
                backbone=backbone,
                neck=neck,
                rpn_head=_as_config(rpn_head),
                roi_head=_as_config(roi_head),
                train_cfg=_as_config(train_cfg),
                test_cfg=_as_config(test_cfg),
                data_preprocessor=data_preprocessor,
                init_cfg=init_cfg,
            )
            self.semantic_head = MODELS.build(semantic_head)
            self.init_prediction(MODELS.build(panoptic_fusion_head), tta)
        if not self.roi_head.with_mask and getattr(self.panoptic_fusion_head, "needs_masks", False):
            msg = (
                "Expected a fusion that reads no masks for a `roi_head` without `mask_head`, got "
                f"{type(self.panoptic_fusion_head).__name__}. Give it a mask head, or use AffinityFusion "
                'with form="mask_free".'
            )
            raise ValueError(msg)
        self.true_boxes: Literal["boxes", "boxes+classes"] | None = None

    # --- training

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Return all losses of a batch of normalised, padded images ``(N, 3, H, W)``."""
        features = self.extract_feat(batch_inputs)
        losses, rois = self.thing_losses(features, batch_data_samples)
        semantic, sem_logits, sem_logits_full = self.semantic_losses(
            features, batch_data_samples, batch_inputs.shape[2:]
        )
        losses.update(semantic)
        state = TrainingState(features, sem_logits, sem_logits_full, rois, batch_data_samples)
        losses.update(self.extra_losses(state))
        return losses

    def extra_losses(self, state: TrainingState) -> dict[str, Tensor]:
        """Return a method's own losses; here there are none.

        A loss without targets must return 0 attached to its parameters: ``output.sum() * 0``.
        """
        return {}

    def thing_losses(
        self, features: Sequence[Tensor], samples: list[DetDataSample]
    ) -> tuple[dict[str, Tensor], RoITrainingContext]:
        """Return the losses of RPN, boxes and masks, and what the RoI head saw."""
        proposal_cfg = self.train_cfg.get("rpn_proposal", self.test_cfg.rpn)
        rpn_losses, proposals = self.rpn_head.loss_and_predict(
            features, [_class_agnostic(sample) for sample in samples], proposal_cfg=proposal_cfg
        )
        roi_losses, context = self.roi_head.loss_and_context(features, proposals, samples)
        return {**rpn_losses, **roi_losses}, context

    def semantic_losses(
        self, features: Sequence[Tensor], samples: list[DetDataSample], input_size: Sequence[int]
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the semantic losses and the logits, at the head's resolution and at the input's."""
        logits = self.semantic_logits(features)
        full = F.interpolate(logits, size=tuple(input_size), mode="bilinear", align_corners=False)
        return self.semantic_head.loss(full, samples), logits, full

    def semantic_logits(self, features: Sequence[Tensor]) -> Tensor:
        """Return the semantic head's output ``(N, C, h, w)`` for what :meth:`extract_feat` returned."""
        logits: Tensor = self.semantic_head(features)
        return logits

    # --- testing: the fusion and the samples are PanopticPrediction's

    @property
    def predicts_every_class(self) -> bool:
        """Whether the semantic head has a channel for each class."""
        return bool(self.semantic_head.predicts_every_class)

    def predict_raw(
        self, batch_inputs: Tensor, samples: list[DetDataSample], *, rescale: bool = True
    ) -> list[NetworkOutput]:
        """Run the network alone, on all views if there is ``tta``; arguments as in :meth:`predict`.

        A method whose network says more about an image adds it to the views' outputs in the same way.
        """
        sizes = [height_and_width(each.metainfo["ori_shape" if rescale else "img_shape"]) for each in samples]
        if self.tta is not None:
            merged = predict_views(self, batch_inputs, samples, sizes)
            return [
                self._raw_output(sample.metainfo, *things, logits, Sizes(size, size, size))
                for sample, size, (things, logits) in zip(samples, sizes, merged, strict=True)
            ]
        features = self.extract_feat(batch_inputs)
        detections = self.predict_things(features, samples)
        sem_logits = self.semantic_logits(features)
        padded_size = (batch_inputs.shape[2], batch_inputs.shape[3])
        image_sizes = [
            Sizes(padded_size, height_and_width(sample.metainfo["img_shape"]), size)
            for sample, size in zip(samples, sizes, strict=True)
        ]
        outputs = [
            self._raw_output(sample.metainfo, *things, logits, own_sizes)
            for sample, things, logits, own_sizes in zip(
                samples, detections, sem_logits, image_sizes, strict=True
            )
        ]
        self.extend_outputs(outputs, features, sem_logits, image_sizes)
        return outputs

    def extend_outputs(
        self,
        outputs: Sequence[NetworkOutput],
        features: Sequence[Tensor],
        sem_logits: Tensor,
        sizes: Sequence[Sizes],
    ) -> None:
        """Add what a method's network says more about the images of a batch; here there is nothing.

        Args:
            outputs: Of each image; changed in place.
            features: What :meth:`extract_feat` returned.
            sem_logits: ``(N, C, h, w)``, the semantic head's own map, padding included.
            sizes: Of each image, from that map to the result.
        """

    def predict_things(
        self, features: Sequence[Tensor], samples: list[DetDataSample]
    ) -> list[tuple[InstanceData, InstanceData]]:
        """Return each image's detections for average precision and those for fusion, in input pixels."""
        if self.true_boxes is not None:
            with_classes = self.true_boxes == "boxes+classes"
            return predict_in_true_boxes(self, features, samples, with_classes=with_classes)
        return self.roi_head.predict_in_boxes(
            features,
            self.predict_candidates(features, samples),
            panoptic_filter=self.test_cfg.get("panoptic"),
        )

    def use_true_boxes(self, *, with_classes: bool) -> None:
        """Predict in the ground truth's boxes from now on: an oracle, see :mod:`panoptic_core.oracles`.

        Args:
            with_classes: Take their classes as well.

        Raises:
            OracleError: If boxes of several views are to be merged.
        """
        if self.tta is not None and not self.tta.semantics_only:
            msg = (
                "Expected `tta` with `semantics_only=True` for true boxes, got views whose boxes are merged. "
                "Set --cfg-options tta.semantics_only=True, or leave --tta out."
            )
            raise OracleError(msg)
        self.true_boxes = "boxes+classes" if with_classes else "boxes"

    def predict_candidates(
        self, features: Sequence[Tensor], samples: list[DetDataSample]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return each image's boxes and class probabilities before any filter, in input pixels."""
        proposals = self.rpn_head.predict(features, samples, rescale=False)
        return self.roi_head.candidates(features, proposals, [sample.metainfo for sample in samples])

    def _raw_output(
        self,
        meta: dict[str, Any],
        for_ap: InstanceData,
        for_fusion: InstanceData,
        sem_logits: Tensor,
        sizes: Sizes,
    ) -> NetworkOutput:
        """Bring one image's outputs to the resolution of the result, with the maps that the fusion reads."""
        fusion = self.panoptic_fusion_head
        return network_output(
            self.semantic_head,
            height_and_width(meta["img_shape"]),
            for_ap,
            for_fusion,
            sem_logits,
            sizes,
            keep_logits=self.keep_sem_logits or fusion.needs_sem_logits,
            stuff_everywhere=getattr(fusion, "stuff_everywhere", False),
        )

    # --- the network alone

    def fixed_forward(self, batch_inputs: Tensor, *, num_boxes: int, num_masks: int) -> Sequence[Tensor]:
        """Run every head once, with so many boxes for box and mask head: for :mod:`panoptic_core.complexity`.

        Nothing here may depend on values. A method with parts of its own runs them after this.

        Returns:
            The pyramid.
        """
        features = forward_two_stage(self, batch_inputs, num_boxes=num_boxes, num_masks=num_masks)
        self.semantic_logits(features)
        return features

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample] | None = None
    ) -> tuple[Any, ...]:
        """Return the outputs of all heads without filters: RPN, boxes, masks of 100 proposals, semantics."""
        features = self.extract_feat(batch_inputs)
        rpn_outputs = self.rpn_head(features)
        shape = tuple(batch_inputs.shape[2:])
        metas = [{"img_shape": shape, "scale_factor": (1.0, 1.0)}] * len(batch_inputs)
        if batch_data_samples is not None:
            metas = [sample.metainfo for sample in batch_data_samples]
        proposals = self.rpn_head.predict_by_feat(*rpn_outputs, batch_img_metas=metas, rescale=False)
        roi_outputs = self.roi_head.forward(features, proposals, batch_data_samples)
        return (*rpn_outputs, *roi_outputs, self.semantic_logits(features))


def _as_config(cfg: Any) -> Any:
    """MMDetection reads ``train_cfg.rpn``: a plain dictionary has no such attribute."""
    return None if cfg is None else ConfigDict(cfg)


def _class_agnostic(sample: DetDataSample) -> DetDataSample:
    """Return what the RPN reads of a sample, every label 0. Masks and maps are not copied."""
    lean = DetDataSample(metainfo=sample.metainfo)
    boxes = sample.gt_instances.bboxes
    lean.gt_instances = InstanceData(bboxes=boxes, labels=torch.zeros_like(sample.gt_instances.labels))
    if "ignored_instances" in sample:
        lean.ignored_instances = InstanceData(bboxes=sample.ignored_instances.bboxes)
    return lean
