"""The oracle of ground-truth boxes: region proposals and box regression are perfect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_core.oracles import OracleError, true_instances

if TYPE_CHECKING:
    from panoptic_heads.common.detector import PanopticTwoStageDetector


def predict_in_true_boxes(
    model: PanopticTwoStageDetector,
    features: Sequence[Tensor],
    samples: Sequence[DetDataSample],
    *,
    with_classes: bool,
) -> list[tuple[InstanceData, InstanceData]]:
    """Predict masks in the ground truth's boxes.

    Every true instance is one detection: of its true class with score 1 (`with_classes`), or of the thing
    class that the box head finds most probable there, with that probability as its score. No box suppresses
    another; those below a filter's ``score_thr`` are left out.

    Args:
        model: With ``roi_head`` and ``test_cfg``.
        features: The pyramid's levels.
        samples: With ``gt_panoptic`` at the image's own resolution, ``img_shape`` and ``ori_shape``.
        with_classes: Take the true classes too.

    Returns:
        As :meth:`~panoptic_heads.common.roi_head.PanopticRoIHead.predict_in_boxes`.

    Raises:
        OracleError: If a sample has no ground truth.
    """
    truths = [_boxes_in_input(sample, features[0].device) for sample in samples]
    proposals = [InstanceData(bboxes=boxes) for boxes, _ in truths]
    candidates = model.roi_head.candidates(features, proposals, [sample.metainfo for sample in samples])
    panoptic = model.test_cfg.get("panoptic") or model.test_cfg.rcnn
    kept = []
    for (boxes, labels), (_, probs) in zip(truths, candidates, strict=True):
        scores = torch.ones_like(boxes[:, 0])
        if not with_classes and len(boxes):
            scores, labels = probs[:, :-1].max(dim=1)  # background is last
        order = scores.argsort(descending=True, stable=True)
        detections = InstanceData(
            bboxes=boxes[order], scores=scores[order], labels=labels[order], candidates=order
        )
        kept.append(
            tuple(detections[detections.scores > cfg["score_thr"]] for cfg in (model.test_cfg.rcnn, panoptic))
        )
    return model.roi_head.add_masks(kept, partial(model.roi_head.mask_logits_in_boxes, features))


def _boxes_in_input(sample: DetDataSample, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the true boxes in pixels of the network's input, and their classes."""
    if "gt_panoptic" not in sample:
        msg = (
            "Expected samples with `gt_panoptic` for the oracle `boxes`, got none. Put LoadPanoptic before "
            "the packing transform of the test pipeline."
        )
        raise OracleError(msg)
    boxes, labels = true_instances(sample.gt_panoptic.to(device))
    (height, width), (own_height, own_width) = sample.img_shape[:2], sample.ori_shape[:2]
    return boxes * boxes.new_tensor([width / own_width, height / own_height] * 2), labels
