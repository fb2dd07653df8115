"""The residual of TASCNet's Figure 4: where do detections and semantics disagree about things?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from torch import Tensor

from panoptic_fusion import RawOutputs
from panoptic_heads.registry import METRICS
from panoptic_heads.tascnet.consistency import semantic_thing_map, valid_pixels
from panoptic_heads.tascnet.roi_flatten import roi_flatten


def detection_residual(raw: RawOutputs, num_thing_channels: int, *, score_threshold: float = 0.5) -> Tensor:
    """Return the things map of the detections minus that of the semantic head.

    In training the boxes are proposals that were assigned to ground truth; here they are detections.

    Args:
        raw: Raw outputs with ``sem_logits`` and with masks in logit form.
        num_thing_channels: How many of the first channels of ``sem_logits`` are things.
        score_threshold: Less confident detections are left out.

    Returns:
        ``(H, W)`` float32 in [-1, 1]; its square is what TASC averages.

    Raises:
        ValueError: If the raw outputs lack the logits.
    """
    if raw.sem_logits is None or raw.masks is None or raw.masks.mask_logits is None or raw.scores is None:
        msg = "Expected raw outputs with `sem_logits`, `scores` and mask logits. Set `keep_sem_logits`."
        raise ValueError(msg)
    keep = raw.scores >= score_threshold
    things = roi_flatten(raw.masks.mask_logits[keep].float().sigmoid(), raw.masks.boxes[keep], raw.size)
    return things - semantic_thing_map(raw.sem_logits[None], num_thing_channels)[0]


def residual_picture(residual: Tensor) -> np.ndarray:
    """Draw a residual: white where the heads agree, red where detections alone see a thing, blue: semantics.

    Args:
        residual: ``(H, W)`` in [-1, 1].

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    value = residual.detach().float().clamp(-1, 1).cpu()
    red = 1 + value.clamp(max=0)  # fades where semantics alone see a thing
    blue = 1 - value.clamp(min=0)
    picture = torch.stack([red, 1 - value.abs(), blue], dim=-1)
    return (picture * 255).round().to(torch.uint8).numpy()


@METRICS.register_module()
class ThingsStuffResidual(BaseMetric):
    """Mean squared residual over annotated pixels without crowd, of all images together.

    The model must predict it: ``model.predict_residual=True``.
    """

    default_prefix = "tasc"

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Take the sums of a batch of data samples, which MMEngine hands over as dictionaries."""
        for sample in data_samples:
            if "pred_residual" not in sample:
                msg = "Expected samples with `pred_residual`, got none. Set `model.predict_residual=True`."
                raise ValueError(msg)
            residual = sample["pred_residual"]["residual"][0]
            target = sample["gt_panoptic"]
            valid = valid_pixels([target], target.shape)[0]
            squares = residual.to(valid.device).double().square()[valid]
            self.results.append((float(squares.sum()), int(valid.sum())))

    def compute_metrics(self, results: list[tuple[float, int]]) -> dict[str, float]:
        """Return ``residual``, NaN where no pixel was annotated."""
        total, pixels = (sum(column) for column in zip(*results, strict=True))
        return {"residual": total / pixels if pixels else float("nan")}
