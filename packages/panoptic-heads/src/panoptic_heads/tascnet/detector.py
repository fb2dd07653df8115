"""TASCNet: Mask R-CNN and a semantic head on one pyramid, held together by TASC (arXiv:1812.01192).

The parts that make it TASCNet beside this class are config: the pyramid's P6 and P7, the semantic head of
section 3.1.2 (:class:`~panoptic_heads.common.semantic_heads.ConcatSemanticHead`), the box filter and the
mask-guided fusion.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from panoptic_fusion import PanopticSegmentation, RawOutputs
from panoptic_heads.common.detector import PanopticTwoStageDetector
from panoptic_heads.common.structures import NetworkOutput, TrainingState
from panoptic_heads.registry import MODELS
from panoptic_heads.tascnet.consistency import flatten_batch, semantic_thing_map, tasc_loss, valid_pixels
from panoptic_heads.tascnet.residual import detection_residual

Resolution = Literal["image", "quarter"]
Stage = Literal["joint", "things", "stuff"]


@MODELS.register_module()
class TASCNet(PanopticTwoStageDetector):
    """Panoptic detector with the Things and Stuff Consistency loss.

    Args:
        tasc_weight: The paper's lambda. 1.0 is what the text calls final (section 4.4); the published 59.3 PQ
            on Cityscapes is Table 4's row of 0.1. 0 switches the loss off.
        tasc_resolution: ``'image'`` compares the masks at the size of the network's input, as the paper says;
            ``'quarter'`` at the semantic head's own, a sixteenth of the work.
        stage: Table 5's staged training. ``'joint'`` trains everything; ``'things'`` and ``'stuff'`` train
            one head, the other one's parameters stay as they are. Joint training then starts from that
            checkpoint.
        predict_residual: Also predict ``pred_residual`` (PixelData with ``residual``, ``(1, H, W)``): how far
            the things map of the detections exceeds the semantic one. Figure 4, and a metric, are made of it.
        **kwargs: As in :class:`~panoptic_heads.common.detector.PanopticTwoStageDetector`.

    Raises:
        ValueError: If a choice is not one of those above, or the loss has no mask head to compare with.
    """

    def __init__(
        self,
        *,
        tasc_weight: float = 1.0,
        tasc_resolution: Resolution = "image",
        stage: Stage = "joint",
        predict_residual: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_choice("tasc_resolution", tasc_resolution, get_args(Resolution))
        _check_choice("stage", stage, get_args(Stage))
        if not tasc_weight >= 0:
            msg = f"Expected `tasc_weight` to be 0 or more, got {tasc_weight}."
            raise ValueError(msg)
        if tasc_weight > 0:
            self.roi_head.check_mask_head("`tasc_weight` above 0")
        self.tasc_weight = tasc_weight
        self.tasc_resolution = tasc_resolution
        self.stage = stage
        self.predict_residual = predict_residual
        if stage == "things":
            self.semantic_head.requires_grad_(False)
        if stage == "stuff":
            self.rpn_head.requires_grad_(False)
            self.roi_head.requires_grad_(False)

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Return all losses of the stage for a batch of normalised, padded images ``(N, 3, H, W)``."""
        if self.stage == "joint":
            return super().loss(batch_inputs, batch_data_samples)
        features = self.extract_feat(batch_inputs)
        if self.stage == "things":
            return self.thing_losses(features, batch_data_samples)[0]
        losses, *_ = self.semantic_losses(features, batch_data_samples, batch_inputs.shape[2:])
        # P6 and P7 have no reader here; every parameter that is trained must still have a gradient.
        losses["loss_semantic"] = losses["loss_semantic"] + 0 * sum(level.sum() for level in features)
        return losses

    def extra_losses(self, state: TrainingState) -> dict[str, Tensor]:
        """Return ``loss_tasc``, the weighted mean squared residual over valid pixels (section 3.2)."""
        if self.tasc_weight == 0:
            return {}
        valid = valid_pixels(_panoptic_targets(state.samples), state.input_size)
        logits, scale = state.sem_logits_full, 1.0
        if self.tasc_resolution == "quarter":
            logits = state.sem_logits
            scale = logits.shape[3] / state.input_size[1]
            valid = F.interpolate(valid[None].float(), size=logits.shape[2:], mode="nearest-exact")[0].bool()
        size = (logits.shape[2], logits.shape[3])
        assert state.rois.mask_logits is not None
        things = flatten_batch(state.rois.mask_logits, state.rois.boxes, size, scale=scale)
        semantic = semantic_thing_map(logits, self.semantic_head.num_thing_channels)
        return {"loss_tasc": self.tasc_weight * tasc_loss(things, semantic, valid)}

    def predict_candidates(
        self, features: Sequence[Tensor], samples: list[DetDataSample]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return each image's boxes and class probabilities; none while only stuff is trained."""
        if self.stage != "stuff":
            return super().predict_candidates(features, samples)
        num_classes = self.roi_head.bbox_head.num_classes + 1
        return [(features[0].new_zeros(0, 4), features[0].new_zeros(0, num_classes)) for _ in samples]

    def predict_raw(
        self, batch_inputs: Tensor, samples: list[DetDataSample], *, rescale: bool = True
    ) -> list[NetworkOutput]:
        """Run the network alone; while only things are trained, every pixel's class is void."""
        self.keep_sem_logits = self.keep_sem_logits or self.predict_residual
        outputs = super().predict_raw(batch_inputs, samples, rescale=rescale)
        if self.stage == "things":
            for output in outputs:
                assert output.raw.sem_seg is not None
                output.raw.sem_seg = torch.full_like(output.raw.sem_seg, self.semantic_head.ignore_index)
        return outputs

    def fill_sample(
        self, sample: DetDataSample, instances: InstanceData, raw: RawOutputs, seg: PanopticSegmentation
    ) -> None:
        """Put the predictions of one image into its sample."""
        super().fill_sample(sample, instances, raw, seg)
        if self.stage == "things":
            sample.pop("pred_sem_seg", None)
        if self.predict_residual:
            residual = detection_residual(raw, self.semantic_head.num_thing_channels)
            sample.pred_residual = PixelData(residual=residual[None])


def _panoptic_targets(samples: list[DetDataSample]) -> list[PanopticSegmentation]:
    for sample in samples:
        if "gt_panoptic" not in sample:
            msg = (
                f"Expected training samples to have `gt_panoptic`, which tells crowd and void, got "
                f"{sample.keys()}. End the training pipeline with panoptic_data.PackPanopticInputs."
            )
            raise ValueError(msg)
    return [sample.gt_panoptic for sample in samples]


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        msg = f"Expected `{name}` to be one of {list(choices)}, got {value!r}."
        raise ValueError(msg)
