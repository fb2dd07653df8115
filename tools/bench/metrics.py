"""PQ in memory and from files, beside panopticapi's loop and beside the mere decoding of the PNGs."""

import argparse
import contextlib
import io
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from bench import measures
from bench._scenes import prediction_of, street
from bench._timing import Table, interleaved
from PIL import Image

from panoptic_core.categories import CITYSCAPES
from panoptic_core.evaluating import evaluate_folders
from panoptic_core.files import PanopticWriter, read_panoptic_json
from panoptic_core.metrics import confusion_matrix, count_segments, mean_iou
from panoptic_fusion import PanopticSegmentation

_CLASSES = CITYSCAPES.num_classes


def run(args: argparse.Namespace) -> None:
    """Print all rows.

    Args:
        args: `repeats` is used if it is there.
    """
    repeats = getattr(args, "repeats", None) or 31
    table = Table("Panoptic quality; one thread on both sides, CPU time")
    for work, salt, bar in (("PQ core, 1024x2048", 0.0, 8.0), ("PQ core, 1 % salt noise", 0.01, 4.0)):
        _core_row(table, work, salt, bar, repeats)
    _core_row(table, "PQ core, every pixel noise", 1.0, None, max(3, repeats // 5))
    measures.add_rows(table, max(5, repeats // 3))
    _file_rows(table, max(5, repeats // 3))
    _iou_row(table, max(5, repeats // 3))
    _gpu_row(table, repeats)
    table.close()


def literal_core(pred: PanopticSegmentation, truth: PanopticSegmentation) -> tuple[np.ndarray, ...]:
    """Count as panopticapi does from decoded maps: unique ids, unique 64-bit pair codes, dictionaries.

    Returns:
        TP, FP, FN by class, written from the published rules (the loop itself reads files).
    """
    pred_map, truth_map = pred.id_map.numpy().astype(np.uint32), truth.id_map.numpy().astype(np.uint32)
    found = {segment.id: segment._asdict() for segment in pred.segments}
    given = {segment.id: segment._asdict() for segment in truth.segments}
    for one, area in zip(*np.unique(pred_map, return_counts=True), strict=True):
        if one:
            found[int(one)]["area"] = area
    codes = truth_map.astype(np.uint64) * 256**3 + pred_map.astype(np.uint64)
    shared = {}
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        shared[int(code) // 256**3, int(code) % 256**3] = count
    tp, fp, fn = (np.zeros(_CLASSES, dtype=np.int64) for _ in range(3))
    hit_truth, hit_pred = set(), set()
    for (t, p), count in shared.items():
        if t not in given or p not in found or given[t]["iscrowd"] or given[t]["label"] != found[p]["label"]:
            continue
        if count / (found[p]["area"] + given[t]["area"] - count - shared.get((0, p), 0)) > 0.5:
            tp[given[t]["label"]] += 1
            hit_truth.add(t)
            hit_pred.add(p)
    crowds = {row["label"]: t for t, row in given.items() if row["iscrowd"]}
    for t, row in given.items():
        fn[row["label"]] += t not in hit_truth and not row["iscrowd"]
    for p, row in found.items():
        excused = shared.get((0, p), 0) + shared.get((crowds.get(row["label"], -1), p), 0)
        fp[row["label"]] += p not in hit_pred and excused / row["area"] <= 0.5
    return tp, fp, fn


def _core_row(table: Table, work: str, salt: float, bar: float | None, repeats: int) -> None:
    truth = street(1024, 2048)
    pred = prediction_of(truth, salt=salt)
    ours = count_segments(pred, truth, _CLASSES, mode="exact")
    same = all(
        np.array_equal(a, b)
        for a, b in zip(literal_core(pred, truth), (ours.tp, ours.fp, ours.fn), strict=True)
    )
    slow, fast = interleaved(
        [partial(literal_core, pred, truth), partial(count_segments, pred, truth, _CLASSES)],
        repeats=repeats,
        settle=2,
        clock=time.thread_time,
    )
    note = f"{len(truth)} segments, counts identical: {'yes' if same else 'NO'}"
    table.faster(work, "panopticapi's loop, literal", slow, fast, bar, note)


def _file_rows(table: Table, repeats: int) -> None:
    images = 20
    with TemporaryDirectory() as root:
        paths = {}
        for name in ("gt", "pred"):
            paths[name] = Path(root) / f"{name}.json"
            with PanopticWriter(paths[name], table=CITYSCAPES) as writer:
                for i in range(images):
                    truth = street(427, 640, num_things=14, seed=i)
                    writer.add(i, f"{i}.png", truth if name == "gt" else prediction_of(truth, seed=i))
        pngs = sorted(Path(root).glob("*/*.png"))
        ours = partial(evaluate_folders, paths["gt"], paths["pred"], workers=1)
        decode, mine = interleaved([partial(_decode, pngs), ours], repeats=repeats, clock=time.thread_time)
        note = f"an image, one thread, {images} images"
        table.at_most(
            "PQ of files, 640x427",
            "decoding both PNGs into arrays",
            decode / images,
            mine / images,
            1.3,
            note,
        )
        measures.file_row(table, paths["gt"], paths["pred"], images, repeats)
        official = _official(paths["gt"], paths["pred"])
        if official is None:
            table.skip("PQ of files, panopticapi's loop", "cityscapesscripts is not installed")
            return
        slow, mine = interleaved([official, ours], repeats=repeats, clock=time.thread_time)
        table.faster(
            "PQ of files, 640x427", "cityscapesScripts' loop", slow / images, mine / images, None, note
        )


def _decode(pngs: list[Path]) -> None:
    for path in pngs:
        with Image.open(path) as image:
            np.asarray(image)


def _official(gt: Path, pred: Path) -> Any:
    try:
        from cityscapesscripts.evaluation.evalPanopticSemanticLabeling import pq_compute_single_core
    except ImportError:
        return None
    truth = read_panoptic_json(gt)
    found = read_panoptic_json(pred).by_image_id
    pairs = [(annotation, found[annotation["image_id"]]) for annotation in truth.annotations]
    categories = {row["id"]: row for row in truth.categories}

    def call() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            pq_compute_single_core(0, pairs, str(gt.with_suffix("")), str(pred.with_suffix("")), categories)

    return call


def _iou_row(table: Table, repeats: int) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    truth = street(1024, 2048)
    labels, found = truth.label_map(), prediction_of(truth).label_map()

    def literal() -> list[float]:
        masks = ((found == c, labels == c) for c in range(_CLASSES))
        return [float((a & b).sum() / (a | b).sum()) for a, b in masks]

    slow, fast = interleaved(
        [literal, lambda: mean_iou(confusion_matrix(found, labels, _CLASSES))],
        repeats=repeats,
        clock=time.thread_time,
    )
    torch.set_num_threads(threads)
    table.faster("mean IoU, 1024x2048", "two masks a class, literal", slow, fast, None)


def _gpu_row(table: Table, repeats: int) -> None:
    if not torch.cuda.is_available():
        table.skip("PQ core on a GPU", "no CUDA device here")
        return
    truth = street(1024, 2048)
    pred = prediction_of(truth)
    calls = [
        partial(count_segments, pred, truth, _CLASSES),
        partial(count_segments, pred.to("cuda"), truth.to("cuda"), _CLASSES),
    ]
    host, gpu = (call() for call in calls)
    same = all(np.array_equal(getattr(host, k), getattr(gpu, k)) for k in ("iou", "tp", "fp", "fn"))
    slow, fast = interleaved(calls, repeats=repeats)
    table.faster("PQ core on a GPU, 1024x2048", "ours on the CPU", slow, fast, None, f"same: {same}")
