"""The recipe of PSPNet, made tiny, on generated scenes: trained, tested by windows, labels written."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from PIL import Image

from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.runner import PanopticRunner
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
SIZE = (64, 96)


def _tiny(leaf: str, tmp_path: Path) -> Config:
    cfg = load_config(ROOT / "configs" / leaf)
    for name, count in (("train_dataloader", 4), ("val_dataloader", 3)):
        loader = cfg[name]
        loader.update(num_workers=0, persistent_workers=False)
        loader["dataset"] = {
            "type": "panoptic_data.GeneratedScenes",
            "num_images": count,
            "size": SIZE,
            "cache_dir": str(tmp_path),
            "test_mode": name == "val_dataloader",
            "pipeline": loader["dataset"]["pipeline"],
        }
    for transform in cfg.train_dataloader["dataset"]["pipeline"]:
        if "crop_size" in transform:
            transform["crop_size"] = (48, 48)
        elif "pad_value" in transform:
            transform["size"] = (48, 48)
        elif "scale" in transform:
            transform["scale"] = (96, 40)  # lower than the crop: it is padded
            transform["keep_ratio"] = True
            transform.pop("resize_type", None)
            transform["type"] = "mmdet.Resize"
    cfg.val_dataloader["dataset"]["pipeline"][1]["scale"] = SIZE[::-1]
    cfg.test_dataloader = cfg.val_dataloader
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.param_scheduler[0].update(end=2)
    cfg.model.backbone.update(depth=18, base_channels=8, init_cfg=None)
    for head, channels in (("semantic_head", 64), ("auxiliary_head", 32)):
        cfg.model[head].update(
            in_channels=channels, feat_channels=8, num_things_classes=7, num_stuff_classes=7
        )
    cfg.model.windows = {"size": (48, 48), "stride": (32, 32)}
    cfg.work_dir = str(tmp_path / "work")
    cfg.experiment_name = f"{tmp_path.name}"
    return cfg


@pytest.mark.parametrize("leaf", ["coco/pspnet_r50.py", "cityscapes/pspnet_r50.py"])
def test_trains_tests_and_writes_labels(leaf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = _tiny(leaf, tmp_path)
    runner = PanopticRunner.from_cfg(cfg)
    runner.train()
    assert all(torch.isfinite(value).all() for value in runner.model.parameters())
    assert "val/semantic/mIoU" in runner.message_hub.log_scalars
    cfg.dump(tmp_path / "tiny.py")
    script = runpy.run_path(str(ROOT / "tools" / "test.py"))
    arguments = [str(tmp_path / "tiny.py"), str(tmp_path / "work"), "--json", str(tmp_path / "values.json")]
    arguments += ["--labels", str(tmp_path / "labels"), "--work-dir", str(tmp_path / "test")]
    monkeypatch.setattr(sys, "argv", ["test.py", *arguments])
    assert script["main"]() == 0
    assert json.loads((tmp_path / "values.json").read_text()).keys() >= {"semantic/mIoU"}
    written = list((tmp_path / "labels").rglob("*.png"))
    assert len(written) == 3
    for path in written:
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("L", SIZE[::-1])


def test_parameters_of_the_two_network_baseline() -> None:
    # UPSNet, section 4.1: 91.6 M on COCO for Mask R-CNN and PSPNet, ResNet-50 both; ours within 1 %.
    def millions(leaf: str, without: set[str]) -> float:
        cfg = load_config(ROOT / "configs" / "coco" / leaf)
        with torch.device("meta"):
            model = MODELS.build(cfg.model)
        parts = (part for name, part in model.named_children() if name not in without)
        return sum(parameter.numel() for part in parts for parameter in part.parameters()) / 1e6

    mask_rcnn = millions("oanet_r50.py", {"semantic_head", "ranking_head"})
    pspnet = millions("pspnet_r50.py", {"auxiliary_head"})  # of the training alone
    assert mask_rcnn + pspnet == pytest.approx(91.6, rel=0.01)
