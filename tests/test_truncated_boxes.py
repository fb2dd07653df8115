"""``tools/test.py --truncate-boxes`` on the small configs, untrained, in true boxes of true classes."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from panoptic_core.engine.config.loading import load_config
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
TINY = [
    *("test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"),
    *("test_dataloader.dataset.num_images=3", "test_dataloader.dataset.size=[64,96]"),
    "model.panoptic_fusion_head.stuff_area_limit=0",
]
BOXES = ["model.backbone.base_channels=8", "model.neck.in_channels=[8,16,32,64]"]


def _weights(name: str, folder: Path, changed: bool = True) -> str:
    cfg = load_config(ROOT / "configs" / name)
    if changed:
        cfg.model.backbone.update(base_channels=8)
        cfg.model.neck.update(in_channels=[8, 16, 32, 64])
    torch.manual_seed(0)
    path = folder / "weights.pth"
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, path)
    return str(path)


def _test(monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path, weights: str, *more: str) -> int:
    script = runpy.run_path(str(ROOT / "tools" / "test.py"))
    cache = f"test_dataloader.dataset.cache_dir={tmp_path / 'scenes'}"
    arguments = [str(ROOT / "configs" / name), weights, "--work-dir", str(tmp_path), *more]
    own = BOXES if "deeplab" not in name else []
    monkeypatch.setattr(sys, "argv", ["test.py", *arguments, "--cfg-options", *TINY, *own, cache])
    status: int = script["main"]()
    return status


@pytest.mark.parametrize("name", ["tascnet.py", "panoptic_fpn.py", "oanet.py"])
def test_what_ends_at_its_box_recovers_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = _weights(name, tmp_path)
    found: dict[str, Any] = {}
    for fraction in ("0.25", "0.001"):
        out = tmp_path / f"{fraction}.json"
        more = ["--oracle", "boxes+classes+semantics", "--truncate-boxes", fraction, "--json", str(out)]
        assert _test(monkeypatch, name, tmp_path, weights, *more) == 0
        found[fraction] = json.loads(out.read_text())
        assert "The values are no results of the model." in capsys.readouterr().out
    cut, whole = found["0.25"], found["0.001"]
    assert cut["truncation/instances"] == whole["truncation/instances"] > 5
    assert cut["truncation/shown"] > 0
    assert cut["truncation/recovered"] == 0
    assert cut["truncation/precision"] is None  # nothing is claimed
    assert cut["panoptic/PQ_th"] != whole["panoptic/PQ_th"]
    assert cut["instance/box_AP"] == whole["instance/box_AP"]  # the network's own word


@pytest.mark.parametrize("name", ["dense_affinity.py", "dense_affinity_a.py"])
def test_a_potential_reaches_over_the_rim(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "values.json"
    more = ["--oracle", "boxes+classes+semantics", "--truncate-boxes", "0.25", "--json", str(out)]
    assert _test(monkeypatch, name, tmp_path, _weights(name, tmp_path), *more) == 0
    found = json.loads(out.read_text())
    assert found["truncation/instances"] > 5
    assert found["truncation/shown"] > 0
    # Coarse cells leak over the rim. And where semantics are true no stuff class wants the rest of an
    # instance: all channels are 0 there, and the surest detection takes it.
    assert found["truncation/recovered"] > 0


def test_a_model_without_boxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = _weights("panoptic_deeplab.py", tmp_path, changed=False)
    assert _test(monkeypatch, "panoptic_deeplab.py", tmp_path, weights, "--truncate-boxes", "0.25") == 2
    assert "Only box-based models have boxes: leave --truncate-boxes out." in capsys.readouterr().err
    with pytest.raises(SystemExit):
        _test(monkeypatch, "panoptic_deeplab.py", tmp_path, weights, "--truncate-boxes", "25")
    assert "Expected a fraction between 0 and 1, such as 0.25, got 25." in capsys.readouterr().err
