"""Pictures of the residual."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mmcv
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from panoptic_core.categories import CITYSCAPES
from panoptic_heads.registry import HOOKS


def _runner(work_dir: Path, model: Any, images: int) -> SimpleNamespace:
    dataset = type("Images", (list,), {"metainfo": CITYSCAPES.to_metainfo()})(range(images))
    loader = SimpleNamespace(batch_size=1, dataset=dataset)
    return SimpleNamespace(
        work_dir=str(work_dir),
        model=model,
        _train_loop=None,
        val_dataloader=loader,
        test_dataloader=loader,
    )


def test_writes_the_first_images(tmp_path: Path) -> None:
    mmcv.imwrite(np.full((4, 6, 3), 7, np.uint8), str(tmp_path / "street.png"))
    sample = SimpleNamespace(
        img_path=str(tmp_path / "street.png"),
        pred_residual=PixelData(residual=torch.full((1, 4, 6), -1.0)),
    )
    model = SimpleNamespace(predict_residual=False)
    runner = _runner(tmp_path, model, images=3)
    hook = HOOKS.build({"type": "ResidualPicturesHook", "num_images": 2})
    hook.before_run(runner)
    assert model.predict_residual
    for index in range(3):
        hook.after_val_iter(runner, index, None, [sample])
    hook.after_test_iter(runner, 0, None, [sample])
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("0*.png"))
    assert written == [
        "residuals/iter_0/000_street.png",
        "residuals/iter_0/001_street.png",
        "residuals/test/000_street.png",
    ]
    picture = mmcv.imread(str(tmp_path / written[0]), channel_order="rgb")
    assert picture.shape[0] > 4  # a legend is below
    assert picture.shape[1] == 12
    assert (picture[:4, :6] == 7).all()
    assert (picture[:4, 6:] == [0, 0, 255]).all()


def test_refuses_a_model_without_residuals(tmp_path: Path) -> None:
    hook = HOOKS.build({"type": "ResidualPicturesHook"})
    with pytest.raises(TypeError, match="Expected a model with residuals, got SimpleNamespace"):
        hook.before_run(_runner(tmp_path, SimpleNamespace(), images=1))
