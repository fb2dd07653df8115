"""COCO's box and mask AP of the instance head, from the same run as PQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log

from panoptic_core.evaluation.panoptic_quality import TRUTH_CURE
from panoptic_core.evaluation.per_image import PerImageMetric, require
from panoptic_core.files import RLE, box_masks_to_rle
from panoptic_core.metrics import APResult, Detections, GroundTruth, coco_ap
from panoptic_core.metrics.average_precision import Kind
from panoptic_core.registry import METRICS

_Record = tuple[Detections, GroundTruth]
_NAMES = {
    "AP": "ap",
    "AP50": "ap50",
    "AP75": "ap75",
    "AP_s": "ap_small",
    "AP_m": "ap_medium",
    "AP_l": "ap_large",
}


@METRICS.register_module()
class InstanceAP(PerImageMetric):
    """AP of ``pred_instances`` against ``gt_instances``, the standard output that no fusion has touched.

    The values are ``instance/box_AP``, ``box_AP50``, ``box_AP75``, ``box_AP_s``, ``_m``, ``_l`` and the same
    for masks, in percent. A model without instances of its own has no values, one without a mask head those
    of boxes alone.

    Args:
        kinds: ``"box"``, ``"mask"`` or both.
        max_detections: The best so many of an image count.
        classwise: Return each class's AP too, as ``instance/mask_AP/person``.
        kwargs: See :class:`~panoptic_core.evaluation.per_image.PerImageMetric`.
    """

    default_prefix = "instance"

    def __init__(
        self,
        kinds: Sequence[Kind] = ("box", "mask"),
        max_detections: int = 100,
        classwise: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kinds = tuple(kinds)
        self.max_detections = max_detections
        self.classwise = classwise

    def measure(self, sample: Mapping[str, Any]) -> _Record | None:
        """Encode the instances of one image; None if there are no predicted ones."""
        found = sample.get("pred_instances")
        if found is None:
            return None
        truth = require(sample, "gt_instances", TRUTH_CURE)
        height, width = require(sample, "ori_shape", "Name it in the meta_keys of the packing transform.")[:2]
        size = (int(height), int(width))
        return (
            Detections(
                found["labels"].cpu().numpy(),
                found["scores"].detach().float().cpu().numpy(),
                found["bboxes"].detach().float().cpu().numpy(),
                self._rles(found, size),
            ),
            GroundTruth(
                truth["labels"].cpu().numpy(),
                _as_boxes(truth["bboxes"]),
                self._rles(truth, size),
                truth["iscrowd"].cpu().numpy() if "iscrowd" in truth else None,
            ),
        )

    def summarize(self, records: Sequence[_Record | None]) -> dict[str, float]:
        """Return AP and print it."""
        pairs = [record for record in records if record is not None]
        if not pairs:
            print_log("AP: not available, the model has no instances of its own.", logger="current")
            return {}
        found, truth = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        kinds = self.kinds
        if "mask" in kinds and any(each.masks is None for each in found):
            print_log("mask AP: not available, the model predicts boxes alone.", logger="current")
            kinds = tuple(kind for kind in kinds if kind != "mask")
        results = coco_ap(found, truth, self.table, kinds=kinds, max_detections=self.max_detections)
        values: dict[str, float] = {}
        for kind, result in results.items():
            values |= {f"{kind}_{name}": float(getattr(result, key)) for name, key in _NAMES.items()}
            if self.classwise:
                values |= {f"{kind}_AP/{name}": float(value) for name, value in result.per_class.items()}
        print_log(_to_table(results, len(pairs)), logger="current")
        return values

    def _rles(self, instances: Mapping[str, Any], size: tuple[int, int]) -> list[RLE] | None:
        if "mask" not in self.kinds or "masks" not in instances:
            return None
        return box_masks_to_rle(instances["masks"], size)


def _as_boxes(boxes: Any) -> Any:
    """Return ``(N, 4)`` of a tensor or of MMDetection's box object."""
    return getattr(boxes, "tensor", boxes).float().cpu().numpy()


def _to_table(results: Mapping[Kind, APResult], count: int) -> str:
    lines = [f"Instances of {count} images (percent)", "      " + "".join(f"{name:>8}" for name in _NAMES)]
    for kind, result in results.items():
        cells = (getattr(result, key) for key in _NAMES.values())
        lines.append(f"{kind:<6}" + "".join(f"{'-' if cell != cell else f'{cell:.2f}':>8}" for cell in cells))
    return "\n".join(lines)
