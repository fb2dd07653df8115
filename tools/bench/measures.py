"""Rows of the measures beside PQ, for the part ``metrics``."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench._scenes import prediction_of, street
from bench._timing import Table, interleaved

from panoptic_core.categories import CITYSCAPES
from panoptic_core.evaluating import evaluate_folders
from panoptic_core.metrics import MEASURES, count_extended, count_segments
from panoptic_core.metrics._boundary import boundary_width, inside
from panoptic_fusion import PanopticSegmentation

_FROM_PAIRS = tuple(name for name in MEASURES if name != "boundary")


def add_rows(table: Table, repeats: int) -> None:
    """Add what the measures cost beside PQ, in memory."""
    truth = street(1024, 2048)
    pred = prediction_of(truth)
    core = partial(count_segments, pred, truth, CITYSCAPES.num_classes)
    for work, measures in (
        ("PQ and all but Boundary PQ, 1024x2048", _FROM_PAIRS),
        ("PQ and Boundary PQ, 1024x2048", ("boundary",)),
    ):
        ours = partial(count_extended, pred, truth, CITYSCAPES, measures=measures)
        alone, both = interleaved([core, ours], repeats=repeats, settle=2, clock=time.thread_time)
        table.at_most(work, "PQ core alone", alone, both, None)
    _boundary_row(table, truth, pred)


def file_row(table: Table, gt: Path, pred: Path, images: int, repeats: int) -> None:
    """Add what all measures cost from files."""
    alone, both = interleaved(
        [
            partial(evaluate_folders, gt, pred, workers=1),
            partial(evaluate_folders, gt, pred, workers=1, measures=MEASURES),
        ],
        repeats=repeats,
        clock=time.thread_time,
    )
    table.at_most(
        "PQ of files and all measures, 640x427", "PQ of files alone", alone / images, both / images, None
    )


def _boundary_row(table: Table, truth: PanopticSegmentation, pred: PanopticSegmentation) -> None:
    """Compare the boundaries of both maps with erosions of each mask, as the authors' evaluation has them."""
    try:
        import cv2
    except ImportError:
        table.skip("boundaries of two maps, 1024x2048", "opencv-python-headless is not installed")
        return
    cv2.setNumThreads(1)
    width = boundary_width(1024, 2048)
    maps = [seg.id_map.numpy() for seg in (truth, pred)]

    def literal() -> list[Any]:
        return [_eroded(cv2, ids, width) for ids in maps]

    def ours() -> list[Any]:
        return [inside(ids, width) for ids in maps]

    same = all(
        np.array_equal(a[width:-width, width:-width], b) for a, b in zip(literal(), ours(), strict=True)
    )
    slow, fast = interleaved([literal, ours], repeats=3, warm_up=0, clock=time.thread_time)
    note = f"{len(truth)} segments, identical: {'yes' if same else 'NO'}"
    table.faster(
        "boundaries of two maps, 1024x2048", "OpenCV's erosions of each mask", slow, fast, None, note
    )


def _eroded(cv2: Any, ids: np.ndarray, width: int) -> np.ndarray:
    result = np.zeros(ids.shape, dtype=bool)
    for one in np.unique(ids):
        mask = np.pad((ids == one).astype(np.uint8), 1)
        result |= cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1] > 0
    return result
