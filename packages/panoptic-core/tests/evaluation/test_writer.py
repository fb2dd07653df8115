import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from panoptic_core.files import read_panoptic_json, read_segmentation
from panoptic_core.metrics import count_segments
from panoptic_core.testing import tiny_scene

SampleMaker = Callable[..., dict[str, Any]]
Evaluate = Callable[..., dict[str, Any]]


def test_what_is_written_reads_back(
    sample: SampleMaker, evaluate: Evaluate, tmp_path: Path, logged: list[str]
) -> None:
    samples = [sample(number, shift=number, file_name=f"city/{number}.jpg") for number in (4, 2)]
    metric = {"type": "panoptic_core.PanopticWriter", "out": str(tmp_path)}
    assert evaluate(metric, [*samples, samples[0]], size=2) == {}
    content = read_panoptic_json(tmp_path / "panoptic.json")
    assert [entry["id"] for entry in json.loads((tmp_path / "panoptic.json").read_text())["images"]] == [2, 4]
    for made, annotation in zip(reversed(samples), content.annotations, strict=True):
        assert annotation["file_name"] == f"city/{made['img_id']}.png"
        assert all(segment["score"] == 1.0 for segment in annotation["segments_info"])
        back = read_segmentation(
            tmp_path / "panoptic" / annotation["file_name"], annotation["segments_info"], tiny_scene().table
        )
        torch.testing.assert_close(back.label_map(), made["pred_panoptic"].label_map())
        counts = count_segments(back, made["pred_panoptic"], 5)
        assert counts.tp.sum() == len(made["pred_panoptic"])
    assert "Predictions of 2 images" in logged[-1]


def test_no_ground_truth_is_needed(sample: SampleMaker, evaluate: Evaluate, tmp_path: Path) -> None:
    made = sample(1)
    del made["gt_panoptic"]
    evaluate({"type": "panoptic_core.PanopticWriter", "out": str(tmp_path)}, [made])
    assert (tmp_path / "panoptic" / "1.png").is_file()


def test_names_do_not_leave_the_folder(sample: SampleMaker, evaluate: Evaluate, tmp_path: Path) -> None:
    metric = {"type": "panoptic_core.PanopticWriter", "out": str(tmp_path / "out")}
    with pytest.raises(ValueError, match="stay inside"):
        evaluate(metric, [sample(1, file_name="../../evil.jpg")])
    assert not list(tmp_path.rglob("evil*"))
