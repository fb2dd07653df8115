"""Prediction files in COCO-panoptic format: a PNG an image and one JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from panoptic_core.evaluation.panoptic_quality import PREDICTION_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.files import atomic_path, make_annotation, write_panoptic_png
from panoptic_core.registry import METRICS


def image_name_of(sample: Mapping[str, Any]) -> str:
    """Return the file name of a sample's image, as its data set lists it."""
    return str(sample.get("file_name") or Path(str(sample.get("img_path") or sample.get("img_id"))).name)


def path_inside(folder: Path, name: str) -> Path:
    """Return where to write a file of a folder; the folder above it is made.

    Raises:
        ValueError: If the name leads out of the folder.
    """
    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        msg = f"Expected the file name {name!r} to stay inside `{folder}`. Correct it in the annotations."
        raise ValueError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@METRICS.register_module()
class PanopticWriter(PerImageMetric):
    """Write predictions as test servers and ``panoptic-eval`` want them; it has no values.

    Each process writes the PNGs of its images while it runs, the main process the JSON at the end. Works
    without ground truth. The same predictions give the same bytes.

    Args:
        out: The folder. PNGs go to ``out/panoptic/``, the JSON is ``out/panoptic.json``.
        with_scores: Write each segment's score too.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "files"

    def __init__(self, out: str, with_scores: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out = Path(out)
        self.with_scores = with_scores

    def measure(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        """Write one PNG and return what the JSON says about it."""
        segmentation = require(sample, "pred_panoptic", PREDICTION_CURE)
        image_id = require(sample, "img_id", "Name it in the meta_keys of the packing transform.")
        image_name = image_name_of(sample)
        name = Path(image_name).with_suffix(".png").as_posix()
        annotation, ids = make_annotation(
            image_id, name, segmentation, self.table, with_scores=self.with_scores
        )
        write_panoptic_png(path_inside(self.out / "panoptic", name), ids)
        height, width = segmentation.shape
        image = {"id": image_id, "file_name": image_name, "width": width, "height": height}
        return {"image": image, "annotation": annotation}

    def summarize(self, records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Write the JSON and say where it is."""
        content = {
            "images": [record["image"] for record in records],
            "annotations": [record["annotation"] for record in records],
            "categories": self.table.to_json(),
        }
        self.out.mkdir(parents=True, exist_ok=True)
        target = self.out / "panoptic.json"
        with atomic_path(target) as path:
            path.write_text(json.dumps(content), encoding="utf-8")
        where = f"`{target}` and `{target.with_suffix('')}/`"
        print_log(f"Predictions of {len(records)} images: {where}", logger="current")
        return {}
