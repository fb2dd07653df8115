"""Real photographs' ground truth: PQ 100 against itself, the official counts against perturbed copies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC
from panoptic_core.cli.evaluate import main
from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import read_panoptic_json, read_panoptic_png, read_segmentation, write_panoptic_png
from panoptic_core.metrics import MEASURES

pytestmark = pytest.mark.realdata


SETS = pytest.mark.parametrize(
    ("name", "split"),
    [("coco_mini", "val"), ("coco_mini", "train"), ("cityscapes_mini", "val")],
)


@SETS
def test_truth_against_itself_is_100(annotations: Any, name: str, split: str) -> None:
    path, folder = annotations(name, split)
    for mode in ("default", "exact"):
        outcome = evaluate_folders(path, path, gt_folder=folder, pred_folder=folder, mode=mode)  # type: ignore[arg-type]
        assert outcome.table is (COCO_PANOPTIC if name == "coco_mini" else CITYSCAPES)
        assert outcome.result.all.pq == outcome.result.things.pq == outcome.result.stuff.pq == 100
        assert outcome.result.all.n > 10


@SETS
def test_every_annotation_is_a_segmentation(annotations: Any, name: str, split: str) -> None:
    path, folder = annotations(name, split)
    content = read_panoptic_json(path)
    for annotation in content.annotations:
        seg = read_segmentation(folder / annotation["file_name"], annotation["segments_info"], content.table)
        assert seg.areas.tolist() == [info.get("area") for info in annotation["segments_info"]]


def perturb(path: Path, folder: Path, out: Path, seed: int) -> None:
    """Write predictions that differ from the truth: moved, cut, dropped, of another class; areas are lies."""
    rng = np.random.default_rng(seed)
    content = json.loads(path.read_text())
    classes = [row["id"] for row in content["categories"]]
    for annotation in content["annotations"]:
        ids = np.roll(
            read_panoptic_png(folder / annotation["file_name"]), rng.integers(-12, 13, 2), axis=(0, 1)
        )
        for info in annotation["segments_info"]:
            mask = ids == info["id"]
            chance = rng.random()
            if chance < 0.1:
                ids[mask] = 0
            elif chance < 0.25:
                ids[mask & (rng.random(ids.shape[1]) < 0.5)] = 0
            elif chance < 0.35:
                info["category_id"] = int(rng.choice(classes))
        present = set(np.unique(ids).tolist())
        kept = [info for info in annotation["segments_info"] if info["id"] in present]
        annotation["segments_info"] = kept
        annotation["file_name"] = f"{annotation['image_id']}.png"
        write_panoptic_png(out / annotation["file_name"], ids)
    (out / "pred.json").write_text(json.dumps({"annotations": content["annotations"]}))


@pytest.mark.parity
@SETS
def test_exact_mode_gives_the_official_counts(
    annotations: Any, name: str, split: str, tmp_path: Path, capsys: Any
) -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
    path, folder = annotations(name, split)
    out = tmp_path / "pred"
    out.mkdir()
    perturb(path, folder, out, seed=0)
    ours = evaluate_folders(path, out / "pred.json", gt_folder=folder, pred_folder=out, mode="exact")

    truth, pred = json.loads(path.read_text()), json.loads((out / "pred.json").read_text())
    found = {annotation["image_id"]: annotation for annotation in pred["annotations"]}
    pairs = [(annotation, found[annotation["image_id"]]) for annotation in truth["annotations"]]
    categories = {row["id"]: row for row in truth["categories"]}
    stat = official.pq_compute_single_core(0, pairs, str(folder), str(out), categories)
    capsys.readouterr()
    rows = [stat[category_id] for category_id in ours.table.category_ids]
    for column in ("tp", "fp", "fn"):
        assert getattr(ours.counts, column).tolist() == [getattr(row, column) for row in rows]
    np.testing.assert_allclose(ours.counts.iou, [row.iou for row in rows], rtol=1e-12)
    expected = official.average_pq(stat, categories)["All"]
    assert ours.result.all.pq == pytest.approx(100 * expected["pq"], rel=1e-12)
    assert 5 < ours.result.all.pq < 95


@pytest.mark.parity
def test_the_official_command_line_gives_the_official_results(
    annotations: Any, tmp_path: Path, capsys: Any
) -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
    path, folder = annotations("cityscapes_mini", "val")
    out = tmp_path / "pred"
    out.mkdir()
    perturb(path, folder, out, seed=1)
    options = {
        "--gt-json-file": path,
        "--gt-folder": folder,
        "--prediction-json-file": out / "pred.json",
        "--prediction-folder": out,
        "--results_file": tmp_path / "ours.json",
    }
    given = [str(text) for pair in options.items() for text in pair]
    assert main([*given, "--exact", "--quiet"]) == 0
    ours = json.loads((tmp_path / "ours.json").read_text())
    theirs = official.evaluatePanoptic(
        str(path), str(folder), str(out / "pred.json"), str(out), str(tmp_path / "theirs.json")
    )
    capsys.readouterr()
    for group in ("All", "Things", "Stuff"):
        assert ours[group.lower()]["n"] == theirs[group]["n"]
        for name in ("pq", "sq", "rq"):
            assert ours[group.lower()][name] == pytest.approx(100 * theirs[group][name], rel=1e-12)
    assert 5 < ours["all"]["pq"] < 95


@SETS
def test_what_is_beside_pq(annotations: Any, name: str, split: str, tmp_path: Path) -> None:
    path, folder = annotations(name, split)
    perfect = evaluate_folders(path, path, gt_folder=folder, pred_folder=folder, measures=MEASURES).extended
    assert perfect is not None
    values = perfect.values()
    for key in ("PQ_dagger", "PC", "PQ_boundary"):
        assert values[key] == 100
    out = tmp_path / "pred"
    out.mkdir()
    perturb(path, folder, out, seed=0)
    outcome = evaluate_folders(path, out / "pred.json", gt_folder=folder, pred_folder=out, measures=MEASURES)
    assert outcome.extended is not None
    values = outcome.extended.values()
    for side, whole in (("FN", outcome.result.all.fn), ("FP", outcome.result.all.fp)):
        assert sum(count for key, count in values.items() if key.startswith(f"{side}_")) == whole
    assert values["PQ_boundary"] < outcome.result.all.pq
    assert outcome.extended.sizes is not None
    for column in ("tp", "fp", "fn"):
        parts = (getattr(result.all, column) for result in outcome.extended.sizes.values())
        assert sum(parts) == getattr(outcome.result.all, column)
    for score in outcome.images:
        assert score.misses is not None
        assert sum(score.misses.values()) == score.fn
