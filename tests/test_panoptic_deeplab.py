"""Panoptic-DeepLab's configs: the small one made tiny (trained, evaluated, views, ensembles, two ranks)."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn

from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.runner import PanopticRunner
from panoptic_heads.panoptic_deeplab import PanopticDeepLab
from panoptic_heads.registry import MODELS

CONFIGS = Path(__file__).parents[1] / "configs"
NAME = "panoptic_deeplab.py"
BRANCH = {"aspp_channels": 8, "decoder_channels": 8, "projections": (8, 8), "head_channels": 8}
TINY = [
    "model.backbone.base_channels=8",
    "model.head.in_channels=[8,16,32,64]",
    *(
        f"model.head.{branch}.{key}={value if isinstance(value, int) else list(value)}".replace(" ", "")
        for branch in ("semantic", "instance")
        for key, value in BRANCH.items()
    ),
]
RECIPES = sorted(
    str(path.relative_to(CONFIGS))
    for folder in ("cityscapes", "coco")
    for path in (CONFIGS / folder).glob("panoptic_deeplab_*.py")
    if "small" not in path.name
)


@pytest.fixture
def tiny(tiny_config: Callable[..., Config]) -> Callable[..., Config]:
    """Return a function that makes the small config tiny, with changes of its head."""

    def load(**head: Any) -> Config:
        cfg = tiny_config(NAME)
        cfg.model.head.update(in_channels=[8, 16, 32, 64], semantic=BRANCH, instance=BRANCH)
        cfg.model.head.update(head)
        return cfg

    return load


def _train(cfg: Config) -> dict[str, Any]:
    runner = PanopticRunner.from_cfg(cfg)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    assert any(not torch.equal(value, before[key]) for key, value in runner.model.named_parameters())
    return runner.message_hub.log_scalars


def test_trains_and_evaluates(tmp_path: Path, tiny: Callable[..., Config]) -> None:
    values = _train(tiny())
    assert {"val/panoptic/PQ", "val/semantic/mIoU", "val/instance/mask_AP"} <= values.keys()
    assert list(tmp_path.rglob("pictures/**/*.png"))


def test_a_semantic_network_has_a_mean_iou(tiny: Callable[..., Config]) -> None:
    cfg = tiny(instance=None)
    cfg.val_evaluator = [each for each in cfg.val_evaluator if "MeanIoU" in str(each["type"])]
    cfg.custom_hooks = [each for each in cfg.custom_hooks if "Pictures" not in str(each["type"])]
    values = _train(cfg)
    assert "val/semantic/mIoU" in values
    assert "train/loss_center" not in values


def test_views_and_an_ensemble_of_two_copies(
    tmp_path: Path,
    tiny: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cfg = tiny()
    cfg.tta = {"scales": [1.0, 1.5], "flip": True}
    PanopticRunner.from_cfg(cfg).train()
    cfg.dump(tmp_path / "config.py")
    script = runpy.run_path(str(CONFIGS.parent / "tools" / "test.py"))

    def test(*more: str, status: int = 0) -> dict[str, float]:
        out = tmp_path / "values.json"
        command = ["test.py", str(tmp_path / "config.py"), str(tmp_path), "--json", str(out)]
        monkeypatch.setattr(sys, "argv", [*command, *more])
        assert script["main"]() == status
        values: dict[str, float] = json.loads(out.read_text())
        return values

    looks: list[int] = []
    look = PanopticDeepLab.pad_inputs
    monkeypatch.setattr(
        PanopticDeepLab, "pad_inputs", lambda self, x: looks.append(id(self)) or look(self, x)
    )
    copy = ["--ensemble", str(tmp_path / "config.py"), str(tmp_path)]
    plain = test()
    assert len(looks) == 3
    # Of two steps' training nearly equal class scores remain: the rounding of a softmax decides some pixels.
    assert test(*copy) == pytest.approx(plain, nan_ok=True, abs=0.1)
    assert len(looks) == 3 + 6
    views = test("--tta")
    assert test("--tta", *copy, *copy) == pytest.approx(views, nan_ok=True, abs=0.1)
    assert len(looks) == 3 + 6 + 12 + 36
    test("--ensemble", str(CONFIGS / "tascnet.py"), str(tmp_path), status=2)
    assert "do not fit the model of the config" in capsys.readouterr().err


def test_a_rank_without_targets_does_not_hang_the_other(train_on_two_ranks: Callable[..., None]) -> None:
    losses = ["loss_semantic", "loss_center", "loss_offset"]
    train_on_two_ranks(CONFIGS / NAME, TINY, losses)


# --- what the paper prints


@pytest.mark.parametrize("leaf", RECIPES)
def test_recipes_are_the_papers(leaf: str) -> None:
    cfg = load_config(CONFIGS / leaf)
    coco = leaf.startswith("coco/")
    iterations = 200_000 if coco else 60_000
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[0].end == iterations
    assert cfg.optim_wrapper.optimizer.lr == 0.001
    assert cfg.optim_wrapper.optimizer.weight_decay == 0
    assert 8 * cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == (64 if coco else 32)
    model = cfg.model
    assert (model.center_loss.loss_weight, model.offset_loss.loss_weight) == (200, 0.25)
    assert model.panoptic_fusion_head.stuff_area_limit == (4096 if coco else 2048)
    crop = cfg.train_dataloader.dataset.pipeline[2]
    side = 1025 if "1025" in leaf else 641
    assert tuple(crop.size) == ((side, side) if coco else (1025, 2049))
    assert max(cfg.tta.scales) == (1.5 if coco else 2.0)
    assert all((length - 1) % model.size_divisor == 0 for length in crop.size)
    mean = model.data_preprocessor.mean
    assert list(crop.pad_value) == pytest.approx(list(mean)[::-1])  # images are BGR there
    if coco:
        assert tuple(crop.fit) == tuple(crop.size)
        assert tuple(cfg.test_dataloader.dataset.pipeline[1].scale) == (side, side)


@pytest.mark.parametrize(("backbone", "eps"), [("r50", 1e-5), ("mnv3", 1e-3), ("x71", 1e-3)])
def test_normalisation_is_that_of_the_public_weights(backbone: str, eps: float) -> None:
    """torchvision trains MobileNetV3 with 1e-3, as TensorFlow trained Xception; ResNet has PyTorch's 1e-5."""
    cfg = load_config(CONFIGS / "cityscapes" / f"panoptic_deeplab_{backbone}.py")
    with torch.device("meta"):
        network = MODELS.build(cfg.model.backbone)
    assert {layer.eps for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)} == {eps}
