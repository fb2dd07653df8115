"""Every row of the paper's tables 1 and 10 by options of one config, as the docs page prints them."""

import argparse
from pathlib import Path
from typing import Any

import panoptic_heads  # noqa: F401 - before mmdet: it makes the operators available

# isort: split
import pytest
import torch
from mmengine.config import DictAction
from mmengine.optim import build_optim_wrapper

from panoptic_core.engine.config import RunOptions, prepare_config
from panoptic_heads.registry import MODELS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "panoptic_deeplab.md").read_text(encoding="utf-8")

# The columns of table 1 (its last one apart), switched off.
OFF = {
    "Adam": ["optim_wrapper.optimizer.type=SGD", "optim_wrapper.optimizer.momentum=0.9"],
    "MSE": ["model.center_loss.kind=sigmoid_cross_entropy", "model.head.heatmap_activation=sigmoid"],
    "De. x2": ["model.head.dual_decoder=False"],
    "ASPP x2": ["model.head.dual_aspp=False"],
    "L-Crop": ["train_dataloader.dataset.pipeline.2.size=(513,1025)"],
    "C_Sem = 256": [
        "model.head.semantic.aspp_channels=128",
        "model.head.semantic.decoder_channels=128",
        "model.head.semantic.head_channels=128",
        "model.head.instance.aspp_channels=128",
    ],
}
ON = {
    "C_Ins = 256": ["model.head.instance.decoder_channels=256", "model.head.instance.projections=(64,32)"],
    "Sem. Only": ["model.head.instance=None"],
    "DeepLabV3+ decoder (table 10)": [
        "model.head.skips=(0,)",
        "model.head.semantic.projections=(48,)",
        "model.head.instance.projections=(24,)",
        "model.head.decoder_kernel=3",
        "model.head.decoder_convs=2",
    ],
}
# Millions of parameters, as the paper prints them, by the columns that are on.
ROWS: dict[tuple[str, ...], float] = {
    (): 41.85,
    ("Adam",): 41.85,
    ("Adam", "MSE"): 41.85,
    ("Adam", "MSE", "De. x2"): 41.93,
    ("Adam", "MSE", "De. x2", "ASPP x2"): 43.37,
    ("Adam", "MSE", "De. x2", "ASPP x2", "L-Crop"): 43.37,
    (*OFF,): 46.72,
    (*OFF, "C_Ins = 256"): 46.88,
    (*OFF, "Sem. Only"): 43.60,
    (*OFF, "DeepLabV3+ decoder (table 10)"): 46.61,
}


def _options(columns: tuple[str, ...]) -> list[str]:
    off = [option for name, options in OFF.items() if name not in columns for option in options]
    return off + [option for name, options in ON.items() if name in columns for option in options]


@pytest.mark.parametrize("columns", ROWS, ids=lambda columns: ", ".join(columns) or "baseline")
def test_row(columns: tuple[str, ...]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="*", action=DictAction, default={})
    typed: dict[str, Any] = parser.parse_args(["--cfg-options", *_options(columns)]).cfg_options
    config = ROOT / "configs/cityscapes/panoptic_deeplab_x71.py"
    cfg, _ = prepare_config(RunOptions(config=config, cfg_options=typed, check=False))
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(ROWS[columns], rel=0.01)
    assert model.center_loss.kind == ("mse" if "MSE" in columns else "sigmoid_cross_entropy")
    optimizer = build_optim_wrapper(torch.nn.Linear(1, 1), cfg.optim_wrapper).optimizer
    assert type(optimizer).__name__ == ("Adam" if "Adam" in columns else "SGD")
    crop = cfg.train_dataloader.dataset.pipeline[2].size
    assert tuple(crop) == ((1025, 2049) if "L-Crop" in columns else (513, 1025))


@pytest.mark.parametrize("name", [*OFF, *ON])
def test_the_page_prints_the_options(name: str) -> None:
    assert f"| {name} | `{' '.join((OFF | ON)[name])}` |" in PAGE
