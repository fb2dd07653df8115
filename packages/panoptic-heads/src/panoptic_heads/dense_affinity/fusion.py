"""Fusion by affinity as a config line, and the maps that it reads.

Li et al., CVPR 2020, arXiv:2001.04982, section 3.4: an argmax of the same P that training sees.
"""

from torch import Tensor

from panoptic_fusion import AffinityMaps, PanopticSegmentation, RawOutputs, fuse_by_affinity_maps
from panoptic_fusion.affinity.potential import Form
from panoptic_heads.common.resize import Sizes
from panoptic_heads.dense_affinity.affinity_head import AffinityFeatures
from panoptic_heads.registry import MODELS


def affinity_maps(
    sem_logits: Tensor, sizes: Sizes, features: AffinityFeatures | None, gamma: float | Tensor = 0.0
) -> AffinityMaps:
    """Return what the raw outputs of an image say on the network's grid.

    Args:
        sem_logits: ``(C, h, w)``, the semantic head's map, padding included.
        sizes: From the grid to the image.
        features: Of the image, ``(D, h, w)`` each; None: a network without affinity.
        gamma: The affinity's scale.
    """
    y, x = (
        padded / cells * (output / image)
        for padded, image, output, cells in zip(*sizes, sem_logits.shape[1:], strict=True)
    )
    phi0, phi1 = (None, None) if features is None else features
    return AffinityMaps(sem_logits, phi0, phi1, gamma, stride=(y, x))


@MODELS.register_module()
class AffinityFusion:
    """Each pixel goes to the best channel of the potential that the affinity has revised; no heuristic.

    From raw outputs with ``affinity`` it does what training did, at the grid's resolution. From those of any
    other network it makes the potential alone, of the semantic logits at the image's resolution.

    Args:
        score_thr: Instances up to it are left out: 0.5 on Cityscapes, 0.75 on COCO (section B).
        form: As in training: ``'product'`` on Cityscapes, ``'sum'`` on COCO, ``'mask_free'`` without a mask
            head (the boxes of ``raw.masks`` are read, not the masks).
        affinity: False: the potential itself, also of a network that has an affinity.
        stuff_area_limit: Stuff segments with fewer pixels become void. The paper does so in all its numbers
            and does not print the limit: UPSNet's, 2048 on Cityscapes and 4096 on COCO.

    Attributes:
        needs_sem_logits: A detector that gives :func:`affinity_maps` sets it false: the logits at the
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
        return fuse_by_affinity_maps(
            raw.masks,
            raw.labels,
            raw.scores,
            raw.affinity_maps(),
            num_things=raw.num_things,
            size=raw.size,
            affinity=self.affinity,
            form=self.form,
            score_threshold=self.score_thr,
            stuff_area_limit=self.stuff_area_limit,
        )
