"""Pictures of heat map and offsets."""

from pathlib import Path
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import PixelData

from panoptic_core.categories import CITYSCAPES
from panoptic_fusion import PanopticSegmentation
from panoptic_heads.panoptic_deeplab.pictures import heatmap_picture, offsets_picture
from panoptic_heads.registry import HOOKS


def test_heat_is_red_over_grey() -> None:
    picture = heatmap_picture(np.full((1, 3, 3), 100, np.uint8), torch.tensor([[[0.0, 1.0, 7.0]]]))
    assert picture.tolist() == [[[40, 40, 40], [255, 40, 0], [255, 40, 0]]]


def test_directions_are_hues() -> None:
    # Down, up, no way at all, and a pixel of stuff.
    offsets = torch.tensor([[[4.0, -4.0, 0.0, 9.0]], [[0.0, 0.0, 0.0, 9.0]]])
    things = torch.tensor([[True, True, True, False]])
    picture = offsets_picture(offsets, things, longest=4.0)
    assert picture.tolist() == [[[255, 64, 64], [0, 191, 191], [255, 255, 255], [0, 0, 0]]]
    assert offsets_picture(offsets, things, longest=8.0)[0, 1].tolist() == [128, 223, 223]  # half as far


def test_nothing_is_black() -> None:
    assert not offsets_picture(torch.ones(2, 3, 4), torch.zeros(3, 4, dtype=torch.bool)).any()


def _runner(work_dir: Path, model: object) -> SimpleNamespace:
    dataset = type("Images", (list,), {"metainfo": CITYSCAPES.to_metainfo()})(range(3))
    loader = SimpleNamespace(batch_size=1, dataset=dataset)
    return SimpleNamespace(
        work_dir=str(work_dir), model=model, _train_loop=None, val_dataloader=loader, test_dataloader=loader
    )


def test_writes_the_first_images(tmp_path: Path) -> None:
    mmcv.imwrite(np.full((4, 6, 3), 7, np.uint8), str(tmp_path / "street.png"))
    sample = DetDataSample(metainfo={"img_path": str(tmp_path / "street.png")})
    sample.pred_panoptic = PanopticSegmentation.from_id_map(torch.ones(4, 6).int(), [1], [0], [True])
    sample.pred_centers = PixelData(heatmap=torch.rand(1, 4, 6), offsets=torch.rand(2, 4, 6))
    model = SimpleNamespace(predict_centers=False)
    hook = HOOKS.build({"type": "CenterPicturesHook", "num_images": 2})
    hook.before_run(_runner(tmp_path, model))
    assert model.predict_centers
    for index in range(3):
        hook.after_val_iter(_runner(tmp_path, model), index, None, [sample])
    hook.after_test_iter(_runner(tmp_path, model), 0, None, [sample])
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("0*.png"))
    assert written == [
        "centers/iter_0/000_street.png",
        "centers/iter_0/001_street.png",
        "centers/test/000_street.png",
    ]


def test_refuses_a_model_without_centers(tmp_path: Path) -> None:
    hook = HOOKS.build({"type": "CenterPicturesHook"})
    with pytest.raises(TypeError, match="Expected a model that predicts centers, got SimpleNamespace"):
        hook.before_run(_runner(tmp_path, SimpleNamespace()))
    semantic = SimpleNamespace(predict_centers=False, head=SimpleNamespace(semantic_only=True))
    with pytest.raises(TypeError, match="without an instance branch"):
        hook.before_run(_runner(tmp_path, semantic))
