"""The small configs, made tiny: trained, evaluated, in stages, and on two ranks, one without targets."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine.runner import PanopticRunner
from panoptic_heads.tascnet import TASCNet

CONFIGS = Path(__file__).parents[1] / "configs"
TINY = ["model.backbone.base_channels=8", "model.neck.in_channels=[8,16,32,64]"]


@pytest.mark.parametrize(
    "name", ["tascnet.py", "panoptic_fpn.py", "upsnet.py", "upsnet_c.py", "upsnet_cp.py"]
)
def test_trains_and_evaluates(name: str, tmp_path: Path, tiny_config: Callable[..., Config]) -> None:
    runner = PanopticRunner.from_cfg(tiny_config(name))
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    assert any(not torch.equal(value, before[key]) for key, value in runner.model.named_parameters())
    values: dict[str, Any] = runner.message_hub.log_scalars
    assert "val/panoptic/PQ" in values
    # Panoptic FPN's head knows no thing class.
    assert ("val/semantic/mIoU" in values) == (name != "panoptic_fpn.py")
    assert (tmp_path / "last_checkpoint").is_file()
    assert list(tmp_path.rglob("pictures/**/*.png"))


def test_a_stage_then_joint(tmp_path: Path, tiny_config: Callable[..., Config]) -> None:
    cfg = tiny_config("tascnet.py", "stuff")
    cfg.model.update(stage="stuff")
    runner = PanopticRunner.from_cfg(cfg)
    runner.train()
    cfg = tiny_config("tascnet.py", "joint")
    cfg.load_from = (tmp_path / "stuff" / "last_checkpoint").read_text()
    joint = PanopticRunner.from_cfg(cfg)
    joint.load_or_resume()
    for (name, ours), theirs in zip(joint.model.named_parameters(), runner.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_with_test_time_augmentation(
    tmp_path: Path,
    scenes: Path,
    tiny_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    PanopticRunner.from_cfg(tiny_config("tascnet.py")).train()
    script = runpy.run_path(str(CONFIGS.parent / "tools" / "test.py"))
    out = tmp_path / "values.json"
    tiny = [
        *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
        *("test_dataloader.dataset.num_images=3", "test_dataloader.dataset.size=[64,96]"),
        *(f"test_dataloader.dataset.cache_dir={scenes}", *TINY),
        *("tta.scales=[0.5,1.0]", "tta.keep_features=True"),
    ]
    arguments = [
        str(tmp_path),
        "--tta",
        "--work-dir",
        str(tmp_path),
        "--json",
        str(out),
        "--cfg-options",
        *tiny,
    ]
    monkeypatch.setattr(sys, "argv", ["test.py", str(CONFIGS / "tascnet.py"), *arguments])
    seen: list[tuple[int, ...]] = []
    extract = TASCNet.extract_feat
    monkeypatch.setattr(TASCNet, "extract_feat", lambda self, x: seen.append(x.shape[2:]) or extract(self, x))
    assert script["main"]() == 0
    assert [tuple(size) for size in seen] == [(32, 64), (32, 64), (64, 96), (64, 96)] * 3  # 32 x 48 padded
    assert {"panoptic/PQ", "semantic/mIoU"} <= json.loads(out.read_text()).keys()
    monkeypatch.setattr(sys, "argv", ["test.py", str(CONFIGS / "panoptic_fpn.py"), str(tmp_path), "--tta"])
    assert script["main"]() == 2
    told = capsys.readouterr().err
    assert "the config has no test-time augmentation" in told
    assert "add `tta = dict(scales=" in told


@pytest.mark.parametrize("stage", ["things", "stuff"])
def test_a_stage_with_test_time_augmentation(stage: str, tiny_config: Callable[..., Config]) -> None:
    cfg = tiny_config("tascnet.py")
    cfg.model.update(stage=stage, tta={"scales": [0.5, 1.0]}, predict_residual=True)
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    PanopticRunner.from_cfg(cfg).train()


@pytest.mark.parametrize(
    ("name", "losses"),
    [("tascnet.py", []), ("upsnet.py", ["loss_panoptic", "loss_semantic", "loss_semantic_roi"])],
)
def test_a_rank_without_targets_does_not_hang_the_other(
    name: str, losses: list[str], train_on_two_ranks: Callable[..., None]
) -> None:
    train_on_two_ranks(CONFIGS / name, TINY, losses)
