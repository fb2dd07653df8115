import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from PIL import Image

import panoptic_core.evaluation  # noqa: F401 - before `logged` looks for its modules
from panoptic_core.categories import Category, CategoryTable
from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import PanopticWriter
from panoptic_core.fusing import SavedOutputs, fuse_folders, instance_results, take_apart
from panoptic_core.testing import tiny_scene

Evaluate = Callable[..., dict[str, Any]]
METRIC = {"type": "panoptic_core.LabelWriter"}


def test_panoptic_fuse_reads_what_is_written(evaluate: Evaluate, tmp_path: Path, logged: list[str]) -> None:
    scene = tiny_scene()
    raw = take_apart(scene.segmentation, scene.table)
    sample = {"img_id": 1, "file_name": "city/scene.jpg", "pred_sem_seg": {"sem_seg": raw.sem_seg[None]}}
    assert evaluate({**METRIC, "out": str(tmp_path / "labels")}, [sample]) == {}
    assert "Label maps of 1 images" in logged[-1]
    with PanopticWriter(tmp_path / "gt.json", table=scene.table) as writer:
        writer.add(1, "city/scene.jpg", scene.segmentation)
    results = tmp_path / "detector.segm.json"
    results.write_text(json.dumps(instance_results(1, raw, scene.table)))
    outputs = SavedOutputs.open(tmp_path / "gt.json", instances=results, semantic=tmp_path / "labels")
    fuse_folders(outputs, tmp_path / "fused.json", method="confidence", settings={"stuff_area": 0})
    assert evaluate_folders(tmp_path / "gt.json", tmp_path / "fused.json").result.all.pq == 100


@pytest.mark.parametrize(("num_classes", "dtype"), [(255, np.uint8), (300, np.uint16)])
def test_many_classes_need_16_bits(num_classes: int, dtype: type, tmp_path: Path) -> None:
    categories = tuple(Category(i, str(i), False, (i % 256, i // 256, 0)) for i in range(num_classes))
    labels = torch.tensor([[0, num_classes - 1]])
    evaluator = Evaluator({**METRIC, "out": str(tmp_path)})
    evaluator.dataset_meta = CategoryTable("many", categories).to_metainfo()
    evaluator.process([{"img_id": 7, "pred_sem_seg": {"sem_seg": labels[None]}}])
    evaluator.evaluate(1)
    pixels = np.asarray(Image.open(tmp_path / "7.png"))
    assert pixels.dtype in (dtype, np.int32)
    assert pixels.tolist() == labels.tolist()


def test_errors(evaluate: Evaluate, tmp_path: Path) -> None:
    metric = {**METRIC, "out": str(tmp_path / "labels")}
    with pytest.raises(KeyError, match="pred_sem_seg"):
        evaluate(metric, [{"img_id": 1}])
    sample = {"img_id": 1, "file_name": "../evil.jpg", "pred_sem_seg": {"sem_seg": torch.zeros(1, 2, 2)}}
    with pytest.raises(ValueError, match="stay inside"):
        evaluate(metric, [sample])
    assert not list(tmp_path.rglob("evil*"))
