"""Pictures of the residual while training and testing (TASCNet, Figure 4)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from panoptic_heads.registry import HOOKS
from panoptic_heads.tascnet.residual import residual_picture


@HOOKS.register_module()
class ResidualPicturesHook(Hook):
    """Draw image and residual, side by side, of the first images of every validation and test.

    White: detections and semantics agree. Red: detections alone see a thing. Blue: semantics alone do.

    Args:
        num_images: How many.
        folder: Inside the work folder; validations go to ``folder/iter_N/``, tests to ``folder/test/``.
    """

    priority = "LOW"

    def __init__(self, num_images: int = 8, folder: str = "residuals") -> None:
        self.num_images = num_images
        self.folder = folder
        self.written_to: Path | None = None

    def before_run(self, runner: Any) -> None:
        """Ask the model for residuals."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, "predict_residual"):
            msg = f"Expected a model with residuals, got {type(model).__name__}. This hook is TASCNet's."
            raise TypeError(msg)
        model.predict_residual = True

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
        self._draw(
            Path(runner.work_dir, self.folder, "test"), runner.test_dataloader, batch_idx, outputs or ()
        )

    def _draw(self, folder: Path, loader: Any, batch_idx: int, samples: Sequence[Any]) -> None:
        for place, sample in enumerate(samples):
            # MMEngine's sampler deals the images out to the processes like cards.
            number = (batch_idx * (loader.batch_size or 1) + place) * get_world_size() + get_rank()
            if number >= min(self.num_images, len(loader.dataset)):
                continue
            image = mmcv.imread(sample.img_path, channel_order="rgb")
            picture = np.concatenate([image, residual_picture(sample.pred_residual.residual[0])], axis=1)
            path = folder / f"{number:03d}_{Path(sample.img_path).stem}.png"
            mmcv.imwrite(mmcv.rgb2bgr(picture), str(path))
            self.written_to = folder
