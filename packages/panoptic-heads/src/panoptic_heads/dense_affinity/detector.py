"""The dense-affinity network (Li et al., CVPR 2020, arXiv:2001.04982).

Written from the paper, which has no public code. Training and inference share one way: semantics and
detections make a potential with a channel for each detection and each stuff class, the affinity revises it,
and each pixel belongs to its best channel. The parts that are config beside this class: the squeeze and
excitation in the pyramid, the semantic head, the Lovasz losses and the fusion.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_heads.common.detector import PanopticTwoStageDetector
from panoptic_heads.common.panoptic_target import instance_segments, panoptic_truth
from panoptic_heads.common.resize import Sizes
from panoptic_heads.common.structures import NetworkOutput, TrainingState
from panoptic_heads.dense_affinity.affinity_head import AffinityFeatures, AffinityHead, valid_cells
from panoptic_heads.dense_affinity.fusion import AffinityFusion, affinity_maps
from panoptic_heads.dense_affinity.matching import SegmentMatching, match_segments
from panoptic_heads.dense_affinity.panoptic_loss import PanopticMatchingLoss, matched_target
from panoptic_heads.dense_affinity.potential import Detections, DynamicPotential
from panoptic_heads.registry import MODELS


@MODELS.register_module()
class DenseAffinity(PanopticTwoStageDetector):
    """Panoptic detector that learns through its potential, revised by a learned affinity.

    The paper's Table 1 in these arguments: models A and C have neither affinity nor panoptic loss, B and D
    both; A and B have no mask head and the potential ``'mask_free'``. C1 and D1 are C2 and D2 with a
    heuristic fusion.

    Args:
        potential: A :class:`~panoptic_heads.dense_affinity.potential.DynamicPotential`, as training makes it;
            the fusion has its own ``form``, which should be the same.
        affinity_head: A :class:`~panoptic_heads.dense_affinity.affinity_head.AffinityHead`. None: the
            potential is the result.
        panoptic_loss: A :class:`~panoptic_heads.dense_affinity.panoptic_loss.PanopticMatchingLoss`. None: the
            parts are trained by their own losses alone.
        min_iou: A detection may stand for a segment whose tight box it meets at this IoU (section 3.5).
        upsample: By how much potential and affinity are finer than the semantic head's map, in training and
            at inference: d of section 3.2 is 4 over it. The paper's is 1; cost is as its square.
        **kwargs: As in :class:`~panoptic_heads.common.detector.PanopticTwoStageDetector`; no ``tta``, for an
            affinity is that of one view.

    Raises:
        ValueError: If the parts do not fit together.
    """

    def __init__(
        self,
        *,
        potential: Any,
        affinity_head: Any = None,
        panoptic_loss: Any = None,
        min_iou: float = 0.5,
        upsample: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.potential: DynamicPotential = MODELS.build(potential)
        self.affinity_head: AffinityHead | None = (
            None if affinity_head is None else MODELS.build(affinity_head)
        )
        self.panoptic_loss: PanopticMatchingLoss | None = (
            None if panoptic_loss is None else MODELS.build(panoptic_loss)
        )
        self.min_iou = min_iou
        self.upsample = upsample
        self._check()
        if isinstance(self.panoptic_fusion_head, AffinityFusion):
            self.panoptic_fusion_head.needs_sem_logits = False  # it reads the semantic head's own map

    def _check(self) -> None:
        head = self.semantic_head
        if head.collapse_things:
            msg = (
                "Expected a semantic head with a channel for each thing class, got `collapse_things=True`: "
                "the potential multiplies a detection by its class's probability. Leave it out."
            )
            raise ValueError(msg)
        if self.potential.num_things != head.num_things_classes:
            msg = (
                f"Expected `potential` to have the semantic head's {head.num_things_classes} thing classes, "
                f"got num_things={self.potential.num_things}."
            )
            raise ValueError(msg)
        if not self.roi_head.with_mask and self.potential.form != "mask_free":
            msg = (
                f"Expected a RoI head with a mask head for a potential of form={self.potential.form!r}, got "
                "none. Use 'mask_free'."
            )
            raise ValueError(msg)
        if self.upsample < 1:
            msg = f"Expected `upsample` to be 1 or more, got {self.upsample}. The paper's is 1."
            raise ValueError(msg)
        if not 0 < self.min_iou <= 1:
            msg = f"Expected `min_iou` in (0, 1], got {self.min_iou}. The paper's is 0.5."
            raise ValueError(msg)
        if self.affinity_head is not None and self.panoptic_loss is None:
            msg = (
                "Expected a `panoptic_loss` beside an `affinity_head`, got None: nothing else teaches the "
                "affinity. Set one, or leave the head out."
            )
            raise ValueError(msg)
        if self.tta is not None:
            msg = (
                "Expected no `tta`, got views: the affinity of one view says nothing about the pixels of "
                "another, and the paper has none."
            )
            raise ValueError(msg)
        form = getattr(self.panoptic_fusion_head, "form", self.potential.form)
        if isinstance(self.panoptic_fusion_head, AffinityFusion) and form != self.potential.form:
            msg = (
                f"Expected `panoptic_fusion_head.form` to be that of `potential`, {self.potential.form!r}, "
                f"got {form!r}: inference would not be what training has seen."
            )
            raise ValueError(msg)

    # --- training

    def extra_losses(self, state: TrainingState) -> dict[str, Tensor]:
        """Return ``loss_panoptic``, and the affinity's scale ``gamma`` and the loss's ``tau`` if learned."""
        if self.panoptic_loss is None:
            return {}
        matched = self.matched_detections(state)
        detections = self.potential.add_masks(self.roi_head, state.features, [own for own, _ in matched])
        potentials = self.revised_potentials(state, detections)
        targets = [
            matched_target(
                panoptic_truth(sample),
                segment_ids,
                (potential.shape[1], potential.shape[2]),
                input_size=state.input_size,
                num_things=self.potential.num_things,
            )
            for sample, potential, (_, segment_ids) in zip(state.samples, potentials, matched, strict=True)
        ]
        losses = {"loss_panoptic": self.panoptic_loss(potentials, targets)}
        if self.affinity_head is not None:
            losses["gamma"] = self.affinity_head.gamma.detach().clone()
        if isinstance(self.panoptic_loss.tau, Tensor):
            losses["tau"] = self.panoptic_loss.tau.detach().clone()
        return losses

    def matched_detections(self, state: TrainingState) -> list[tuple[Detections, Tensor]]:
        """Return each image's detections that get a channel, and the segment of each, 0: none.

        Args:
            state: The training step.
        """
        found = self.potential.detections(self.roi_head, state.rois, state.samples)
        matched = []
        for own, sample in zip(found, state.samples, strict=True):
            if self.potential.truth:
                matched.append((own, instance_segments(sample)))
                continue
            matching: SegmentMatching = match_segments(
                own.boxes, own.labels, own.scores, panoptic_truth(sample), min_iou=self.min_iou
            )
            matched.append((own[matching.kept], matching.segment_ids))
        return matched

    def revised_potentials(self, state: TrainingState, detections: Sequence[Detections]) -> list[Tensor]:
        """Return P of each image, or the potential itself without an affinity head.

        Args:
            state: The training step.
            detections: Of each image, with masks where the potential reads them.

        Returns:
            For each image ``(D + S, h, w)``, `upsample` times as fine as the semantic head's map, float32 or
            better.
        """
        sem_logits = self._finer(state.sem_logits)
        potentials = [
            self.potential(logits, own, state.input_size)
            for logits, own in zip(sem_logits, detections, strict=True)
        ]
        affinity = self.affinity_features(state.features)
        if affinity is None or self.affinity_head is None:
            return potentials
        grid = (sem_logits.shape[2], sem_logits.shape[3])
        revised = []
        for i, (potential, sample) in enumerate(zip(potentials, state.samples, strict=True)):
            height, width = sample.img_shape[:2]
            valid = valid_cells((height, width), state.input_size, grid, potential.device)
            revised.append(self.affinity_head.revise(potential, affinity.of_image(i), valid))
        return revised

    def affinity_features(self, features: Sequence[Tensor]) -> AffinityFeatures | None:
        """Return phi0 and phi1 of a batch, as fine as the potential; None: there is no affinity."""
        if self.affinity_head is None:
            return None
        return AffinityFeatures(*(self._finer(part) for part in self.affinity_head(features)))

    def _finer(self, maps: Tensor) -> Tensor:
        if self.upsample == 1:
            return maps
        return F.interpolate(maps, scale_factor=self.upsample, mode="bilinear", align_corners=False)

    # --- testing

    def extend_outputs(
        self,
        outputs: Sequence[NetworkOutput],
        features: Sequence[Tensor],
        sem_logits: Tensor,
        sizes: Sequence[Sizes],
    ) -> None:
        """Add the semantic map and the affinity on their own grid, which the fusion reads."""
        affinity, sem_logits = self.affinity_features(features), self._finer(sem_logits)
        gamma = 0.0 if self.affinity_head is None else self.affinity_head.gamma.detach()
        for i, (output, own_sizes) in enumerate(zip(outputs, sizes, strict=True)):
            of_image = None if affinity is None else affinity.of_image(i)
            output.raw.affinity = affinity_maps(sem_logits[i], own_sizes, of_image, gamma)

    # --- the network alone

    def fixed_forward(self, batch_inputs: Tensor, *, num_boxes: int, num_masks: int) -> Sequence[Tensor]:
        """Run every head once, and the affinity on as many detections as there are masks, and all stuff."""
        features = super().fixed_forward(batch_inputs, num_boxes=num_boxes, num_masks=num_masks)
        affinity = self.affinity_features(features)
        if affinity is not None and self.affinity_head is not None:
            of_image = affinity.of_image(0)
            channels = num_masks + self.semantic_head.num_stuff_classes
            self.affinity_head.revise(batch_inputs.new_zeros(channels, *of_image.phi0.shape[1:]), of_image)
        return features
