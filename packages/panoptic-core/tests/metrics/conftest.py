"""Random panoptic pairs and the official loop, shared by the metric tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from panoptic_core.files import write_panoptic_png
from panoptic_core.metrics import PQCounts, SegmentTable

NUM_CLASSES = 5


class Pair(NamedTuple):
    """A random prediction and ground truth."""

    pred_map: np.ndarray
    pred: SegmentTable
    target_map: np.ndarray
    target: SegmentTable


def random_map(
    rng: np.random.Generator, size: tuple[int, int], largest_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a map of random rectangles over void, and its ids in random order."""
    height, width = size
    ids = 1 + rng.choice(largest_id - 1, size=rng.integers(0, 13), replace=False)
    id_map = np.zeros(size, dtype=np.int32)
    for one in ids:
        y, x = rng.integers(0, height), rng.integers(0, width)
        id_map[y : y + rng.integers(1, height), x : x + rng.integers(1, width)] = one
    if rng.random() < 0.3:  # salt
        where = rng.random(size) < 0.05
        id_map[where] = rng.choice(np.append(ids, 0), where.sum())
    return id_map, rng.permutation(np.intersect1d(id_map, ids))


def make_table(rng: np.random.Generator, id_map: np.ndarray, ids: np.ndarray, crowds: float) -> SegmentTable:
    areas = np.array([(id_map == one).sum() for one in ids], dtype=np.int64)
    labels = rng.integers(0, NUM_CLASSES, len(ids))
    return SegmentTable(ids.astype(np.int64), labels, rng.random(len(ids)) < crowds, areas)


@pytest.fixture
def random_pair() -> Callable[..., Pair]:
    def make(seed: int, *, largest_id: int = 1 << 24, size: tuple[int, int] = (24, 30)) -> Pair:
        rng = np.random.default_rng(seed)
        target_map, target_ids = random_map(rng, size, largest_id)
        target = make_table(rng, target_map, target_ids, crowds=0.3)
        if rng.random() < 0.6:  # a prediction near the truth
            pred_map = np.roll(target_map, rng.integers(-2, 3, 2), axis=(0, 1))
            pred_ids = rng.permutation(target_ids)
            pred = make_table(rng, pred_map, pred_ids, crowds=0)
            known = dict(zip(target.ids.tolist(), target.labels.tolist(), strict=True))
            same = np.array([known[one] for one in pred_ids.tolist()], dtype=np.int64)
            pred = pred._replace(labels=np.where(rng.random(len(pred_ids)) < 0.8, same, pred.labels))
        else:
            pred_map, pred_ids = random_map(rng, size, largest_id)
            pred = make_table(rng, pred_map, pred_ids, crowds=0)
        return Pair(pred_map, pred, target_map, target)

    return make


@pytest.fixture
def official_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., PQCounts]:
    """Counts of cityscapesScripts' copy of panopticapi's loop, which reads PNGs."""
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPanopticSemanticLabeling")

    def segments(table: SegmentTable) -> list[dict[str, Any]]:
        rows = zip(*(column.tolist() for column in table), strict=True)
        return [
            {"id": one, "category_id": label, "iscrowd": int(crowd), "area": area}
            for one, label, crowd, area in rows
        ]

    def count(pairs: list[Pair]) -> PQCounts:
        annotations = []
        for i, pair in enumerate(pairs):
            entries = []
            for kind, id_map, table in (("gt", *pair[2:]), ("pred", *pair[:2])):
                (tmp_path / kind).mkdir(exist_ok=True)
                write_panoptic_png(tmp_path / kind / f"{i}.png", id_map)
                entries.append({"image_id": i, "file_name": f"{i}.png", "segments_info": segments(table)})
            annotations.append(tuple(entries))
        categories = {label: {"id": label, "isthing": 1} for label in range(NUM_CLASSES)}
        stat = official.pq_compute_single_core(
            0, annotations, str(tmp_path / "gt"), str(tmp_path / "pred"), categories
        )
        capsys.readouterr()
        rows = [stat[label] for label in range(NUM_CLASSES)]
        return PQCounts(
            np.array([row.iou for row in rows]),
            *(np.array([getattr(row, name) for row in rows]) for name in ("tp", "fp", "fn")),
        )

    return count
