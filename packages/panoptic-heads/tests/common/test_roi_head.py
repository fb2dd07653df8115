"""The RoI head: which mask belongs to which box and class, in training and behind either filter."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_heads.common import PanopticRoIHead
from panoptic_heads.registry import MODELS

Make = Callable[..., dict[str, Any]]


def _tell(rois: Tensor, num_channels: int) -> Tensor:
    """Masks ``(K, C, 1, 1)`` that name their RoI and their channel: 1000 channel + 100 image + left edge."""
    name = 100 * rois[:, 0] + rois[:, 1]
    return (name[:, None] + 1000 * torch.arange(num_channels))[..., None, None]


@pytest.fixture
def head(model_config: Make) -> PanopticRoIHead:
    model = MODELS.build(model_config())
    head: PanopticRoIHead = model.roi_head
    head._mask_forward = lambda x, rois: {
        "mask_preds": _tell(rois, 1 if head.mask_head.class_agnostic else 2)
    }
    return head


@pytest.mark.parametrize("class_agnostic", [False, True])
def test_mask_logits_of_each_box_and_class(class_agnostic: bool, head: PanopticRoIHead) -> None:
    head.mask_head.class_agnostic = class_agnostic
    boxes = [torch.tensor([[3.0, 0.0, 9.0, 9.0], [4.0, 0.0, 9.0, 9.0]]), torch.tensor([[5.0, 0.0, 9.0, 9.0]])]
    labels = [torch.tensor([1, 0]), torch.tensor([1])]
    first, second = head.mask_logits_in_boxes((), boxes, labels)
    channel = 0 if class_agnostic else 1000
    assert first.flatten().tolist() == [channel + 3, 4]
    assert second.flatten().tolist() == [channel + 105]


def test_both_filters_get_the_masks_of_their_boxes(head: PanopticRoIHead) -> None:
    # Three RoIs, box regression of zero: boxes stay where they are. RoI 0 and 1 overlap.
    boxes = torch.tensor([[10.0, 0.0, 18.0, 8.0], [12.0, 0.0, 20.0, 8.0], [40.0, 0.0, 50.0, 8.0]])
    scores = torch.tensor(
        [[0.90, 0.01, 0.0], [0.80, 0.30, 0.0], [0.02, 0.70, 0.0]]
    )  # two classes, background
    head.test_cfg = {"score_thr": 0.05, "nms": {"type": "nms", "iou_threshold": 0.7}, "max_per_img": 10}
    strict = {"score_thr": 0.01, "nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 4}
    ((ap, panoptic),) = head.predict_in_boxes((), [(boxes, scores)], panoptic_filter=strict)
    # IoU of RoI 0 and 1: 6 / 10 = 0.6. AP keeps both, the other filter drops the second.
    assert ap.scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.3])
    assert ap.labels.tolist() == [0, 0, 1, 1]
    assert ap.mask_logits.flatten().tolist() == [10, 12, 1040, 1012]
    assert panoptic.scores.tolist() == pytest.approx([0.9, 0.7, 0.3, 0.02])
    assert panoptic.mask_logits.flatten().tolist() == [10, 1040, 1012, 40]


def test_same_filter_gives_the_same_detections(head: PanopticRoIHead) -> None:
    boxes, scores = torch.tensor([[10.0, 0.0, 18.0, 8.0]]), torch.tensor([[0.9, 0.5, 0.0]])
    ((ap, panoptic),) = head.predict_in_boxes((), [(boxes, scores)])
    assert torch.equal(ap.mask_logits, panoptic.mask_logits)
    assert torch.equal(ap.bboxes, panoptic.bboxes)


def test_no_detection(head: PanopticRoIHead) -> None:
    ((ap, panoptic),) = head.predict_in_boxes((), [(torch.zeros(0, 4), torch.zeros(0, 3))])
    assert len(ap) == len(panoptic) == 0
    assert ap.mask_logits.shape == (0, 1, 1)


def test_training_context_has_the_channel_of_the_assigned_class(model_config: Make, make_batch: Make) -> None:
    model = MODELS.build(model_config()).train()
    head = model.roi_head
    head._mask_forward = lambda x, rois: {"mask_preds": _tell(rois, 2).expand(-1, -1, 8, 8)}
    data = model.data_preprocessor(make_batch("things", "things"), training=True)
    features = model.extract_feat(data["inputs"])
    proposals = [
        InstanceData(bboxes=torch.tensor([[8.0, 8.0, 41.0, 40.0], [60.0, 0.0, 70.0, 9.0]])) for _ in range(2)
    ]
    _, context = head.loss_and_context(features, proposals, data["data_samples"])
    for image, (logits, boxes, labels) in enumerate(
        zip(context.mask_logits, context.boxes, context.labels, strict=True)
    ):
        assert len(boxes) == 3  # two ground-truth boxes and the proposal that fits the first one
        assert torch.equal(logits[:, 0, 0], 1000 * labels + 100 * image + boxes[:, 0])
