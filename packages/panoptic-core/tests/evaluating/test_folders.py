"""PQ from folders: bounded, the same for any number of threads, and every wrong file is named."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from panoptic_core.evaluating import evaluate_folders
from panoptic_core.evaluating.counting import ImageCounter
from panoptic_core.files import PanopticFileError, PanopticWriter, write_panoptic_png
from panoptic_core.metrics import (
    MEASURES,
    ExtendedSum,
    count_extended,
    count_segments,
    sum_counts,
    summarize,
    summarize_extended,
)
from panoptic_core.testing import tiny_scene
from panoptic_fusion import PanopticSegmentation

TABLE = tiny_scene().table


def shifted(seg: PanopticSegmentation, by: int) -> PanopticSegmentation:
    return PanopticSegmentation.from_id_map(seg.id_map.roll(by, 1), seg.ids, seg.labels, seg.is_thing)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five images of growing size; each prediction is shifted by its number."""
    for name in ("gt", "pred"):
        with PanopticWriter(tmp_path / f"{name}.json", table=TABLE) as writer:
            for i in range(5):
                seg = tiny_scene(32 + i, 48 + i).segmentation
                writer.add(i, f"{i}.png", seg if name == "gt" else shifted(seg, i))
    return tmp_path


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_equals_the_metric_in_memory(root: Path) -> None:
    scenes = [tiny_scene(32 + i, 48 + i).segmentation for i in range(5)]
    expected = sum_counts((count_segments(shifted(s, i), s, 5) for i, s in enumerate(scenes)), 5)
    outcome = evaluate_folders(root / "gt.json", root / "pred.json")
    assert outcome.result == summarize(expected, TABLE)
    assert outcome.counts.iou.tobytes() == expected.iou.tobytes()
    assert (outcome.num_images, outcome.num_ignored) == (5, 0)
    assert outcome.table.categories == TABLE.categories


def test_each_image_by_itself(root: Path) -> None:
    outcome = evaluate_folders(root / "gt.json", root / "pred.json", workers=3)
    assert [score.image_id for score in outcome.images] == [0, 1, 2, 3, 4]
    for i, score in enumerate(outcome.images):
        seg = tiny_scene(32 + i, 48 + i).segmentation
        counts = count_segments(shifted(seg, i), seg, 5)
        assert (score.image_file, score.gt_file, score.pred_file) == (f"{i}.png",) * 3
        assert score.pq == pytest.approx(summarize(counts, TABLE).all.pq, rel=1e-12)
        assert (score.tp, score.fp, score.fn) == tuple(
            int(c.sum()) for c in (counts.tp, counts.fp, counts.fn)
        )
        assert (score.iou, score.misses, score.falses) == (counts.iou.sum(), None, None)
    assert outcome.images[0].pq == 100 > outcome.images[4].pq


@pytest.mark.parametrize("workers", [1, 3])
def test_measures_are_those_in_memory(root: Path, workers: int) -> None:
    total = ExtendedSum(5)
    for i in range(5):
        seg = tiny_scene(32 + i, 48 + i).segmentation
        total.add(count_extended(shifted(seg, i), seg, TABLE))
    outcome = evaluate_folders(root / "gt.json", root / "pred.json", measures=MEASURES, workers=workers)
    assert outcome.extended is not None
    assert outcome.extended.to_dict() == summarize_extended(total.total(), TABLE).to_dict()
    for score in outcome.images:
        assert score.misses is not None
        assert score.falses is not None
        assert (sum(score.misses.values()), sum(score.falses.values())) == (score.fn, score.fp)


def test_measures_that_do_not_exist(root: Path) -> None:
    with pytest.raises(ValueError, match=r"measures among dagger, .*, got IoU"):
        evaluate_folders(root / "gt.json", root / "pred.json", measures=["IoU"])


def test_image_names_are_a_luxury(root: Path) -> None:
    edit(
        root / "gt.json",
        lambda content: content.update(images=[{"id": 0}, "no image", {"id": 1, "file_name": "b"}]),
    )
    outcome = evaluate_folders(root / "gt.json", root / "pred.json")
    assert [score.image_file for score in outcome.images] == [None, "b", None, None, None]


def test_an_image_without_segments_has_no_pq(tmp_path: Path) -> None:
    write_panoptic_png(tmp_path / "a.png", np.zeros((3, 4), np.int32))
    annotation = {"image_id": "a", "file_name": "a.png", "segments_info": []}
    categories = [{"id": 1, "name": "car", "isthing": 1}]
    (tmp_path / "gt.json").write_text(json.dumps({"annotations": [annotation], "categories": categories}))
    outcome = evaluate_folders(
        tmp_path / "gt.json", tmp_path / "gt.json", gt_folder=tmp_path, pred_folder=tmp_path
    )
    assert np.isnan(outcome.images[0].pq)


def test_truth_against_itself_is_100(root: Path) -> None:
    for mode in ("default", "exact"):
        outcome = evaluate_folders(root / "gt.json", root / "gt.json", mode=mode)  # type: ignore[arg-type]
        assert outcome.result.all.pq == outcome.result.things.pq == outcome.result.stuff.pq == 100
        assert outcome.result.all.fp == outcome.result.all.fn == 0


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_change_nothing(root: Path, workers: int) -> None:
    seen: list[tuple[int, int]] = []
    outcome = evaluate_folders(
        root / "gt.json",
        root / "pred.json",
        workers=workers,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert outcome.result == evaluate_folders(root / "gt.json", root / "pred.json", workers=1).result
    assert seen == [(i, 5) for i in range(1, 6)]
    assert threading.active_count() == 1 or all("ThreadPool" not in t.name for t in threading.enumerate())


def test_few_images_are_begun_at_a_time(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    begun, taken, most = [], [], []
    original = ImageCounter.count

    def counted(*args: Any) -> Any:
        begun.append(1)
        most.append(len(begun) - len(taken))
        return original(*args)

    monkeypatch.setattr(ImageCounter, "count", counted)
    with PanopticWriter(root / "many.json", table=TABLE) as writer:
        for i in range(40):
            writer.add(i, f"{i}.png", tiny_scene(16, 24).segmentation)
    evaluate_folders(root / "many.json", root / "many.json", workers=2, progress=lambda *_: taken.append(1))
    assert len(begun) == 40
    assert max(most) <= 2 * 2 + 1


@pytest.mark.parity
def test_exact_mode_with_wrong_areas_is_the_official_command(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")
    rng = np.random.default_rng(0)

    def wrong_areas(content: Any) -> None:
        for annotation in content["annotations"]:
            for info in annotation["segments_info"]:
                area = info["area"] * rng.uniform(0.6, 1.3)
                info["area"] = int(area) if rng.random() < 0.5 else area  # fractions are taken as they are

    edit(root / "gt.json", wrong_areas)
    results = official.evaluatePanoptic(
        str(root / "gt.json"),
        str(root / "gt"),
        str(root / "pred.json"),
        str(root / "pred"),
        str(root / "out.json"),
    )
    capsys.readouterr()
    ours = evaluate_folders(root / "gt.json", root / "pred.json", mode="exact").result
    for theirs, group in (("All", ours.all), ("Things", ours.things), ("Stuff", ours.stuff)):
        for name in ("pq", "sq", "rq"):
            assert getattr(group, name) == pytest.approx(100 * results[theirs][name], rel=1e-12)
    assert ours != evaluate_folders(root / "gt.json", root / "pred.json").result


def test_custom_sets_put_their_things_first(root: Path) -> None:
    edit(root / "gt.json", lambda content: content["categories"].reverse())
    outcome = evaluate_folders(root / "gt.json", root / "pred.json")
    assert outcome.table.names == ("car", "person", "sky", "building", "road")
    assert outcome.table.name == "gt.json"
    first = evaluate_folders(root / "gt.json", root / "gt.json").result.per_class[0]
    assert (first.name, first.tp) == ("car", 10)


def test_known_sets_keep_our_order(tmp_path: Path) -> None:
    from panoptic_core.categories import CITYSCAPES

    scene = tiny_scene()
    labels = [CITYSCAPES.lookup(TABLE.category_ids[label]) for label in scene.segmentation.labels.tolist()]
    seg = PanopticSegmentation.from_id_map(
        scene.segmentation.id_map, scene.segmentation.ids, torch.tensor(labels), scene.segmentation.is_thing
    )
    with PanopticWriter(tmp_path / "cs.json", table=CITYSCAPES) as writer:
        writer.add("aachen_000000_000019", "a.png", seg)
    edit(tmp_path / "cs.json", lambda content: content["categories"].reverse())
    assert evaluate_folders(tmp_path / "cs.json", tmp_path / "cs.json").table is CITYSCAPES


def test_more_predictions_than_images_are_ignored(root: Path) -> None:
    edit(root / "gt.json", lambda content: content["annotations"].pop(1))
    outcome = evaluate_folders(root / "gt.json", root / "pred.json")
    assert (outcome.num_images, outcome.num_ignored) == (4, 1)


def drop_prediction(root: Path) -> None:
    edit(root / "pred.json", lambda content: content["annotations"].pop(3))


def text_ids(root: Path) -> None:
    def change(content: Any) -> None:
        for annotation in content["annotations"]:
            annotation["image_id"] = str(annotation["image_id"])

    edit(root / "pred.json", change)


def drop_png(root: Path) -> None:
    (root / "pred" / "2.png").unlink()


def break_png(root: Path) -> None:
    (root / "gt" / "2.png").write_bytes(b"nothing")


def other_size(root: Path) -> None:
    write_panoptic_png(root / "pred" / "2.png", np.zeros((3, 4), np.int32))


def unlisted(root: Path) -> None:
    edit(root / "pred.json", lambda content: content["annotations"][2]["segments_info"].pop(0))


def not_drawn(root: Path) -> None:
    extra = {"id": 7, "category_id": 24}
    edit(root / "pred.json", lambda content: content["annotations"][2]["segments_info"].append(extra))


def truth_not_drawn(root: Path) -> None:
    extra = {"id": 7, "category_id": 24, "iscrowd": 0, "area": 4}
    edit(root / "gt.json", lambda content: content["annotations"][2]["segments_info"].append(extra))


def train_ids(root: Path) -> None:
    edit(
        root / "pred.json",
        lambda content: content["annotations"][2]["segments_info"][0].update(category_id=0),
    )


def no_categories(root: Path) -> None:
    edit(root / "gt.json", lambda content: content.pop("categories"))


def nothing(root: Path) -> None:
    edit(root / "gt.json", lambda content: content.update(annotations=[]))


def no_folder(root: Path) -> None:
    (root / "pred").rename(root / "elsewhere")


@pytest.mark.parametrize(
    ("harm", "kind", "message"),
    [
        (
            drop_prediction,
            PanopticFileError,
            r"each of the 5 images, got none for 1 of them in .*pred\.json: image id 3\.",
        ),
        (text_ids, PanopticFileError, "image ids as numbers, the other as text"),
        (drop_png, FileNotFoundError, r"pred/2\.png, but there is no such file"),
        (break_png, PanopticFileError, r"gt/2\.png to be a PNG"),
        (
            other_size,
            PanopticFileError,
            r"Image 2, .*pred/2\.png against .*one size, got \(3, 4\) and \(34, 50\)",
        ),
        (unlisted, PanopticFileError, r"Image 2, .*pred/2\.png.*prediction's map .* got 1 others"),
        (not_drawn, PanopticFileError, r"Image 2, .*listed predicted segment to own a pixel, got 1 .*: 7\."),
        (truth_not_drawn, PanopticFileError, r"Image 2, .*listed ground-truth segment .*: 7\."),
        (train_ids, PanopticFileError, r"pred\.json, image 2, segment \d+: category id 0 is not among the 5"),
        (no_categories, PanopticFileError, r"Expected `categories` in .*gt\.json"),
        (nothing, PanopticFileError, r"annotations in .*gt\.json, got none"),
        (no_folder, FileNotFoundError, r"folder .*pred with the PNGs of the predictions"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("workers", [1, 3])
def test_wrong_files_are_named(
    root: Path, harm: Any, kind: type[Exception], message: str, workers: int
) -> None:
    harm(root)
    with pytest.raises(kind, match=message):
        evaluate_folders(root / "gt.json", root / "pred.json", workers=workers)


@pytest.mark.parametrize("area", [float("nan"), float("inf"), 10**400, True])
def test_exact_mode_refuses_areas_that_cannot_be(root: Path, area: float) -> None:
    edit(root / "gt.json", lambda content: content["annotations"][1]["segments_info"][0].update(area=area))
    assert evaluate_folders(root / "gt.json", root / "pred.json").num_images == 5
    with pytest.raises(
        PanopticFileError, match=r"gt/1\.png, segment \d+: expected `area` to be a number, got"
    ):
        evaluate_folders(root / "gt.json", root / "pred.json", mode="exact")


def test_exact_mode_needs_areas(root: Path) -> None:
    edit(root / "gt.json", lambda content: content["annotations"][1]["segments_info"][0].pop("area"))
    assert evaluate_folders(root / "gt.json", root / "pred.json").num_images == 5
    with pytest.raises(
        PanopticFileError, match=r"gt/1\.png, segment \d+: expected `area` to be a number, got None"
    ):
        evaluate_folders(root / "gt.json", root / "pred.json", mode="exact")
