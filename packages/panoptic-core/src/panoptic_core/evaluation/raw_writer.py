"""What a network says before fusion, as files: ``panoptic-fuse --raw`` fuses them in other ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from panoptic_core.evaluation.writer import image_name_of, path_inside
from panoptic_fusion import RawOutputs


class RawOutputsWriter:
    """Write raw outputs on their way to the fusion; put it at the end of a detector's ``raw_transforms``.

    Args:
        folder: Files go to ``folder/IMAGE_NAME.npz``.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def __call__(self, raw: RawOutputs, sample: Any) -> RawOutputs:
        """Write one image and return its outputs unchanged; class scores are stored as float16.

        Affinity maps have a fraction of the pixels, and their features no bound: they are kept as they are.
        """
        name = Path(image_name_of(sample.metainfo)).with_suffix(".npz").as_posix()
        kept = raw if raw.sem_logits is None else replace(raw, sem_logits=raw.sem_logits.half())
        kept.to("cpu").save(path_inside(self.folder, name))
        return raw
