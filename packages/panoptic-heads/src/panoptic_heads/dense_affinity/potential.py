"""The dynamic potential in training (Li et al., CVPR 2020, arXiv:2001.04982, sections 3.4.1, 3.5 and A.4).

The channels themselves are :func:`panoptic_fusion.dynamic_potential`'s. Here are the detections that they are
made of: boxes, classes and the choice of NMS are constants, scores and masks stay in the graph. That is how
the panoptic loss alone reaches the box classifier and the mask head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from mmdet.models.layers import multiclass_nms
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import dynamic_potential, full_precision
from panoptic_fusion.affinity.potential import Form
from panoptic_heads.common.precision import at_least_float32
from panoptic_heads.common.roi_head import PanopticRoIHead
from panoptic_heads.common.structures import RoITrainingContext
from panoptic_heads.registry import MODELS

DEFAULT_NMS = {"type": "nms", "iou_threshold": 0.5}  # class-wise; not printed, Mask R-CNN's


@dataclass(frozen=True)
class Detections:
    """One image's detections in training, by falling score.

    Attributes:
        boxes: ``(D, 4)`` xyxy in pixels of the network's input, without gradient.
        labels: ``(D,)`` thing ids.
        scores: ``(D,)`` probabilities of these classes, in the graph; ones for ground truth.
        mask_logits: ``(D, M, M)`` of these classes, in the graph; None: no masks (yet).
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    mask_logits: Tensor | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Tensor) -> "Detections":
        """Select by a bool tensor, or reorder by a long one."""
        return Detections(
            self.boxes[index],
            self.labels[index],
            self.scores[index],
            None if self.mask_logits is None else self.mask_logits[index],
        )


@MODELS.register_module()
class DynamicPotential:
    """Makes the potential of a training step, with the settings of a config.

    It has no parameters. The order of use: :meth:`detections`; whoever matches them may drop some;
    :meth:`add_masks`; then for each image the call itself.

    Args:
        num_things: Number of thing classes.
        form: ``'product'`` (the paper's variant B, Cityscapes), ``'sum'`` (C, COCO), ``'logit_sum'`` (A,
            UPSNet's) or ``'mask_free'``; see :func:`panoptic_fusion.dynamic_potential`.
        truth: Use the ground truth's boxes and classes, with score 1 (Table H).
        score_thr: Detections up to it are left out in training; not printed, Mask R-CNN's.
        nms: Of the detections in training, class-wise; not printed, Mask R-CNN's.
        max_per_img: The best so many are kept; not printed, Mask R-CNN's.

    Raises:
        ValueError: If `form` is unknown.
    """

    def __init__(
        self,
        num_things: int,
        *,
        form: Form = "product",
        truth: bool = False,
        score_thr: float = 0.05,
        nms: Mapping[str, Any] = DEFAULT_NMS,
        max_per_img: int = 100,
    ) -> None:
        if form not in get_args(Form):
            msg = f"Expected `form` to be one of {list(get_args(Form))}, got {form!r}."
            raise ValueError(msg)
        self.num_things = num_things
        self.form: Form = form
        self.truth = truth
        self.score_thr = score_thr
        self.nms = dict(nms)
        self.max_per_img = max_per_img

    def detections(
        self, roi_head: PanopticRoIHead, context: RoITrainingContext, samples: Sequence[DetDataSample]
    ) -> list[Detections]:
        """Return each image's detections, without masks.

        Predicted ones come from the RoIs that the box head was trained on in this step: no second pass.
        The ground truth's own boxes among them, which the sampler adds, are left out.

        Args:
            roi_head: Whose box head made `context`.
            context: The training step's.
            samples: With ``img_shape``, and ``gt_instances`` for the ground truth.
        """
        if self.truth:
            truths = [sample.gt_instances for sample in samples]
            return [Detections(t.bboxes, t.labels, torch.ones_like(t.bboxes[:, 0])) for t in truths]
        found = []
        for sampling, logits, deltas, sample in zip(
            context.sampling_results, context.cls_scores, context.box_deltas, samples, strict=True
        ):
            keep = torch.cat([sampling.pos_is_gt == 0, torch.ones_like(sampling.neg_inds, dtype=torch.bool)])
            found.append(
                self._detect(roi_head, sampling.priors[keep], logits[keep], deltas[keep], sample.metainfo)
            )
        return found

    def _detect(
        self,
        roi_head: PanopticRoIHead,
        rois: Tensor,
        logits: Tensor,
        deltas: Tensor,
        meta: dict[str, Any],
    ) -> Detections:
        logits, deltas = at_least_float32(logits), at_least_float32(deltas)
        if not len(rois):  # MMDetection would return what has no scores of each class
            empty = torch.zeros_like(logits[:, 0], dtype=torch.int64)
            return Detections(rois.reshape(0, 4), empty, logits[:, 0])
        # The batch index of the RoIs is not read; without a test configuration there is no filter yet.
        raw = roi_head.bbox_head._predict_by_feat_single(
            F.pad(rois, (1, 0)), logits, deltas.detach(), meta, rescale=False, rcnn_test_cfg=None
        )
        with torch.no_grad():
            kept, labels, index = multiclass_nms(
                raw.bboxes, raw.scores, self.score_thr, self.nms, self.max_per_img, return_inds=True
            )
        # NMS returns copies of the scores: read them again where they are in the graph, background cut off.
        return Detections(kept[:, :4], labels, raw.scores[:, :-1].flatten()[index])

    def add_masks(
        self, roi_head: PanopticRoIHead, features: Sequence[Tensor], detections: Sequence[Detections]
    ) -> list[Detections]:
        """Run the mask head on the detections of a batch, where the form reads masks.

        Args:
            roi_head: With a mask head, unless the form is ``'mask_free'``.
            features: The pyramid's levels.
            detections: Of each image.

        Raises:
            ValueError: If there is no mask head, and the form reads masks.
        """
        if self.form == "mask_free":
            return list(detections)
        if not roi_head.with_mask:
            msg = f"Expected a RoI head with a mask head for form={self.form!r}, got none. Use 'mask_free'."
            raise ValueError(msg)
        masks = roi_head.mask_logits_in_boxes(
            features, [each.boxes for each in detections], [each.labels for each in detections]
        )
        return [replace(each, mask_logits=mask) for each, mask in zip(detections, masks, strict=True)]

    def __call__(self, sem_logits: Tensor, detections: Detections, input_size: tuple[int, int]) -> Tensor:
        """Return the potential of one image at the resolution of the semantic logits.

        Args:
            sem_logits: ``(C, h, w)``, things first, in the graph.
            detections: That image's.
            input_size: Height and width of the padded input, which the logits cover evenly.

        Returns:
            ``(D + S, h, w)``, float32 or better also under autocast: detections in their order, then stuff.
        """
        height, width = sem_logits.shape[1:]
        factors = detections.boxes.new_tensor([width / input_size[1], height / input_size[0]] * 2)
        with full_precision(sem_logits):
            values = at_least_float32(sem_logits)
            masks = detections.mask_logits
            if self.form != "logit_sum":
                values = values.softmax(dim=0)
                masks = None if masks is None else at_least_float32(masks).sigmoid()
            return dynamic_potential(
                values,
                detections.boxes.detach() * factors,
                detections.labels,
                detections.scores,
                masks,
                num_things=self.num_things,
                form=self.form,
            )
