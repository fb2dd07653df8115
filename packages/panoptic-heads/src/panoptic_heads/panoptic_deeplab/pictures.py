"""Pictures of what the instance branch says: heat map and offsets (Panoptic-DeepLab, figures 1 and 4)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from numpy.typing import NDArray
from torch import Tensor

from panoptic_core.categories import CategoryTable
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
        longest = float(torch.quantile(length[things][:1_000_000], 0.95)) if things.any() else 1.0
    saturation = (length / max(longest, 1e-6)).clamp(max=1)
    angle = torch.atan2(right, down)  # 0 is down
    # Three cosines, a third of a turn apart: a wheel of colours without kinks.
    turns = torch.tensor([0.0, 2.0, 4.0])[:, None, None] * torch.pi / 3
    wheel = 0.5 + 0.5 * torch.cos(angle - turns)  # (3, H, W)
    picture = (1 - saturation * (1 - wheel)) * things
    return (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


@HOOKS.register_module()
class CenterPicturesHook(Hook):
    """Draw the first images of every validation and test: image, truth, result, heat map and offsets.

    Args:
        num_images: How many.
        folder: Inside the work folder; validations go to ``folder/iter_N/``, tests to ``folder/test/``.
    """

    priority = "LOW"

    def __init__(self, num_images: int = 8, folder: str = "centers") -> None:
        self.num_images = num_images
        self.folder = folder
        self.written_to: Path | None = None

    def before_run(self, runner: Any) -> None:
        """Ask the model for its maps."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        semantic_only = getattr(getattr(model, "head", None), "semantic_only", False)
        if semantic_only or not hasattr(model, "predict_centers"):
            name = type(model).__name__ + (" without an instance branch" if semantic_only else "")
            msg = f"Expected a model that predicts centers, got {name}. Leave this hook out."
            raise TypeError(msg)
        model.predict_centers = True

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw what is among the first images of the validation set."""
        # Validating without training builds no training loop, and must not.
        step = runner.iter if hasattr(runner.train_loop, "iter") else 0
        folder = Path(runner.work_dir, self.folder, f"iter_{step}")
        self._draw(folder, runner.val_dataloader, batch_idx, outputs or ())

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw what is among the first images of the test set."""
        folder = Path(runner.work_dir, self.folder, "test")
        self._draw(folder, runner.test_dataloader, batch_idx, outputs or ())

    def _draw(self, folder: Path, loader: Any, batch_idx: int, samples: Sequence[Any]) -> None:
        for place, sample in enumerate(samples):
            # MMEngine's sampler deals the images out to the processes like cards.
            number = (batch_idx * (loader.batch_size or 1) + place) * get_world_size() + get_rank()
            if number >= min(self.num_images, len(loader.dataset)):
                continue
            image = mmcv.imread(sample.img_path, channel_order="rgb")
            centers, result = sample.pred_centers, sample.pred_panoptic
            table = CategoryTable.from_metainfo(loader.dataset.metainfo)
            labels = result.label_map()
            extra = {
                "heat map": heatmap_picture(image, centers.heatmap),
                "offsets": offsets_picture(centers.offsets, labels < table.num_things),
            }
            picture = comparison(image, result, table, sample.get("gt_panoptic"), extra=extra)
            path = folder / f"{number:03d}_{Path(sample.img_path).stem}.png"
            mmcv.imwrite(mmcv.rgb2bgr(picture), str(path))
            self.written_to = folder
