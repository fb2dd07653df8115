"""Loading panoptic ground truth beside MMDetection's loader: time, and the memory one image takes."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
from bench._scenes import street
from bench._timing import Table, interleaved, peak_memory

from panoptic_core.categories import CITYSCAPES
from panoptic_core.files import PanopticWriter, read_panoptic_json, read_panoptic_png, read_segmentation

_SIZE = (1024, 2048)
_NUM_THINGS = 64


def run(args: argparse.Namespace) -> None:
    """Print all rows.

    Args:
        args: `repeats` is used if it is there.
    """
    repeats = getattr(args, "repeats", None) or 9
    table = Table("Loading panoptic ground truth, 64 things, 1024x2048; one thread on both sides, CPU time")
    with TemporaryDirectory() as root:
        json_path = _write(Path(root))
        ours = _our_loader(json_path)
        if ours is None:
            table.skip("LoadPanoptic", "panoptic-data is not installed; the file reader alone is timed")
            ours = partial(_read, json_path)
        peers = {"one full mask a thing, literal": partial(_literal, json_path)}
        mmdet = _mmdet_loader(json_path)
        if mmdet is None:
            table.skip("LoadPanopticAnnotations", "mmdet is not installed")
        else:
            peers = {"mmdet LoadPanopticAnnotations": mmdet} | peers
        for name, peer in peers.items():
            slow, fast = interleaved([peer, ours], repeats=repeats, clock=time.thread_time)
            table.faster("load, ready for crop and resize", name, slow, fast, 10)
        if sys.platform.startswith("linux"):
            for name, kind in zip(peers, ["mmdet", "literal"][-len(peers) :], strict=True):
                try:
                    theirs, mine = (_fresh_peak(json_path, one) for one in (kind, "ours"))
                except subprocess.CalledProcessError as error:
                    table.skip(f"highest extra memory, {name}", error.stderr.strip().splitlines()[-1])
                else:
                    table.memory("highest extra memory", name, theirs, mine, 30)
        else:
            table.skip("highest extra memory", "it is read from /proc, on Linux only")
    table.close()


def _write(root: Path) -> Path:
    seg = street(*_SIZE, num_things=_NUM_THINGS)
    with PanopticWriter(root / "panoptic.json", table=CITYSCAPES) as writer:
        writer.add(1, "street.png", seg)
    return root / "panoptic.json"


def _entry(json_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    annotation = read_panoptic_json(json_path).annotations[0]
    segments = [dict(info) for info in annotation["segments_info"]]
    return json_path.with_suffix("") / annotation["file_name"], segments


def _our_loader(json_path: Path) -> Callable[[], object] | None:
    try:
        from panoptic_data.transforms import LoadPanoptic, SegmentTable
    except ImportError:
        return None
    path, segments = _entry(json_path)
    table = SegmentTable.from_columns(
        [info["id"] for info in segments],
        [CITYSCAPES.lookup(info["category_id"]) for info in segments],
        [info["iscrowd"] for info in segments],
        CITYSCAPES.num_things,
    )
    load = LoadPanoptic()

    def call() -> object:
        return load.transform(
            {"seg_map_path": str(path), "seg_format": "coco", "segments": table, "ori_shape": _SIZE}
        )

    return call


def _read(json_path: Path) -> object:
    path, segments = _entry(json_path)
    return read_segmentation(path, segments, CITYSCAPES)


def _mmdet_loader(json_path: Path) -> Callable[[], object] | None:
    """MMDetection's transform; without panopticapi, the one function that it takes from there is given."""
    try:
        from panoptic_core.ops import install

        install()
        from mmdet.datasets.transforms import LoadPanopticAnnotations
    except ImportError:
        return None
    _offer_panopticapi()
    path, segments = _entry(json_path)
    infos = [
        {
            "id": info["id"],
            "category": CITYSCAPES.lookup(info["category_id"]),
            "is_thing": CITYSCAPES.is_thing[CITYSCAPES.lookup(info["category_id"])],
        }
        for info in segments
    ]
    load = LoadPanopticAnnotations(with_bbox=False, with_label=False)

    def call() -> object:
        return load.transform({"seg_map_path": str(path), "segments_info": infos, "ori_shape": _SIZE})

    return call


def _offer_panopticapi() -> None:
    try:
        import panopticapi  # noqa: F401
    except ImportError:
        package, utils = ModuleType("panopticapi"), ModuleType("panopticapi.utils")
        utils.rgb2id = _rgb_to_id  # type: ignore[attr-defined]
        package.utils = utils  # type: ignore[attr-defined]
        sys.modules |= {"panopticapi": package, "panopticapi.utils": utils}


def _rgb_to_id(color: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(color.astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def _literal(json_path: Path) -> object:
    """What MMDetection's loader does: for each segment a full mask and a rewritten label map."""
    path, segments = _entry(json_path)
    ids = read_panoptic_png(path)
    labels = np.full(ids.shape, 255, dtype=np.int32)
    masks = []
    for info in segments:
        mask = ids == info["id"]
        label = CITYSCAPES.lookup(info["category_id"])
        labels = np.where(mask, label, labels)
        if CITYSCAPES.is_thing[label]:
            masks.append(mask.astype(np.uint8))
    return labels, np.stack(masks)


def _fresh_peak(json_path: Path, kind: str) -> float:
    """Measure one call in a process of its own, after a first call on a small image that loads all code."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from bench.loading import measure\n"
        "print(measure(sys.argv[2], sys.argv[3]))\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1]), str(json_path), kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout.split()[-1])


def measure(json_path: str, kind: str) -> float:
    """Return the highest extra memory of one call in MB; run in a fresh process."""
    makers = {"ours": _our_loader, "mmdet": _mmdet_loader, "literal": lambda path: partial(_literal, path)}
    with TemporaryDirectory() as root:
        with PanopticWriter(Path(root) / "small.json", table=CITYSCAPES) as writer:
            writer.add(1, "small.png", street(64, 128, num_things=4))
        for path in (Path(root) / "small.json", Path(json_path)):
            call = makers[kind](path) or partial(_read, path)
            if path == Path(json_path):
                return peak_memory(call)
            with suppress(ValueError):  # its size is not the one that the pipeline announces
                call()
    raise AssertionError
