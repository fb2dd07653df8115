"""UPSNet: a unified panoptic segmentation network (Xiong et al., CVPR 2019, arXiv:1901.03784).

Written from the paper; its public code, which may not be used commercially, was not copied. The parts that
make it UPSNet beside this class are config: the deformable semantic head, the global context in the pyramid
(COCO), the box filter and the fusion by panoptic logits.
"""

from collections.abc import Sequence
from typing import Any, get_args

from torch import Tensor

from panoptic_fusion import BoxMasks, dense_panoptic_logits, full_precision
from panoptic_heads.common.detector import PanopticTwoStageDetector
from panoptic_heads.common.panoptic_target import instance_segments, panoptic_truth
from panoptic_heads.common.structures import TrainingState
from panoptic_heads.registry import MODELS
from panoptic_heads.upsnet.panoptic_loss import draw_visible, panoptic_cross_entropy, panoptic_target
from panoptic_heads.upsnet.roi_loss import Divisor, roi_semantic_loss


@MODELS.register_module()
class UPSNet(PanopticTwoStageDetector):
    """Panoptic detector that is trained through its fusion, and by the RoI loss.

    Args:
        panoptic_weight: Of the panoptic loss: 0.5 on Cityscapes, 0.1 on COCO (section 4). 0 switches it off:
            UPSNet-C.
        roi_weight: Of the RoI loss: a fifth of the semantic loss's weight (section 4). 0 switches it off.
        unknown: Train the unknown channel: some instances lose theirs, and their pixels are unknown. Off:
            none is dropped, and thing pixels without an instance have no target. The fusion has a switch of
            the same name.
        drop_fraction: The share of an image's instances that become unknown (section 3.1).
        roi_size: Cells on each side of the RoI loss's crops (section 3.1).
        roi_sampling_ratio: RoIAlign's samples on each axis of such a cell; 1: bilinear resizing.
        divide_by: ``'valid'``: the losses are means over the pixels that have a target; ``'all'``: the sums
            are divided by all pixels, as in the public code.
        **kwargs: As in :class:`~panoptic_heads.common.detector.PanopticTwoStageDetector`.

    Raises:
        ValueError: If a weight, a share or a choice is out of range, or the panoptic loss has no mask head
            or a semantic head that knows all things as one class.
    """

    def __init__(
        self,
        *,
        panoptic_weight: float = 0.5,
        roi_weight: float = 0.2,
        unknown: bool = True,
        drop_fraction: float = 0.3,
        roi_size: int = 28,
        roi_sampling_ratio: int = 1,
        divide_by: Divisor = "valid",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, weight in (("panoptic_weight", panoptic_weight), ("roi_weight", roi_weight)):
            if not weight >= 0:
                msg = f"Expected `{name}` to be 0 or more, got {weight}."
                raise ValueError(msg)
        if not 0 <= drop_fraction <= 1:
            msg = f"Expected `drop_fraction` to be in [0, 1], got {drop_fraction}."
            raise ValueError(msg)
        if divide_by not in get_args(Divisor):
            msg = f"Expected `divide_by` to be one of {list(get_args(Divisor))}, got {divide_by!r}."
            raise ValueError(msg)
        if panoptic_weight > 0:
            self.roi_head.check_mask_head("`panoptic_weight` above 0")
        if self.semantic_head.collapse_things and panoptic_weight > 0:
            msg = (
                "Expected a semantic head with a channel for each thing class, got `collapse_things=True`: "
                "there is no X_thing. Leave it out, or set `panoptic_weight=0`."
            )
            raise ValueError(msg)
        self.panoptic_weight = panoptic_weight
        self.roi_weight = roi_weight
        self.unknown = unknown
        self.drop_fraction = drop_fraction
        self.roi_size = roi_size
        self.roi_sampling_ratio = roi_sampling_ratio
        self.divide_by: Divisor = divide_by

    def extra_losses(self, state: TrainingState) -> dict[str, Tensor]:
        """Return ``loss_semantic_roi`` and ``loss_panoptic``, weighted, where their weight is not 0."""
        losses = {}
        if self.roi_weight > 0:
            losses["loss_semantic_roi"] = self.roi_weight * self.roi_loss(state)
        if self.panoptic_weight > 0:
            losses["loss_panoptic"] = self.panoptic_weight * self.panoptic_loss(state)
        return losses

    def roi_loss(self, state: TrainingState) -> Tensor:
        """Return the cross entropy of the semantic logits inside the ground truth's boxes."""
        head = self.semantic_head
        return roi_semantic_loss(
            state.sem_logits,
            head.targets(state.samples, state.input_size),
            [sample.gt_instances.bboxes for sample in state.samples],
            size=self.roi_size,
            sampling_ratio=self.roi_sampling_ratio,
            divide_by=self.divide_by,
            ignore_index=head.ignore_index,
        )

    def panoptic_loss(self, state: TrainingState) -> Tensor:
        """Return the cross entropy of the panoptic logits of the ground truth's boxes, at a quarter."""
        visible = [
            draw_visible(len(sample.gt_instances), self.drop_fraction if self.unknown else 0.0)
            for sample in state.samples
        ]
        head = self.semantic_head
        targets = [
            panoptic_target(
                panoptic_truth(sample),
                instance_segments(sample),
                own,
                (state.sem_logits.shape[2], state.sem_logits.shape[3]),
                input_size=state.input_size,
                num_things=head.num_things_classes,
                num_stuff=head.num_stuff_classes,
                unknown=self.unknown,
            )
            for sample, own in zip(state.samples, visible, strict=True)
        ]
        return panoptic_cross_entropy(self.panoptic_logits(state, visible), targets, divide_by=self.divide_by)

    def panoptic_logits(self, state: TrainingState, visible: Sequence[Tensor]) -> list[Tensor]:
        """Return Z of each image, made of the ground truth's boxes and classes.

        Args:
            state: The training step.
            visible: For each image ``(N,)`` bool, the instances that have a channel.

        Returns:
            For each image ``(S + V [+ 1], h, w)`` at the semantic head's resolution, float32 or better, in
            the graph of semantic and mask head.
        """
        boxes, labels = [], []
        for sample, own in zip(state.samples, visible, strict=True):
            instances, kept = sample.gt_instances, own.to(sample.gt_instances.bboxes.device)
            boxes.append(instances.bboxes[kept])
            labels.append(instances.labels[kept])
        # A second pass of the mask head: on the ground truth's boxes, its logits of the true class (3.1).
        masks = self.roi_head.mask_logits_in_boxes(state.features, boxes, labels)
        scale_x = state.sem_logits.shape[3] / state.input_size[1]
        scale_y = state.sem_logits.shape[2] / state.input_size[0]
        with full_precision(state.sem_logits):
            return [
                dense_panoptic_logits(
                    sem_logits,
                    BoxMasks.from_logits(mask, box).rescale(scale_x, scale_y),
                    label,
                    num_things=self.semantic_head.num_things_classes,
                    unknown=self.unknown,
                )
                for sem_logits, mask, box, label in zip(state.sem_logits, masks, boxes, labels, strict=True)
            ]
