"""Mask R-CNN's RoI head, made for panoptic models.

The network is MMDetection's. What is added: training returns what a method's own losses need; testing filters
boxes twice, once for average precision and once for fusion; masks stay in their boxes. A mask
head is optional.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from mmdet.models.layers import multiclass_nms
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.models.utils import unpack_gt_instances
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_heads.common.structures import RoITrainingContext
from panoptic_heads.registry import MODELS

MaskPredictor = Callable[[Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
"""From each image's boxes and labels to its mask logits ``(K, M, M)``."""


@MODELS.register_module()
class PanopticRoIHead(StandardRoIHead):
    """MMDetection's standard RoI head with a training context and two box filters.

    The arguments are MMDetection's; ``test_cfg`` is the filter for average precision. Without a mask head
    (``mask_head=None``) detections are boxes alone.
    """

    def loss(
        self,
        x: Sequence[Tensor],
        rpn_results_list: list[InstanceData],
        batch_data_samples: list[DetDataSample],
    ) -> dict[str, Tensor]:
        """Return the losses alone; see :meth:`loss_and_context`."""
        return self.loss_and_context(x, rpn_results_list, batch_data_samples)[0]

    def loss_and_context(
        self, features: Sequence[Tensor], proposals: list[InstanceData], samples: list[DetDataSample]
    ) -> tuple[dict[str, Tensor], RoITrainingContext]:
        """Sample RoIs, compute the box and mask losses, and say what was seen.

        Args:
            features: The pyramid's levels, ``(N, C, h, w)``.
            proposals: The RPN's boxes for each image, ``bboxes``.
            samples: Ground truth: ``gt_instances`` with bboxes, labels and, for a mask head, masks;
                ``ignored_instances`` with bboxes.

        Returns:
            ``loss_cls``, ``loss_bbox``, ``loss_mask`` if there is a mask head (each attached to its head also
            without any RoI) and ``acc``; the context.
        """
        sampling_results = self._sample(features, proposals, samples)
        box_results = self.bbox_loss(features, sampling_results)
        losses: dict[str, Tensor] = dict(box_results["loss_bbox"])
        if "loss_cls" not in losses:  # MMDetection leaves it out where there is not a single RoI
            losses["loss_cls"] = box_results["cls_score"].sum() * 0
        labels = [result.pos_gt_labels for result in sampling_results]
        positives = [len(result.pos_inds) for result in sampling_results]
        sampled = [len(result.pos_inds) + len(result.neg_inds) for result in sampling_results]
        mask_logits = None
        if self.with_mask:
            targets = [sample.gt_instances for sample in samples]
            mask_results = self.mask_loss(features, sampling_results, box_results["bbox_feats"], targets)
            losses.update(mask_results["loss_mask"])
            mask_logits = torch.split(
                self._of_class(mask_results["mask_preds"], torch.cat(labels)), positives
            )
        context = RoITrainingContext(
            sampling_results=sampling_results,
            cls_scores=box_results["cls_score"].split(sampled),
            box_deltas=box_results["bbox_pred"].split(sampled),
            boxes=[result.pos_priors for result in sampling_results],
            labels=labels,
            target_indices=[result.pos_assigned_gt_inds for result in sampling_results],
            mask_logits=mask_logits,
        )
        return losses, context

    def mask_logits_in_boxes(
        self, features: Sequence[Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Run the mask head on given boxes.

        Args:
            features: The pyramid's levels.
            boxes: For each image ``(K, 4)``, xyxy in pixels of the network's input.
            labels: For each image ``(K,)``, whose channel is wanted.

        Returns:
            For each image ``(K, M, M)``, in the graph.

        Raises:
            ValueError: If there is no mask head.
        """
        self.check_mask_head("masks in boxes")
        logits = self._mask_forward(features, bbox2roi(list(boxes)))["mask_preds"]
        of_class = self._of_class(logits, torch.cat(list(labels)))
        return torch.split(of_class, [len(each) for each in boxes])

    def check_mask_head(self, reader: str) -> None:
        """Raise unless there is a mask head.

        Args:
            reader: Who reads masks, for the error.

        Raises:
            ValueError: If there is none.
        """
        if not self.with_mask:
            msg = f"Expected `roi_head` to have a `mask_head` for {reader}, got none. Give it one."
            raise ValueError(msg)

    def predict_in_boxes(
        self,
        features: Sequence[Tensor],
        candidates: Sequence[tuple[Tensor, Tensor]],
        *,
        panoptic_filter: Any = None,
    ) -> list[tuple[InstanceData, InstanceData]]:
        """Filter candidates twice, and predict masks once for the boxes that either filter kept.

        Args:
            features: The pyramid's levels.
            candidates: From :meth:`candidates`.
            panoptic_filter: The filter of the boxes that fusion gets: ``score_thr``, ``nms``, ``max_per_img``
                as in ``test_cfg``. None: fusion gets the boxes that average precision gets.

        Returns:
            For each image the detections for average precision and those for fusion: ``bboxes`` (n, 4) in
            pixels of the network's input, ``scores`` (n,), ``labels`` (n,) and, from a mask head,
            ``mask_logits`` (n, M, M), by falling score.
        """
        kept = self.filter_candidates(candidates, panoptic_filter=panoptic_filter)
        return self.add_masks(kept, partial(self.mask_logits_in_boxes, features))

    def candidates(
        self, features: Sequence[Tensor], proposals: list[InstanceData], metas: list[dict[str, Any]]
    ) -> list[tuple[Tensor, Tensor]]:
        """Regress and score the proposals.

        Args:
            features: The pyramid's levels.
            proposals: The RPN's boxes for each image.
            metas: Meta data of each image, with ``img_shape``.

        Returns:
            For each image boxes ``(R, 4 T)`` or ``(R, 4)`` in pixels of the network's input, and class
            probabilities ``(R, T + 1)``, background last.
        """
        boxes = [proposal.bboxes for proposal in proposals]
        rois = bbox2roi(boxes)
        results = self._bbox_forward(features, rois)
        counts = [len(each) for each in boxes]
        candidates = []
        for roi, score, delta, meta in zip(
            rois.split(counts),
            results["cls_score"].split(counts),
            results["bbox_pred"].split(counts),
            metas,
            strict=True,
        ):
            if not len(roi):
                candidates.append((roi.new_zeros(0, 4), roi.new_zeros(0, self.bbox_head.num_classes + 1)))
                continue
            # Without a test configuration MMDetection returns what precedes its filter.
            raw = self.bbox_head._predict_by_feat_single(
                roi, score, delta, meta, rescale=False, rcnn_test_cfg=None
            )
            candidates.append((raw.bboxes, raw.scores))
        return candidates

    def filter_candidates(
        self, candidates: Sequence[tuple[Tensor, Tensor]], *, panoptic_filter: Any = None
    ) -> list[tuple[InstanceData, InstanceData]]:
        """Apply both filters to candidates, which may come from several views of an image.

        Args:
            candidates: From :meth:`candidates`.
            panoptic_filter: As in :meth:`predict_in_boxes`.

        Returns:
            For each image the detections for average precision and those for fusion: bboxes, scores, labels
            and ``candidates``, equal where both have the same box.
        """
        kept = []
        for boxes, scores in candidates:
            ap = _filter_boxes(boxes, scores, self.test_cfg)
            panoptic = ap if panoptic_filter is None else _filter_boxes(boxes, scores, panoptic_filter)
            kept.append((ap, panoptic))
        return kept

    def add_masks(
        self, kept: Sequence[tuple[InstanceData, InstanceData]], mask_logits: MaskPredictor
    ) -> list[tuple[InstanceData, InstanceData]]:
        """Predict a mask once for each candidate that either filter kept, and share the result out.

        Args:
            kept: From :meth:`filter_candidates`.
            mask_logits: Gives masks for boxes and labels, as :meth:`mask_logits_in_boxes`; not called where
                there is no mask head.

        Returns:
            As :meth:`predict_in_boxes`.
        """
        if not self.with_mask:
            return [(_without_candidates(ap), _without_candidates(panoptic)) for ap, panoptic in kept]
        boxes, labels, inverses = [], [], []
        for ap, panoptic in kept:
            both = torch.cat([ap.candidates, panoptic.candidates])
            distinct, inverse = torch.unique(both, return_inverse=True)
            first = torch.zeros_like(distinct)
            first[inverse] = torch.arange(len(both), device=both.device)
            boxes.append(torch.cat([ap.bboxes, panoptic.bboxes])[first])
            labels.append(torch.cat([ap.labels, panoptic.labels])[first])
            inverses.append(inverse)
        results = []
        for (ap, panoptic), masks, inverse in zip(kept, mask_logits(boxes, labels), inverses, strict=True):
            of_ap, of_panoptic = torch.split(masks[inverse], [len(ap), len(panoptic)])
            results.append(
                (
                    _without_candidates(ap, mask_logits=of_ap),
                    _without_candidates(panoptic, mask_logits=of_panoptic),
                )
            )
        return results

    def _sample(
        self, features: Sequence[Tensor], proposals: list[InstanceData], samples: list[DetDataSample]
    ) -> list[SamplingResult]:
        targets, ignored, _ = unpack_gt_instances(samples)
        results = []
        for i, proposal in enumerate(proposals):
            proposal.priors = proposal.pop("bboxes")
            assigned = self.bbox_assigner.assign(proposal, targets[i], ignored[i])
            level_features = [level[i][None] for level in features]
            results.append(self.bbox_sampler.sample(assigned, proposal, targets[i], feats=level_features))
        return results

    def _of_class(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Pick each RoI's channel: that of its class, or the only one. ``(K, C, M, M) -> (K, M, M)``."""
        if self.mask_head.class_agnostic:
            return logits[:, 0]
        return logits[torch.arange(len(labels), device=labels.device), labels]


def _filter_boxes(boxes: Tensor, scores: Tensor, cfg: Any) -> InstanceData:
    """Apply one filter: score threshold, class-wise NMS, a number of boxes.

    Returns:
        bboxes, scores, labels and ``candidates``: the index of RoI and class, equal for equal detections.
    """
    detections, labels, candidates = multiclass_nms(
        boxes, scores, cfg["score_thr"], cfg["nms"], cfg["max_per_img"], return_inds=True
    )
    return InstanceData(
        bboxes=detections[:, :4], scores=detections[:, 4], labels=labels, candidates=candidates
    )


def _without_candidates(instances: InstanceData, **more: Tensor) -> InstanceData:
    return InstanceData(bboxes=instances.bboxes, scores=instances.scores, labels=instances.labels, **more)
