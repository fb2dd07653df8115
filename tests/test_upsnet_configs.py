"""What the paper prints, held against the configs: sizes, weights, variants."""

import argparse
from pathlib import Path

import pytest
import torch
from mmengine.config import Config, DictAction

from panoptic_core.engine.config import RunOptions, prepare_config
from panoptic_core.engine.config.loading import load_config
from panoptic_heads.registry import MODELS

CONFIGS = Path(__file__).parents[1] / "configs"
LEAVES = sorted(
    str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("upsnet*.py") if "_base_" not in path.parts
)


def _build(cfg: Config) -> torch.nn.Module:
    cfg.model.backbone.init_cfg = None
    with torch.device("meta"):
        return MODELS.build(cfg.model)


def test_number_of_parameters() -> None:
    # Section 4.1: 46.1 M on COCO with ResNet-50.
    model = _build(load_config(CONFIGS / "coco/upsnet_r50.py"))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(46.1, rel=0.002)


def test_deformable_backbone_begins_at_res3() -> None:
    model = _build(load_config(CONFIGS / "coco/upsnet_r101_dcn.py"))
    blocks = [len(stage) for stage in (getattr(model.backbone, f"layer{i}") for i in range(1, 5))]
    assert blocks == [3, 4, 23, 3]
    names = [name for name, _ in model.backbone.named_parameters() if "conv_offset.weight" in name]
    assert {name[:6] for name in names} == {"layer2", "layer3", "layer4"}
    assert len(names) == 4 + 23 + 3


@pytest.mark.parametrize("leaf", LEAVES)
def test_weights_and_variants(leaf: str) -> None:
    model = load_config(CONFIGS / leaf).model
    semantic = model.semantic_head.loss.loss_weight
    assert model.roi_weight == pytest.approx(semantic / 5)  # section 4
    variant = next((word for word in ("_cp", "_c") if f"upsnet{word}" in leaf), "")
    assert model.panoptic_weight == pytest.approx(0.0 if variant == "_c" else semantic / 2)
    fusion = model.panoptic_fusion_head
    if variant:
        assert fusion.type.__name__ == "ConfidenceFusion"
        assert model.test_cfg.get("panoptic") is None  # Mask R-CNN's own detections
    else:
        assert fusion.type.__name__ == "PanopticLogitsFusion"
        assert fusion.unknown == model.unknown
        assert model.test_cfg.panoptic.nms.class_agnostic
    if "r50" in leaf or "r101" in leaf:
        assert fusion.stuff_area_limit == (4096 if "coco/" in leaf else 2048)  # section 4
        assert model.semantic_head.num_convs == (3 if "coco/" in leaf else 2)


# docs/upsnet.md: the columns of table 6, switched off; row k of the paper leaves out the last ones.
TABLE_6 = {
    "panoptic loss": ["model.panoptic_weight=0"],
    "instance class assignment": ["model.panoptic_fusion_head.resolve=False"],
    "loss balance": ["model.semantic_head.loss.loss_weight=0.1"],
    "RoI loss": ["model.roi_weight=0"],
    "unknown": ["model.unknown=False", "model.panoptic_fusion_head.unknown=False"],
}


@pytest.mark.parametrize("row", range(1, 7))
def test_rows_of_table_6(row: int) -> None:
    off = [option for options in list(TABLE_6.values())[row - 1 :] for option in options]
    page = (CONFIGS.parent / "docs" / "upsnet.md").read_text(encoding="utf-8")
    assert all(f"`{' '.join(options)}`" in page for options in TABLE_6.values())
    values = argparse.ArgumentParser()
    values.add_argument("--cfg-options", nargs="*", action=DictAction, default={})
    typed = values.parse_args(["--cfg-options", *off]).cfg_options
    cfg, _ = prepare_config(RunOptions(config=CONFIGS / "coco/upsnet_r50.py", cfg_options=typed, check=False))
    model = _build(cfg)
    fusion = model.panoptic_fusion_head
    # Sections 4 and 4.5: (panoptic, assignment, semantic, RoI, unknown)
    assert (
        model.panoptic_weight,
        fusion.resolve,
        model.semantic_head.semantic_loss.loss_weight,
        model.roi_weight,
        (model.unknown, fusion.unknown),
    ) == (
        0.1 if row > 1 else 0,
        row > 2,
        0.2 if row > 3 else 0.1,
        0.04 if row > 4 else 0,
        (row > 5, row > 5),
    )


def test_plain_resnet_101() -> None:
    cfg = load_config(CONFIGS / "coco/upsnet_r50.py")
    assert "model.backbone.depth=101" in (CONFIGS.parent / "docs" / "upsnet.md").read_text(encoding="utf-8")
    cfg.merge_from_dict({"model.backbone.depth": 101})
    model = _build(cfg)
    assert len(model.backbone.layer3) == 23
    assert not any("offset" in name for name, _ in model.backbone.named_parameters())


@pytest.mark.parametrize(
    ("leaf", "shorts"),
    [("coco/upsnet_r50.py", range(480, 1121, 64)), ("cityscapes/upsnet_r50.py", range(704, 1345, 64))],
)
def test_scales_of_test_time_augmentation(leaf: str, shorts: range) -> None:
    cfg = load_config(CONFIGS / leaf)
    short = min(cfg.test_dataloader.dataset.pipeline[1].scale)
    assert [round(scale * short) for scale in cfg.tta.scales] == list(shorts)
    assert cfg.tta.semantics_only
    assert cfg.tta.space == "logits"
