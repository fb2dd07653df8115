"""Every config in the repository loads, its dump builds the same model, and its network can be counted."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from panoptic_core.categories import ADE20K, CITYSCAPES, COCO_PANOPTIC, VISTAS
from panoptic_core.engine.config import RunOptions, prepare_config
from panoptic_core.engine.config.loading import load_config
from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_heads.registry import MODELS

CONFIGS = Path(__file__).parents[1] / "configs"
LEAVES = sorted(
    str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.py") if "_base_" not in path.parts
)
PARAMETERS = {"coco/upsnet_r50.py": 46.1}  # millions, as the papers print them
TABLES = {
    ".": GENERATED_SCENES,
    "ade20k": ADE20K,
    "cityscapes": CITYSCAPES,
    "coco": COCO_PANOPTIC,
    "vistas": VISTAS,
}


@pytest.mark.parametrize("leaf", LEAVES)
def test_dump_builds_the_same_model(leaf: str, tmp_path: Path) -> None:
    options = RunOptions(config=CONFIGS / leaf, work_dir=str(tmp_path), check=False)
    cfg, _ = prepare_config(options, "train")
    cfg.model.backbone.init_cfg = None  # nothing is downloaded
    cfg.dump(tmp_path / "dumped.py")
    dumped = Config.fromfile(tmp_path / "dumped.py")
    shapes, again = (
        {name: value.shape for name, value in MODELS.build(one.model).state_dict().items()}
        for one in (cfg, dumped)
    )
    assert shapes == again
    assert {one["type"] for one in _all_nms(dumped.model.to_dict())} <= {"nms"}  # all that mmcv can look up


@pytest.mark.parametrize("leaf", LEAVES)
def test_numbers_of_classes_are_the_tables(leaf: str, tmp_path: Path) -> None:
    options = RunOptions(config=CONFIGS / leaf, work_dir=str(tmp_path), check=False)
    cfg, _ = prepare_config(options, "train")
    table = TABLES[str(Path(leaf).parent)]
    head = _semantic_head(cfg)
    assert (head.num_things_classes, head.num_stuff_classes) == (table.num_things, table.num_stuff)
    if "roi_head" in cfg.model:
        assert cfg.model.roi_head.bbox_head.num_classes == table.num_things
        assert not _has_masks(cfg) or cfg.model.roi_head.mask_head.num_classes == table.num_things


@pytest.mark.parametrize("leaf", LEAVES)
def test_complexity(leaf: str, tmp_path: Path) -> None:
    script = runpy.run_path(str(CONFIGS.parent / "tools" / "complexity.py"))
    out = tmp_path / "complexity.json"
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["--size", "256", "320", "--proposals", "9", "--masks", "3", "--json", str(out)]
        patch.setattr(sys, "argv", ["complexity.py", str(CONFIGS / leaf), *arguments])
        assert script["main"]() == 0
    counts = json.loads(out.read_text())
    cfg = load_config(CONFIGS / leaf)
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    assert counts["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    names = {part["name"] for part in counts["parts"] if part["multiply_adds"]}
    assert "backbone" in names
    assert any(name.split(".")[0] in ("semantic_head", "head") for name in names)
    if "roi_head" in cfg.model:
        assert {"neck", "rpn_head", "roi_head.bbox_head"} <= names
        assert ("roi_head.mask_head" in names) == _has_masks(cfg)
    if leaf in PARAMETERS:
        assert counts["parameters"] / 1e6 == pytest.approx(PARAMETERS[leaf], rel=0.01)


def test_cost_of_the_affinity(capsys: pytest.CaptureFixture[str]) -> None:
    # Li et al., CVPR 2020, arXiv:2001.04982, section 3.4.2: 15.7 GB, 99.8 % fewer multiply-adds, 5 billion
    # operations, and 140 billion (multiply-adds, that is) in a ResNet-50-FPN backbone at 800 x 1300.
    script = runpy.run_path(str(CONFIGS.parent / "tools" / "complexity.py"))
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["--size", "800", "1300", "--affinity", "128", "153"]
        patch.setattr(sys, "argv", ["complexity.py", str(CONFIGS / "coco/dense_affinity_r50.py"), *arguments])
        assert script["main"]() == 0
    said = capsys.readouterr().out
    assert "dense affinity, 200 x 325 cells, C = 128, K = 153\n" in said
    rows = {line[:28].strip(): line[28:].split() for line in said.splitlines()}
    assert rows["memory in between"] == ["15.74", "GB", "76.5", "kB"]
    assert rows["multiply-adds B"] == ["1187.22", "2.55"]
    assert rows["operations B, two for each"] == ["2374.45", "5.09"]
    assert "99.79 % of the multiply-adds are saved" in said
    assert "backbone and neck: 140.11 B multiply-adds" in said


def _all_nms(settings: Any) -> list[dict[str, Any]]:
    """Return every ``nms`` in nested settings."""
    if not isinstance(settings, dict):
        return []
    own = [settings["nms"]] if isinstance(settings.get("nms"), dict) else []
    return own + [one for value in settings.values() for one in _all_nms(value)]


def _has_masks(cfg: Config) -> bool:
    return bool(cfg.model.roi_head.get("mask_head"))


def _semantic_head(cfg: Config) -> Any:
    """Return what knows the classes: a head of its own, or a bottom-up network's only one."""
    return cfg.model.get("semantic_head") or cfg.model.head
