"""Fusion by affinity as a config line, and the raw outputs that it reads.

Li et al., CVPR 2020, arXiv:2001.04982, section 3.4: an argmax of the same P that training sees.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from panoptic_fusion import PanopticSegmentation, RawOutputs, fuse_by_affinity
from panoptic_fusion.affinity.potential import Form
from panoptic_heads.common.resize import Sizes
from panoptic_heads.dense_affinity.affinity_head import AffinityFeatures
from panoptic_heads.registry import MODELS


@dataclass
class AffinityOutputs(RawOutputs):
    """Raw outputs with the semantic logits and the affinity features on their own grid.

    Attributes:
        grid_logits: ``(C, h, w)``, the semantic head's map, padding included.
        features: Of the image, on the same grid; None: a network without affinity.
        gamma: The affinity's scale, a number or a scalar tensor.
        cell: Height and width of a cell of the grid in pixels of the image; cells beyond it are padding.
    """

    grid_logits: Tensor | None = None
    features: AffinityFeatures | None = None
    gamma: float | Tensor = 0.0
    cell: tuple[float, float] | None = None

    @classmethod
    def extend(
        cls,
        raw: RawOutputs,
        grid_logits: Tensor,
        sizes: Sizes,
        features: AffinityFeatures | None = None,
        gamma: float | Tensor = 0.0,
    ) -> Self:
        """Return raw outputs with the grid's maps added.

        Args:
            raw: At the image's resolution.
            grid_logits: ``(C, h, w)``.
            sizes: From the grid to the image.
            features: ``(D, h, w)`` each.
            gamma: The affinity's scale.
        """
        height, width = (
            padded / cells * (output / image)
            for padded, image, output, cells in zip(*sizes, grid_logits.shape[1:], strict=True)
        )
        parts = {each.name: getattr(raw, each.name) for each in fields(RawOutputs)}
        return cls(**parts, grid_logits=grid_logits, features=features, gamma=gamma, cell=(height, width))

    def to(self, device: torch.device | str) -> Self:
        """Return all parts on another device."""
        features, logits, gamma = self.features, self.grid_logits, self.gamma
        return replace(
            super().to(device),
            grid_logits=None if logits is None else logits.to(device),
            features=None if features is None else AffinityFeatures(*(each.to(device) for each in features)),
            gamma=gamma.to(device) if isinstance(gamma, Tensor) else gamma,
        )


@MODELS.register_module()
class AffinityFusion:
    """Each pixel goes to the best channel of the potential that the affinity has revised; no heuristic.

    From :class:`AffinityOutputs` it does what training did, at the grid's resolution. From raw outputs of any
    other network it makes the potential alone, of the semantic logits at the image's resolution.

    Args:
        score_thr: Instances up to it are left out: 0.5 on Cityscapes, 0.75 on COCO (section B).
        form: As in training: ``'product'`` on Cityscapes, ``'sum'`` on COCO, ``'mask_free'`` without a mask
            head (the boxes of ``raw.masks`` are read, not the masks).
        affinity: False: the potential itself, also of a network that has an affinity.
        stuff_area_limit: Stuff segments with fewer pixels become void. The paper does so in all its numbers
            and does not print the limit: UPSNet's, 2048 on Cityscapes and 4096 on COCO.

    Attributes:
        needs_sem_logits: A detector that gives :class:`AffinityOutputs` sets it false: the logits at the
            image's resolution are not read then.
    """

    def __init__(
        self,
        score_thr: float = 0.5,
        form: Form = "product",
        affinity: bool = True,
        stuff_area_limit: int = 2048,
    ) -> None:
        self.score_thr = score_thr
        self.form: Form = form
        self.affinity = affinity
        self.stuff_area_limit = stuff_area_limit
        self.needs_sem_logits = True

    @property
    def needs_masks(self) -> bool:
        """Without masks in its potential it reads boxes alone."""
        return self.form != "mask_free"

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image."""
        if raw.masks is None or raw.labels is None or raw.scores is None:
            msg = (
                "Expected raw outputs with `masks`, `labels` and `scores`. This fusion needs a box-based "
                "network."
            )
            raise ValueError(msg)
        logits, cell = raw.sem_logits, None
        features: AffinityFeatures | tuple[None, None] = (None, None)
        gamma: float | Tensor = 0.0
        if isinstance(raw, AffinityOutputs) and raw.grid_logits is not None:
            logits, cell = raw.grid_logits, raw.cell
            if self.affinity and raw.features is not None:
                features, gamma = raw.features, raw.gamma
        if logits is None or len(logits) != raw.num_classes:
            found = "none" if logits is None else f"{len(logits)} channels"
            msg = (
                f"Expected raw outputs with `sem_logits` of {raw.num_classes} channels, one for each class, "
                f"got {found}. Use a semantic head with `collapse_things=False`."
            )
            raise ValueError(msg)
        return fuse_by_affinity(
            raw.masks,
            raw.labels,
            raw.scores,
            logits,
            *features,
            num_things=raw.num_things,
            gamma=gamma,
            form=self.form,
            score_threshold=self.score_thr,
            size=raw.size,
            stride=cell,
            stuff_area_limit=self.stuff_area_limit,
        )
