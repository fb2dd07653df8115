"""Panoptic-DeepLab's training targets (arXiv:1911.10194, sections 3.1 and 4), made of a pipeline's map."""

from typing import Any, Literal

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData

from panoptic_data.registry import TRANSFORMS
from panoptic_data.transforms.tables import SegmentTable
from panoptic_fusion import PanopticSegmentation, encode_centers


@TRANSFORMS.register_module()
class MakeCenterTargets(BaseTransform):
    """Make heat map, offsets and their masks of ``gt_seg_map``: after crop, resize and flip, before packing.

    A cut instance so gets the center of what is left of it, and a mirrored one needs no change of sign.
    Crowds and void leave no trace: no Gaussian, and neither heat map nor offsets count there. Instances are
    the visible segments: channel 0 of the map, whatever an instance file says.

    Required keys: ``gt_seg_map`` and ``segments``; without a map nothing is added.

    Added key: ``gt_centers``, which :class:`~panoptic_data.transforms.PackPanopticInputs` puts on the sample,
    a ``PixelData`` of the map's size with

    - ``heatmap (1, H, W)`` float32 in [0, 1]: a Gaussian on each instance, the maximum where they overlap;
    - ``offsets (2, H, W)`` float32, y then x: pixels from here to the instance's center, 0 elsewhere;
    - ``heatmap_mask (1, H, W)`` bool, where the heat map counts: all that is labelled and no crowd;
    - ``offset_mask (1, H, W)`` bool, where the offsets count: things that are no crowd;
    - ``semantic_weight (1, H, W)`` float32: `small_weight` on small instances, else 1.

    The public codes of the paper's authors and Detectron2 differ; each difference is an option:

    Args:
        sigma: Of the Gaussians, pixels; 8 by the paper (Detectron2's Cityscapes config: 10).
        peak: Where a Gaussian stands: at the center of mass ``"rounded"`` (the authors' TensorFlow code and
            Detectron2), ``"floored"`` (the authors' PyTorch code), or ``"exact"``, between pixels.
        offset_to: Offsets lead to the center of ``"mass"`` (the paper), or to the ``"peak"`` (the authors'
            TensorFlow code).
        small_area: Instances with fewer visible pixels than this are small; 4096 by the paper.
        small_weight: 3 by the paper.

    Raises:
        ValueError: If an option does not fit; at the first map, if it is not of the image's size or holds
            values that no row of the table has.
    """

    def __init__(
        self,
        sigma: float = 8.0,
        peak: Literal["rounded", "floored", "exact"] = "rounded",
        offset_to: Literal["mass", "peak"] = "mass",
        small_area: int = 4096,
        small_weight: float = 3.0,
    ) -> None:
        self.options: dict[str, Any] = {
            "sigma": sigma,
            "peak": peak,
            "offset_to": offset_to,
            "small_area": small_area,
            "small_weight": small_weight,
        }
        encode_centers(PanopticSegmentation.empty(0, 0), **self.options)  # raises now, not in a loader worker

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add ``gt_centers``."""
        if results.get("gt_seg_map") is None:
            return results
        name = results.get("img_path", "the image")
        targets = encode_centers(
            _segments_of_rows(results["gt_seg_map"], results["segments"], name), **self.options
        )
        results["gt_centers"] = PixelData(
            heatmap=targets.heatmap,
            offsets=targets.offsets,
            heatmap_mask=targets.heatmap_mask[None],
            offset_mask=targets.offset_mask[None],
            semantic_weight=targets.semantic_weight[None],
        )
        return results

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{type(self).__name__}({options})"


def _segments_of_rows(label_map: np.ndarray, segments: SegmentTable, name: str) -> PanopticSegmentation:
    """Return the map as it is, with row + 1 for ids: the targets do not depend on them."""
    row_map = label_map if label_map.ndim == 2 else label_map[..., 0]
    if not row_map.flags.c_contiguous or min(row_map.strides) < 0:  # one column, mirrored, is "contiguous"
        row_map = row_map.copy()
    low, high = (int(row_map.min()), int(row_map.max())) if row_map.size else (0, 0)
    if low < 0 or high > len(segments):
        msg = (
            f"Expected `gt_seg_map` of {name} in [0, {len(segments)}], got values in [{low}, {high}]. "
            "Padding must write 0 there: use PadPanoptic, or Pad with pad_val=dict(img=..., seg=0)."
        )
        raise ValueError(msg)
    count = len(segments)
    return PanopticSegmentation(
        id_map=torch.from_numpy(row_map),
        ids=torch.arange(1, count + 1, dtype=torch.int32),
        labels=torch.from_numpy(segments.labels),
        is_thing=torch.from_numpy(segments.is_thing),
        scores=torch.ones(count),
        areas=torch.zeros(count, dtype=torch.int64),  # counted where they are needed
        iscrowd=torch.from_numpy(segments.iscrowd),
    )
