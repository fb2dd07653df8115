"""What the parts of a detector hand to each other, in training and in testing."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_fusion import RawOutputs


@dataclass
class RoITrainingContext:
    """What the RoI head saw and said in one training step; every tensor of the network is in the graph.

    Lists have one entry for each image. ``K`` positive RoIs of an image come in the order of its sampling
    result.

    Attributes:
        sampling_results: MMDetection's results of assignment and sampling.
        cls_scores: For each image ``(R, T + 1)`` logits of its sampled RoIs, positive ones first; background
            is last.
        box_deltas: For each image ``(R, 4 T)`` or ``(R, 4)``.
        boxes: For each image ``(K, 4)``, the positive RoIs, xyxy in pixels of the network's input.
        labels: For each image ``(K,)``, the class of the assigned ground truth.
        target_indices: For each image ``(K,)``, the index of the assigned ground truth in ``gt_instances``.
        mask_logits: For each image ``(K, M, M)``, the channel of the assigned class; None: there is no mask
            head.
    """

    sampling_results: list[SamplingResult]
    cls_scores: Sequence[Tensor]
    box_deltas: Sequence[Tensor]
    boxes: list[Tensor]
    labels: list[Tensor]
    target_indices: list[Tensor]
    mask_logits: Sequence[Tensor] | None


@dataclass
class TrainingState:
    """One training step as a method's own losses see it.

    Attributes:
        features: The pyramid, finest level first, ``(N, C, h, w)`` each.
        sem_logits: The semantic head's output, ``(N, C, h, w)``, a quarter of the input's side.
        sem_logits_full: The same at the size of the padded input.
        rois: What the RoI head did.
        samples: The batch's ground truth.
    """

    features: Sequence[Tensor]
    sem_logits: Tensor
    sem_logits_full: Tensor
    rois: RoITrainingContext
    samples: list[DetDataSample]

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the padded input."""
        return self.sem_logits_full.shape[2], self.sem_logits_full.shape[3]


@dataclass
class NetworkOutput:
    """What a network says about one image, before fusion, at the image's own resolution.

    Attributes:
        raw: What fusion reads. Its boxes come from the panoptic box filter.
        instances: Standard detections for average precision: bboxes, scores, labels, masks (BoxMasks; not
            without a mask head). None: the things of the fused map are the detections.
        sem_seg: ``(H, W)`` labels of things and stuff, where ``raw.sem_seg`` is the stuff below the things.
    """

    raw: RawOutputs
    instances: InstanceData | None
    sem_seg: Tensor | None = None
