"""Fusion as a config line: what turns :class:`panoptic_fusion.RawOutputs` into a panoptic map.

Any of these fits any box-based detector of this package. Each holds its thresholds and calls the pure
function of :mod:`panoptic_fusion`; names of the thresholds are MMDetection's where it has one.
"""

from typing import Literal, Protocol

import torch
from torch import Tensor

from panoptic_fusion import (
    BoxMasks,
    PanopticSegmentation,
    RawOutputs,
    fuse_by_confidence,
    fuse_by_mask_guidance,
    fuse_by_panoptic_logits,
    fuse_by_ranking,
)
from panoptic_heads.registry import MODELS


class Fusion(Protocol):
    """What a detector needs of a fusion; one that reads ``raw.sem_logits`` has ``needs_sem_logits`` true.

    One with a true ``needs_masks`` cannot do with a network without mask head, which gives boxes alone.
    One with a true ``stuff_everywhere`` gets ``raw.sem_seg`` without things: each pixel's best stuff class.
    """

    needs_sem_logits: bool

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image at the resolution of ``raw``."""
        ...


@MODELS.register_module()
class ConfidenceFusion:
    """Instances by falling confidence, then stuff (Kirillov et al., arXiv:1801.00868, section 6.2).

    Args:
        score_thr: Instances below it are left out.
        mask_overlap: An instance that is covered to more than this share by earlier ones is left out.
        stuff_area_limit: Stuff segments with fewer pixels become void.
    """

    needs_sem_logits = False
    needs_masks = True

    def __init__(
        self, score_thr: float = 0.5, mask_overlap: float = 0.5, stuff_area_limit: int = 4096
    ) -> None:
        self.score_thr = score_thr
        self.mask_overlap = mask_overlap
        self.stuff_area_limit = stuff_area_limit

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image."""
        masks, labels, scores = _instances(raw)
        return fuse_by_confidence(
            masks,
            labels,
            scores,
            raw.semantic_labels(),
            num_things=raw.num_things,
            score_threshold=self.score_thr,
            overlap_threshold=self.mask_overlap,
            stuff_area_limit=self.stuff_area_limit,
        )


@MODELS.register_module()
class MaskGuidedFusion:
    """Instances by falling confidence, where the semantic head sees things too (TASCNet, section 3.3).

    Args:
        score_thr: Instances below it are left out.
        box_nms: Cutoff of the class-wise box NMS.
        mask_nms: Cutoff of the class-agnostic mask NMS.
        mask_overlap: Limit of an instance's overlap with those already added.
        guidance: The least share of an instance that the things mask must cover.
        measure: ``'coverage'`` divides both overlaps by the instance's own area; ``'iou'`` is the literal
            text.
        clip: Write only pixels inside the things mask.
        fill: What things pixels without an instance become: void, or the best ``'stuff'`` class (needs
            logits).
        stuff_area_limit: Stuff segments with fewer pixels become void; the paper has no limit.
    """

    needs_masks = True

    def __init__(
        self,
        score_thr: float = 0.5,
        box_nms: float = 0.3,
        mask_nms: float = 0.3,
        mask_overlap: float = 0.4,
        guidance: float = 0.7,
        measure: Literal["coverage", "iou"] = "coverage",
        clip: bool = True,
        fill: Literal["void", "stuff"] = "void",
        stuff_area_limit: int = 0,
    ) -> None:
        self.score_thr = score_thr
        self.box_nms = box_nms
        self.mask_nms = mask_nms
        self.mask_overlap = mask_overlap
        self.guidance = guidance
        self.measure = measure
        self.clip = clip
        self.fill = fill
        self.stuff_area_limit = stuff_area_limit

    @property
    def needs_sem_logits(self) -> bool:
        """The best stuff class below a things pixel is in the logits alone."""
        return self.fill == "stuff"

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image."""
        masks, labels, scores = _instances(raw)
        return fuse_by_mask_guidance(
            masks,
            labels,
            scores,
            raw.semantic_labels(),
            num_things=raw.num_things,
            score_threshold=self.score_thr,
            box_nms_threshold=self.box_nms,
            mask_nms_threshold=self.mask_nms,
            overlap_threshold=self.mask_overlap,
            guidance_threshold=self.guidance,
            measure=self.measure,
            clip=self.clip,
            fill=self.fill,
            stuff_seg=_best_stuff(raw) if self.fill == "stuff" else None,
            stuff_area_limit=self.stuff_area_limit,
        )


@MODELS.register_module()
class PanopticLogitsFusion:
    """Stuff, instances and "unknown" compete for each pixel (UPSNet, arXiv:1901.03784, section 3).

    Needs a semantic head with a channel for each class.

    Args:
        score_thr: Instances up to it are left out.
        box_nms: Cutoff of the class-agnostic box NMS.
        prune: An instance that better ones of its class cover to more than this share is left out.
        unknown: Let the unknown channel compete; what it wins is void.
        outside: What an instance's channel holds outside its box: ``'zero'`` (the paper) or ``'-inf'``.
        resolve: An instance whose pixels are mostly one stuff class for the semantic head joins that stuff.
        inclusive: Exactly half of the pixels are enough for that (the public code).
        stuff_area_limit: Stuff segments with fewer pixels become void: 2048 on Cityscapes, 4096 on COCO.
    """

    needs_sem_logits = True
    needs_masks = True

    def __init__(
        self,
        score_thr: float = 0.6,
        box_nms: float = 0.5,
        prune: float = 0.3,
        unknown: bool = True,
        outside: Literal["zero", "-inf"] = "zero",
        resolve: bool = True,
        inclusive: bool = False,
        stuff_area_limit: int = 2048,
    ) -> None:
        self.score_thr = score_thr
        self.box_nms = box_nms
        self.prune = prune
        self.unknown = unknown
        self.outside = outside
        self.resolve = resolve
        self.inclusive = inclusive
        self.stuff_area_limit = stuff_area_limit

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image."""
        masks, labels, scores = _instances(raw)
        if raw.sem_logits is None or len(raw.sem_logits) != raw.num_classes:
            found = "none" if raw.sem_logits is None else f"{len(raw.sem_logits)} channels"
            msg = (
                f"Expected raw outputs with `sem_logits` of {raw.num_classes} channels, one for each class, "
                f"got {found}. Use a semantic head with `collapse_things=False`."
            )
            raise ValueError(msg)
        return fuse_by_panoptic_logits(
            masks,
            labels,
            scores,
            raw.sem_logits,
            num_things=raw.num_things,
            score_threshold=self.score_thr,
            box_nms_threshold=self.box_nms,
            prune_threshold=self.prune,
            unknown=self.unknown,
            outside=self.outside,
            resolve=self.resolve,
            inclusive=self.inclusive,
            stuff_area_limit=self.stuff_area_limit,
        )


@MODELS.register_module()
class RankingFusion:
    """Instances by falling spatial rank, then stuff (OANet, arXiv:1903.05027, sections 3.2 and 4.2).

    Things have no say in the stuff below the instances: a detector gives each pixel its best stuff class.

    Args:
        score_thr: Instances with a lower detection score are left out; not printed, ours.
        mask_overlap: An instance that is covered to more than this share by earlier ones is left out; not
            printed, ours.
        order: ``'ranking'``, or ``'score'``: by falling detection score, the paper's baseline, which needs no
            ranking map.
        same_class: What orders instances of one class, ``'ranking'`` or ``'score'``.
        stuff_area_limit: Stuff regions with fewer pixels become void.
        stuff_area_by: A region is a ``'component'``, connected, or all of a ``'class'``.
    """

    needs_sem_logits = False
    needs_masks = True
    stuff_everywhere = True

    def __init__(
        self,
        score_thr: float = 0.5,
        mask_overlap: float = 0.5,
        order: Literal["ranking", "score"] = "ranking",
        same_class: Literal["ranking", "score"] = "ranking",
        stuff_area_limit: int = 4900,
        stuff_area_by: Literal["component", "class"] = "component",
    ) -> None:
        if order not in ("ranking", "score"):
            msg = f"Expected `order` to be one of ['ranking', 'score'], got {order!r}."
            raise ValueError(msg)
        self.score_thr = score_thr
        self.mask_overlap = mask_overlap
        self.order = order
        self.same_class = same_class
        self.stuff_area_limit = stuff_area_limit
        self.stuff_area_by = stuff_area_by

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image."""
        masks, labels, scores = _instances(raw)
        ranking = raw.ranking
        if self.order == "score":  # where all ranks are equal, the detection score decides
            ranking = torch.zeros((), device=raw.device).expand(raw.num_things, *raw.size)
        if ranking is None:
            msg = (
                "Expected raw outputs with `ranking`, got none. This fusion needs OANet's ranking module; "
                "order='score' does without it."
            )
            raise ValueError(msg)
        return fuse_by_ranking(
            masks,
            labels,
            scores,
            ranking,
            raw.semantic_labels(),
            num_things=raw.num_things,
            score_threshold=self.score_thr,
            overlap_threshold=self.mask_overlap,
            same_class=self.same_class,
            stuff_area_limit=self.stuff_area_limit,
            stuff_area_by=self.stuff_area_by,
        )


def _instances(raw: RawOutputs) -> tuple[BoxMasks, Tensor, Tensor]:
    if raw.masks is None or raw.labels is None or raw.scores is None:
        msg = (
            "Expected raw outputs with `masks`, `labels` and `scores`. This fusion needs a box-based network."
        )
        raise ValueError(msg)
    return raw.masks, raw.labels, raw.scores


def _best_stuff(raw: RawOutputs) -> Tensor:
    """Return each pixel's best stuff label, ``(H, W)``; stuff has the last channels in any head."""
    if raw.sem_logits is None:
        msg = "Expected raw outputs with `sem_logits` to fill by stuff. Keep them, or use fill='void'."
        raise ValueError(msg)
    num_stuff = raw.num_classes - raw.num_things
    best: Tensor = raw.sem_logits[raw.sem_logits.shape[0] - num_stuff :].argmax(dim=0)
    return best + raw.num_things
