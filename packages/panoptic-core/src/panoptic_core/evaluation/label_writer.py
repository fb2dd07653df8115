"""Label PNGs of a semantic prediction, as ``panoptic-fuse --semantic`` reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.evaluation.writer import image_name_of, path_inside
from panoptic_core.files import atomic_path
from panoptic_core.registry import METRICS


@METRICS.register_module()
class LabelWriter(PerImageMetric):
    """Write ``pred_sem_seg`` as a grey PNG an image, called as the image; it has no values.

    Pixels hold contiguous labels, things first; above 255 classes in 16 bits. Each process writes the PNGs of
    its images. Works without ground truth.

    Args:
        out: The folder.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "labels"

    def __init__(self, out: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out = Path(out)

    def measure(self, sample: Mapping[str, Any]) -> str:
        """Write one PNG and return its name."""
        predicted = require(sample, "pred_sem_seg", "Only a model with a semantic map of all classes has it.")
        labels = predicted["sem_seg"].squeeze(0).cpu().numpy()  # (H, W)
        name = Path(image_name_of(sample)).with_suffix(".png").as_posix()
        # 255 is void in 8 bits, so a table of more than 255 classes needs 16.
        pixels = labels.astype(np.uint8 if self.table.num_classes <= 255 else np.uint16)
        with atomic_path(path_inside(self.out, name)) as temporary:
            Image.fromarray(pixels).save(temporary, format="PNG")
        return name

    def summarize(self, records: Sequence[str]) -> dict[str, float]:
        """Say where the PNGs are."""
        print_log(f"Label maps of {len(records)} images: `{self.out}/`", logger="current")
        return {}
