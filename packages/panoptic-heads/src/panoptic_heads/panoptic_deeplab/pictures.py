"""Pictures of what the instance branch says: heat map and offsets (Panoptic-DeepLab, figures 1 and 4)."""

from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.model import is_model_wrapper
from numpy.typing import NDArray
from torch import Tensor

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.hooks import PicturesHook
from panoptic_core.visualization import comparison
from panoptic_heads.registry import HOOKS

Picture = NDArray[np.uint8]


def heatmap_picture(image: Picture, heatmap: Tensor) -> Picture:
    """Draw a heat map in red over a dark grey image.

    Args:
        image: ``(H, W, 3)`` uint8.
        heatmap: ``(1, H, W)`` or ``(H, W)``; values outside of [0, 1] are cut off.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    heat = heatmap.detach().float().reshape(image.shape[:2]).clamp(0, 1).cpu().numpy()[..., None]  # (H, W, 1)
    dark = image.mean(axis=2, keepdims=True) * 0.4
    picture = dark * (1 - heat) + np.array([255.0, 40.0, 0.0]) * heat
    return picture.round().astype(np.uint8)


def offsets_picture(offsets: Tensor, things: Tensor, *, longest: float | None = None) -> Picture:
    """Draw the ways to the centers as colours: the hue is the direction, the whiter the shorter.

    Up is cyan, down is red, left is green and yellow, right is blue and violet. What is no thing is black.

    Args:
        offsets: ``(2, H, W)``, y then x.
        things: ``(H, W)`` bool, where offsets mean anything.
        longest: The length, in pixels, of a fully saturated colour; by default the 95th percentile of the
            lengths on things.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    down, right = offsets.detach().float().cpu()
    things = things.cpu()
    length = torch.hypot(down, right)  # (H, W)
    if longest is None:
        longest = _usual_length(length[things])
    saturation = (length / max(longest, 1e-6)).clamp(max=1)
    angle = torch.atan2(right, down)  # 0 is down
    # Three cosines, a third of a turn apart: a wheel of colours without kinks.
    turns = torch.tensor([0.0, 2.0, 4.0])[:, None, None] * torch.pi / 3
    wheel = 0.5 + 0.5 * torch.cos(angle - turns)  # (3, H, W)
    picture = (1 - saturation * (1 - wheel)) * things
    return (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _usual_length(lengths: Tensor) -> float:
    """Return the 95th percentile of ``(P,)`` lengths, of every so many: `torch.quantile` has a limit."""
    return float(torch.quantile(lengths[:: 1 + len(lengths) // 1_000_000], 0.95)) if len(lengths) else 1.0


@HOOKS.register_module()
class CenterPicturesHook(PicturesHook):
    """Draw the first images of every validation and test: image, truth, result, heat map and offsets.

    Args:
        num_images: How many.
        folder: Inside the work folder; validations go to ``folder/iter_N/``, tests to ``folder/test/``.
    """

    def __init__(self, num_images: int = 8, folder: str = "centers") -> None:
        super().__init__(num_images, folder)

    def before_run(self, runner: Any) -> None:
        """Ask the model for its maps."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        semantic_only = getattr(getattr(model, "head", None), "semantic_only", False)
        if semantic_only or not hasattr(model, "predict_centers"):
            name = type(model).__name__ + (" without an instance branch" if semantic_only else "")
            msg = f"Expected a model that predicts centers, got {name}. Leave this hook out."
            raise TypeError(msg)
        model.predict_centers = True

    def draw(self, path: Path, sample: Any, table: CategoryTable) -> None:
        """Write the picture of one predicted sample."""
        image = mmcv.imread(sample.img_path, channel_order="rgb")
        centers, result = sample.pred_centers, sample.pred_panoptic
        extra = {
            "heat map": heatmap_picture(image, centers.heatmap),
            "offsets": offsets_picture(centers.offsets, result.label_map() < table.num_things),
        }
        picture = comparison(image, result, table, sample.get("gt_panoptic"), extra=extra)
        mmcv.imwrite(mmcv.rgb2bgr(picture), str(path))
