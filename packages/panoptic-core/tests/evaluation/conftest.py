"""Samples as a model returns them, made from the tiny scene."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.evaluator import Evaluator

from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

SampleMaker = Callable[..., dict[str, Any]]


@pytest.fixture
def sample() -> SampleMaker:
    """Make the sample of image ``number``: its prediction is the truth, moved right by ``shift`` pixels."""

    def make(number: int, shift: int = 0, **more: Any) -> dict[str, Any]:
        truth = tiny_scene().segmentation
        moved = torch.roll(truth.id_map, shift, dims=1)
        pred = PanopticSegmentation.from_id_map(
            moved, truth.ids, truth.labels, truth.is_thing, scores=torch.ones(len(truth))
        )
        return {
            "img_id": number,
            "img_path": f"{number}.png",
            "gt_panoptic": truth,
            "pred_panoptic": pred,
            **more,
        }

    return make


@pytest.fixture
def evaluate() -> Callable[..., dict[str, Any]]:
    """Run metrics over samples, as MMEngine's loops do."""

    def run(metrics: Any, samples: list[dict[str, Any]], size: int | None = None) -> dict[str, Any]:
        evaluator = Evaluator(metrics)
        evaluator.dataset_meta = tiny_scene().table.to_metainfo()
        for start in range(0, len(samples), 2):
            evaluator.process(samples[start : start + 2])
        values: dict[str, Any] = evaluator.evaluate(len(samples) if size is None else size)
        return values

    return run


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what the metrics log."""
    lines: list[str] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("panoptic_core.evaluation.") and hasattr(module, "print_log"):
            monkeypatch.setattr(module, "print_log", lambda message, **_: lines.append(message))
    return lines
