"""TASCNet's own config, made tiny: it trains on generated scenes, is evaluated, and is trained in stages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.runner import PanopticRunner

CONFIGS = Path(__file__).parents[1] / "configs"


def _tiny(name: str, work_dir: Path, cache: Path) -> Config:
    cfg = load_config(CONFIGS / name)
    for loader, count in (("train_dataloader", 4), ("val_dataloader", 3)):
        cfg[loader]["num_workers"] = 0
        cfg[loader]["persistent_workers"] = False
        cfg[loader]["dataset"].update(num_images=count, size=(64, 96), cache_dir=str(cache))
    cfg.train_dataloader["batch_size"] = 2
    cfg.test_dataloader = cfg.val_dataloader
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.param_scheduler = []
    cfg.model.backbone.update(base_channels=8)
    cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f"{name}-{work_dir.name}"
    return cfg


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@pytest.mark.parametrize("name", ["tascnet.py", "panoptic_fpn.py"])
def test_trains_and_evaluates(name: str, tmp_path: Path, cache: Path) -> None:
    runner = PanopticRunner.from_cfg(_tiny(name, tmp_path, cache))
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    assert any(not torch.equal(value, before[key]) for key, value in runner.model.named_parameters())
    values: dict[str, Any] = runner.message_hub.log_scalars
    assert "val/panoptic/PQ" in values
    assert ("val/semantic/mIoU" in values) == (
        name == "tascnet.py"
    )  # the baseline's head knows no thing class
    assert (tmp_path / "last_checkpoint").is_file()
    assert list(tmp_path.rglob("pictures/**/*.png"))


def test_a_stage_then_joint(tmp_path: Path, cache: Path) -> None:
    cfg = _tiny("tascnet.py", tmp_path / "stuff", cache)
    cfg.model.update(stage="stuff")
    runner = PanopticRunner.from_cfg(cfg)
    runner.train()
    cfg = _tiny("tascnet.py", tmp_path / "joint", cache)
    cfg.load_from = (tmp_path / "stuff" / "last_checkpoint").read_text()
    joint = PanopticRunner.from_cfg(cfg)
    joint.load_or_resume()
    for (name, ours), theirs in zip(joint.model.named_parameters(), runner.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
