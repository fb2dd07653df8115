"""``tools/test.py --oracle`` on the small configs, untrained: with true semantics all stuff is right."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from panoptic_core.engine.config.loading import load_config
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
TINY = [
    *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
    *("test_dataloader.dataset.num_images=3", "test_dataloader.dataset.size=[64,96]"),
    *("model.backbone.base_channels=8", "model.neck.in_channels=[8,16,32,64]"),
    "model.panoptic_fusion_head.stuff_area_limit=0",
]


@pytest.mark.parametrize("name", ["tascnet.py", "panoptic_fpn.py", "upsnet.py", "oanet.py"])
def test_untrained_networks_with_oracles(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = load_config(ROOT / "configs" / name)
    cfg.model.backbone.update(base_channels=8)
    cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    torch.manual_seed(0)
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, tmp_path / "weights.pth")
    script = runpy.run_path(str(ROOT / "tools" / "test.py"))
    found = {}
    for oracle in ("semantics", "boxes+classes+semantics"):
        out = tmp_path / f"{oracle}.json"
        arguments = [str(ROOT / "configs" / name), str(tmp_path / "weights.pth"), "--oracle", oracle]
        arguments += ["--work-dir", str(tmp_path), "--json", str(out)]
        options = [*TINY, f"test_dataloader.dataset.cache_dir={tmp_path / 'scenes'}"]
        monkeypatch.setattr(sys, "argv", ["test.py", *arguments, "--cfg-options", *options])
        assert script["main"]() == 0
        found[oracle] = json.loads(out.read_text())
        assert "of the ground truth. The values are no results of the model." in capsys.readouterr().out
    assert found["semantics"]["panoptic/PQ_st"] == 100
    assert found["semantics"]["panoptic/PQ_th"] == 0
    assert found["boxes+classes+semantics"]["panoptic/PQ_th"] > 0
    assert found["semantics"].get("semantic/mIoU", 100) == 100


def test_unknown_oracle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(ROOT / "tools" / "test.py"))
    monkeypatch.setattr(sys, "argv", ["test.py", "config.py", "weights.pth", "--oracle", "box"])
    with pytest.raises(SystemExit):
        script["main"]()
    assert "some of boxes, classes, semantics joined by `+`, got 'box'" in capsys.readouterr().err
