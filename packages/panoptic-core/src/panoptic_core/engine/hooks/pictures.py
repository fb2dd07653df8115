"""Pictures of predictions while training and testing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.images import draw_sample
from panoptic_core.registry import HOOKS


class PicturesHook(Hook):
    """Draw the first images of every validation and test; a subclass says what.

    Args:
        num_images: How many.
        folder: Inside the work folder; validations go to ``folder/iter_N/``, tests to ``folder/test/``.
    """

    priority = "LOW"

    def __init__(self, num_images: int = 8, folder: str = "pictures") -> None:
        self.num_images = num_images
        self.folder = folder
        self.written_to: Path | None = None

    def draw(self, path: Path, sample: Any, table: CategoryTable) -> None:
        """Write the picture of one predicted sample."""
        raise NotImplementedError

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw what is among the first images of the validation set."""
        # `runner.iter` would build a training loop where there is only its config.
        step = 0 if runner._train_loop is None or isinstance(runner._train_loop, dict) else runner.iter
        folder = Path(runner.work_dir, self.folder, f"iter_{step}")
        self._draw_first(folder, runner.val_dataloader, batch_idx, outputs or ())

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw what is among the first images of the test set."""
        folder = Path(runner.work_dir, self.folder, "test")
        self._draw_first(folder, runner.test_dataloader, batch_idx, outputs or ())

    def _draw_first(self, folder: Path, loader: Any, batch_idx: int, samples: Sequence[Any]) -> None:
        for place, sample in enumerate(samples):
            # MMEngine's sampler deals the images out to the processes like cards.
            number = (batch_idx * (loader.batch_size or 1) + place) * get_world_size() + get_rank()
            if number < min(self.num_images, len(loader.dataset)):
                table = CategoryTable.from_metainfo(loader.dataset.metainfo)
                self.draw(folder / f"{number:03d}_{Path(sample.img_path).stem}.png", sample, table)
                self.written_to = folder


@HOOKS.register_module()
class PredictionPicturesHook(PicturesHook):
    """Draw image, ground truth, prediction and mismatch side by side; arguments as its base has them."""

    def draw(self, path: Path, sample: Any, table: CategoryTable) -> None:
        """Write the picture of one predicted sample."""
        draw_sample(path, sample, table)
