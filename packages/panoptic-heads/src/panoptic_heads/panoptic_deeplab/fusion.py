"""Fusion by centers as a config line."""

from typing import Literal

from panoptic_fusion import PanopticSegmentation, RawOutputs, fuse_by_centers
from panoptic_heads.registry import MODELS


@MODELS.register_module()
class CentersFusion:
    """Thing pixels go to the nearest center after their offset, then stuff (sections 3.2 and 3.3).

    Args:
        threshold: Of the heat map at a center.
        nms_kernel: Side of the square in which a center is the highest, in pixels of the result; odd.
        top_k: The most centers.
        objectness: The heat map at the ``'center'``, or at the ``'centroid'`` of the instance's pixels (two
            public codes).
        class_score: What the score multiplies this by: the mean ``'probability'`` of the instance's class,
            which needs the class scores of all pixels at the image's size, or its share of the ``'votes'``.
        stuff_area_limit: Stuff segments with fewer pixels become void: 2048 on Cityscapes, 4096 on COCO and
            Mapillary Vistas.
    """

    def __init__(
        self,
        threshold: float = 0.1,
        nms_kernel: int = 7,
        top_k: int = 200,
        objectness: Literal["center", "centroid"] = "center",
        class_score: Literal["probability", "votes"] = "probability",
        stuff_area_limit: int = 2048,
    ) -> None:
        if class_score not in ("probability", "votes"):
            msg = f"Expected `class_score` to be 'probability' or 'votes', got {class_score!r}."
            raise ValueError(msg)
        self.threshold = threshold
        self.nms_kernel = nms_kernel
        self.top_k = top_k
        self.objectness = objectness
        self.class_score = class_score
        self.stuff_area_limit = stuff_area_limit

    @property
    def needs_sem_logits(self) -> bool:
        """Whether scores are made of probabilities."""
        return self.class_score == "probability"

    def __call__(self, raw: RawOutputs) -> PanopticSegmentation:
        """Fuse one image."""
        if raw.center_heatmap is None or raw.offsets is None:
            msg = (
                "Expected raw outputs with `center_heatmap` and `offsets`, got none. This fusion needs a "
                "network that predicts centers."
            )
            raise ValueError(msg)
        return fuse_by_centers(
            raw.center_heatmap,
            raw.offsets,
            raw.semantic_labels(),
            sem_logits=raw.sem_logits if self.needs_sem_logits else None,
            num_things=raw.num_things,
            threshold=self.threshold,
            nms_kernel=self.nms_kernel,
            top_k=self.top_k,
            objectness=self.objectness,
            stuff_area_limit=self.stuff_area_limit,
        )
