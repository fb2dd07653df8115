"""OANet: Mask R-CNN and a stuff branch in one network, and spatial ranking (Liu et al., arXiv:1903.05027).

The fusion is :class:`~panoptic_heads.common.fusion.RankingFusion`; whatever else makes it OANet is here.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, Literal, Self, get_args

import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor

from panoptic_fusion import BoxMasks
from panoptic_heads.common.detector import PanopticTwoStageDetector
from panoptic_heads.common.panoptic_target import panoptic_truth
from panoptic_heads.common.resize import Sizes
from panoptic_heads.common.structures import NetworkOutput, TrainingState
from panoptic_heads.oanet.class_maps import class_map, conflict_labels, enlarge, shrink, to_box_masks
from panoptic_heads.registry import MODELS

Sharing = Literal["fpn", "backbone", "none"]
INSTANCE_LOSSES = ("loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_mask")
STUFF_LOSS = "loss_semantic"


class Pyramids(tuple[Tensor, ...]):
    """The levels of the instance branch, which see the tuple, and those of the stuff branch beside them."""

    stuff: tuple[Tensor, ...]

    def __new__(cls, levels: Iterable[Tensor], stuff: Iterable[Tensor]) -> Self:
        """Put both together."""
        self = super().__new__(cls, levels)
        self.stuff = tuple(stuff)
        return self


@MODELS.register_module()
class OANet(PanopticTwoStageDetector):
    """Panoptic detector with a spatial ranking of overlapping instances.

    Args:
        ranking_head: A :class:`~panoptic_heads.oanet.ranking.SpatialRanking`; None: the paper's baseline.
        sharing: What instance and stuff branch share (Table 4): ``'fpn'`` backbone and pyramid (default),
            ``'backbone'`` the backbone below two pyramids, ``'none'`` nothing, two networks.
        stuff_neck: The stuff branch's own pyramid, if it has one. None: as `neck`, without levels that it
            does not read.
        ranking_score_thr: At inference, instances with at least this detection score are drawn into the
            ranking map. None: the fusion's own ``score_thr``.
        **kwargs: As in :class:`~panoptic_heads.common.detector.PanopticTwoStageDetector`.

    Attributes:
        measure_gradients: Whether the next training step fills `gradient_balance`;
            :class:`~panoptic_heads.oanet.gradient_balance.GradientBalanceHook` sets it.
        gradient_balance: Mean absolute gradient of each branch at the backbone's last feature map (figure 5).

    Raises:
        ValueError: If `sharing` is none of those above, or there is no mask head whose masks could be ranked.
    """

    def __init__(
        self,
        *,
        ranking_head: Any = None,
        sharing: Sharing = "fpn",
        stuff_neck: Any = None,
        ranking_score_thr: float | None = None,
        **kwargs: Any,
    ) -> None:
        if sharing not in get_args(Sharing):
            msg = f"Expected `sharing` to be one of {list(get_args(Sharing))}, got {sharing!r}."
            raise ValueError(msg)
        backbone, neck = deepcopy(kwargs["backbone"]), deepcopy(stuff_neck or kwargs["neck"])
        super().__init__(**kwargs)
        self.sharing = sharing
        with DefaultScope.overwrite_default_scope("mmdet"):
            if sharing == "none":
                self.stuff_backbone = MMDET_MODELS.build(backbone)
            if sharing != "fpn":
                if stuff_neck is None:
                    neck.update(num_outs=len(neck["in_channels"]), add_extra_convs=False)
                self.stuff_neck = MMDET_MODELS.build(neck)
            self.ranking_head = None if ranking_head is None else MODELS.build(ranking_head)
        if self.ranking_head is not None:
            self.roi_head.check_mask_head("`ranking_head`")
        if ranking_score_thr is None:
            ranking_score_thr = getattr(self.panoptic_fusion_head, "score_thr", 0.0)
        self.ranking_score_thr = ranking_score_thr
        self.measure_gradients = False
        self.gradient_balance: dict[str, float] = {}
        self._last_maps: dict[str, Tensor] = {}

    # --- what the branches share

    def extract_feat(self, batch_inputs: Tensor) -> Sequence[Tensor]:
        """Return the pyramid's levels, with the stuff branch's own beside them where they are not shared."""
        levels = self.backbone(batch_inputs)
        stuff_levels = self.stuff_backbone(batch_inputs) if self.sharing == "none" else levels
        if self.measure_gradients:
            self._last_maps = {"instance": levels[-1], "stuff": stuff_levels[-1]}
        pyramid: Sequence[Tensor] = self.neck(levels)
        return pyramid if self.sharing == "fpn" else Pyramids(pyramid, self.stuff_neck(stuff_levels))

    def semantic_logits(self, features: Sequence[Tensor]) -> Tensor:
        """Return the stuff branch's output ``(N, C, h, w)``."""
        return super().semantic_logits(features.stuff if isinstance(features, Pyramids) else features)

    # --- training

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[DetDataSample]) -> dict[str, Tensor]:
        """Return all losses of a batch of normalised, padded images ``(N, 3, H, W)``."""
        losses = super().loss(batch_inputs, batch_data_samples)
        if self.measure_gradients:
            self.gradient_balance = self._measure_gradients(losses)
        return losses

    def extra_losses(self, state: TrainingState) -> dict[str, Tensor]:
        """Return ``loss_ranking``, of the pixels where ground-truth instances of several classes lie."""
        if self.ranking_head is None:
            return {}
        maps, labels = [], []
        for sample in state.samples:
            target = panoptic_truth(sample)
            truth = sample.gt_instances
            masks = to_box_masks(truth.masks, target.device)
            drawn = class_map(masks, truth.labels, target.shape, self.ranking_head.num_things_classes)
            label = conflict_labels(drawn, target, ignore_index=self.ranking_head.ignore_index)
            maps.append(shrink(drawn, self.ranking_head.stride))
            labels.append(shrink(label, self.ranking_head.stride))
        return {"loss_ranking": self.ranking_head.loss(maps, labels)}

    def fixed_forward(self, batch_inputs: Tensor, *, num_boxes: int, num_masks: int) -> Sequence[Tensor]:
        """Run every head once, the ranking module on an empty map."""
        features = super().fixed_forward(batch_inputs, num_boxes=num_boxes, num_masks=num_masks)
        if self.ranking_head is not None:
            stride = self.ranking_head.stride
            size = (-(-batch_inputs.shape[2] // stride), -(-batch_inputs.shape[3] // stride))
            self.ranking_head(batch_inputs.new_zeros(1, self.ranking_head.num_things_classes, *size))
        return features

    def _measure_gradients(self, losses: dict[str, Any]) -> dict[str, float]:
        """Return each branch's mean absolute gradient at its backbone's last map; stuff has weight 1."""
        weight = self.semantic_head.semantic_loss.loss_weight
        maps, self._last_maps = self._last_maps, {}
        if weight == 0:
            msg = "Expected a stuff loss of a weight above 0 to measure its gradient, got 0."
            raise ValueError(msg)
        totals = {
            "instance": sum(_total(losses[name]) for name in INSTANCE_LOSSES if name in losses),
            "stuff": _total(losses[STUFF_LOSS]) / weight,
        }
        balance = {}
        for branch, last_map in maps.items():
            if last_map.requires_grad:  # not if the whole backbone is frozen
                (gradient,) = torch.autograd.grad(
                    totals[branch], last_map, retain_graph=True, allow_unused=True
                )
                balance[branch] = 0.0 if gradient is None else gradient.float().abs().mean().item()
        return balance

    # --- testing

    def ranking_logits(
        self, masks: BoxMasks, labels: Tensor, input_size: tuple[int, int], output_size: tuple[int, int]
    ) -> Tensor:
        """Rank given instances.

        Args:
            masks: ``N`` masks in pixels of the network's input.
            labels: ``(N,)`` thing ids.
            input_size: Height and width of the image at the network's input, without padding.
            output_size: Of the result.

        Returns:
            ``(T, H, W)`` float32 logits.
        """
        assert self.ranking_head is not None
        drawn = class_map(masks, labels, input_size, self.ranking_head.num_things_classes)
        small = shrink(drawn, self.ranking_head.stride)
        return enlarge(self.ranking_head(small[None].float())[0].float(), output_size)

    def _raw_output(
        self,
        meta: dict[str, Any],
        for_ap: InstanceData,
        for_fusion: InstanceData,
        sem_logits: Tensor,
        sizes: Sizes,
    ) -> NetworkOutput:
        """Add the ranking map of the instances that fusion may lay."""
        output = super()._raw_output(meta, for_ap, for_fusion, sem_logits, sizes)
        if self.ranking_head is not None:
            drawn = for_fusion[for_fusion.scores >= self.ranking_score_thr]
            output.raw.ranking = self.ranking_logits(
                BoxMasks.from_logits(drawn.mask_logits, drawn.bboxes),
                drawn.labels,
                (int(meta["img_shape"][0]), int(meta["img_shape"][1])),
                output.raw.size,
            )
        return output


def _total(loss: Tensor | Sequence[Tensor]) -> Tensor:
    """Add up a loss's terms: MMDetection's RPN gives one for each level."""
    return loss if isinstance(loss, Tensor) else torch.stack([term.sum() for term in loss]).sum()
