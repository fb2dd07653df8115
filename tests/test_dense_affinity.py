"""The small dense-affinity networks, made tiny: trained, evaluated, and on two ranks, one without targets."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from panoptic_core.engine.runner import PanopticRunner

CONFIGS = Path(__file__).parents[1] / "configs"
NAMES = [path.name for path in sorted(CONFIGS.glob("dense_affinity*.py"))]
TINY = ["model.backbone.base_channels=8", "model.neck.in_channels=[8,16,32,64]"]


@pytest.mark.parametrize("name", NAMES)
def test_trains_and_evaluates(name: str, tmp_path: Path, tiny_config: Callable[..., Config]) -> None:
    cfg = tiny_config(name)
    masks = cfg.model.roi_head.mask_head is not None
    runner = PanopticRunner.from_cfg(cfg)
    before = {key: value.clone() for key, value in runner.model.named_parameters()}
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    changed = {
        key.split(".")[0]
        for key, value in runner.model.named_parameters()
        if not torch.equal(value, before[key])
    }
    expected = {"semantic_head", "roi_head", "neck"}
    if runner.model.affinity_head is not None:
        expected.add("affinity_head")
    assert expected <= changed
    values = runner.message_hub.log_scalars
    assert {"val/panoptic/PQ", "val/semantic/mIoU", "val/instance/box_AP"} <= values.keys()
    assert ("val/instance/mask_AP" in values) == masks
    assert ("train/loss_panoptic" in values) == (runner.model.panoptic_loss is not None)
    assert list(tmp_path.rglob("pictures/**/*.png"))


def test_a_checkpoint_of_d2_is_one_of_d1(
    tmp_path: Path,
    scenes: Path,
    tiny_config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    PanopticRunner.from_cfg(tiny_config("dense_affinity.py")).train()
    script = runpy.run_path(str(CONFIGS.parent / "tools" / "test.py"))
    options = [f"test_dataloader.dataset.{key}" for key in (f"cache_dir={scenes}", "num_images=3")]
    arguments = [
        *(
            "test.py",
            str(CONFIGS / "dense_affinity_d1.py"),
            str(tmp_path),
            "--work-dir",
            str(tmp_path / "d1"),
        ),
        *("--cfg-options", *options, "test_dataloader.dataset.size=(64,96)", *TINY),
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    assert script["main"]() == 0
    assert "Panoptic quality of 3 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dense_affinity.py", ["model.panoptic_loss.learn_tau=True"]),
        ("dense_affinity.py", ["model.potential.truth=True"]),
        ("dense_affinity_b.py", []),
    ],
    ids=["learned tau", "true detections", "without masks"],
)
def test_a_rank_without_targets_does_not_hang_the_other(
    name: str, options: list[str], train_on_two_ranks: Callable[..., None]
) -> None:
    train_on_two_ranks(CONFIGS / name, [*TINY, *options], ["loss_panoptic"])
