"""Pictures of the residual while training and testing (TASCNet, Figure 4)."""

from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.model import is_model_wrapper

from panoptic_core.categories import CategoryTable
from panoptic_core.engine.hooks import PicturesHook
from panoptic_core.visualization import legend
from panoptic_heads.registry import HOOKS
from panoptic_heads.tascnet.residual import residual_picture

_MEANINGS = (
    ("both see a thing, or none does", (255, 255, 255)),
    ("detections alone", (255, 0, 0)),
    ("semantics alone", (0, 0, 255)),
)


@HOOKS.register_module()
class ResidualPicturesHook(PicturesHook):
    """Draw image and residual, side by side, of the first images of every validation and test.

    White: detections and semantics agree. Red: detections alone see a thing. Blue: semantics alone do.

    Args:
        num_images: How many.
        folder: Inside the work folder; validations go to ``folder/iter_N/``, tests to ``folder/test/``.
    """

    def __init__(self, num_images: int = 8, folder: str = "residuals") -> None:
        super().__init__(num_images, folder)

    def before_run(self, runner: Any) -> None:
        """Ask the model for residuals."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, "predict_residual"):
            msg = f"Expected a model with residuals, got {type(model).__name__}. This hook is TASCNet's."
            raise TypeError(msg)
        model.predict_residual = True

    def draw(self, path: Path, sample: Any, table: CategoryTable) -> None:
        """Write the picture of one predicted sample."""
        image = mmcv.imread(sample.img_path, channel_order="rgb")
        picture = np.concatenate([image, residual_picture(sample.pred_residual.residual[0])], axis=1)
        strip = legend(table, (), picture.shape[1], extra=_MEANINGS)
        picture = np.concatenate([picture, strip], axis=0)
        mmcv.imwrite(mmcv.rgb2bgr(picture), str(path))
