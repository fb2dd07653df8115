"""The small OANet, made tiny: trained, evaluated by both orders, and on two ranks, one of them empty."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine.runner import PanopticRunner

CONFIGS = Path(__file__).parents[1] / "configs"
TINY = ["model.backbone.base_channels=8", "model.neck.in_channels=[8,16,32,64]"]


def test_trains_and_evaluates(tmp_path: Path, tiny_config: Callable[..., Config]) -> None:
    cfg = tiny_config("oanet.py")
    cfg.custom_hooks = [*cfg.custom_hooks, {"type": "panoptic_heads.GradientBalanceHook", "interval": 1}]
    runner = PanopticRunner.from_cfg(cfg)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    changed = {
        key.split(".")[0]
        for key, value in runner.model.named_parameters()
        if not torch.equal(value, before[key])
    }
    assert {"semantic_head", "roi_head", "ranking_head"} <= changed  # worn objects are conflicts
    values = runner.message_hub.log_scalars
    assert {
        "val/panoptic/PQ",
        "val/panoptic/PQ/backpack",
        "val/occlusion/pairs",
        "val/semantic/mIoU",
    } <= values.keys()
    lines = (tmp_path / "gradient_balance.jsonl").read_text().splitlines()
    assert [json.loads(line)["iter"] for line in lines] == [1, 2]
    assert "train/gradient_stuff" in values


def test_with_test_time_augmentation_and_by_score(tiny_config: Callable[..., Config]) -> None:
    cfg = tiny_config("oanet.py")
    cfg.model.update(tta={"scales": [0.5, 1.0]}, sharing="backbone")
    cfg.model.panoptic_fusion_head.update(order="score")
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    PanopticRunner.from_cfg(cfg).train()


@pytest.mark.parametrize("sharing", ["fpn", "none"])
def test_a_rank_without_targets_does_not_hang_the_other(
    sharing: str, train_on_two_ranks: Callable[..., None]
) -> None:
    train_on_two_ranks(CONFIGS / "oanet.py", [*TINY, f"model.sharing={sharing}"], ["loss_ranking"])
