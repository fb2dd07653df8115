"""Pipelines on a photograph of 24 megapixels: decoded whole, beside decoded at the size that is wanted."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from bench._scenes import street
from bench._timing import Table, interleaved, peak_memory

import panoptic_data  # noqa: F401 - before mmdet: it makes the operators available
from panoptic_core.categories import CITYSCAPES
from panoptic_core.files import PanopticWriter, read_panoptic_json

_SIZE = (4000, 6000)
_NUM_THINGS = 60
_LONG = 2177  # Panoptic-DeepLab on Mapillary Vistas: the longest side, and crops of 1025
_CROP = (1025, 1025)


def run(args: argparse.Namespace) -> None:
    """Print all rows.

    Args:
        args: `repeats` is used if it is there.
    """
    repeats = getattr(args, "repeats", None) or 7
    with TemporaryDirectory() as root:
        write(Path(root), _SIZE)
        size = (Path(root) / "street.jpg").stat().st_size / 1e6
        table = Table(
            f"A photograph of {_SIZE[0]}x{_SIZE[1]}, {size:.1f} MB, and its map; one thread, CPU time"
        )
        for long in (700, 1500, 2500):
            whole, reduced = (_image_alone(Path(root), long, kind) for kind in ("whole", "reduced"))
            slow, fast = interleaved([whole, reduced], repeats=repeats, clock=time.thread_time)
            table.faster(f"the image alone, long side {long}", "decoded whole", slow, fast, None)
        for work in WORKS:
            whole, reduced = (_call(Path(root), work, kind) for kind in ("whole", "reduced"))
            slow, fast = interleaved([whole, reduced], repeats=repeats, clock=time.thread_time)
            table.faster(work, "decoded whole", slow, fast, None)
        if sys.platform.startswith("linux"):
            for work in WORKS:
                theirs, mine = (_fresh_peak(Path(root), work, kind) for kind in ("whole", "reduced"))
                table.memory(f"memory, {work}", "decoded whole", theirs, mine, None)
        table.close()


def write(root: Path, size: tuple[int, int]) -> None:
    """Write a JPEG with the detail of a street and a camera's noise, and its panoptic map."""
    seg = street(*size, num_things=_NUM_THINGS)
    with PanopticWriter(root / "panoptic.json", table=CITYSCAPES) as writer:
        writer.add(1, "street.png", seg)
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 200, (65536, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(colours[seg.id_map.numpy() % 65536], (0, 0), 2)
    noise = rng.integers(-6, 7, (size[0] // 2, size[1] // 2, 3), dtype=np.int8)
    noise = cv2.resize(noise.astype(np.int16), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    cv2.imwrite(str(root / "street.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 92])


def _resized(kind: str, fit: int, *, testing: bool) -> list[Any]:
    """The whole image at a longest side, with its map."""
    from mmcv.transforms import LoadImageFromFile
    from mmdet.datasets.transforms import Resize

    from panoptic_data.transforms import LoadPanoptic, LoadReducedImage, ResizeToTarget

    if kind == "whole":
        steps = [LoadImageFromFile(), LoadPanoptic(), Resize(scale=(fit, fit), keep_ratio=True)]
    else:
        steps = [
            LoadReducedImage(edges=(fit, fit)),
            LoadPanoptic(at_image_size=not testing),
            ResizeToTarget(),
        ]
    return [steps[0], steps[2], steps[1]] if testing else steps


def _crop(kind: str) -> list[Any]:
    """Panoptic-DeepLab's training crops; every size of its range in turn."""
    from mmcv.transforms import LoadImageFromFile

    from panoptic_data.transforms import LoadPanoptic, LoadReducedImage, RandomScaledCrop

    fit, factors = (_LONG, _LONG), (0.5, 2.0)
    if kind == "whole":
        return [LoadImageFromFile(), LoadPanoptic(), RandomScaledCrop(_CROP, factors, fit=fit)]
    return [
        LoadReducedImage(fit=fit, factor_range=factors),
        LoadPanoptic(at_image_size=True),
        RandomScaledCrop(_CROP, scale_range=None),
    ]


WORKS: dict[str, Callable[[str], list[Any]]] = {
    "training, long side 1500": lambda kind: _resized(kind, 1500, testing=False),
    "training, long side 2500": lambda kind: _resized(kind, 2500, testing=False),
    "training, crops of 1025": _crop,
    "testing, long side 2177": lambda kind: _resized(kind, _LONG, testing=True),
}


def _image_alone(root: Path, long: int, kind: str) -> Callable[[], object]:
    from mmcv.transforms import Compose, LoadImageFromFile
    from mmdet.datasets.transforms import Resize

    from panoptic_data.transforms import LoadReducedImage, ResizeToTarget

    if kind == "whole":
        steps = [LoadImageFromFile(), Resize(scale=(long, long), keep_ratio=True)]
    else:
        steps = [LoadReducedImage(edges=(long, long)), ResizeToTarget()]
    return partial(_run_on_image, Compose(steps), str(root / "street.jpg"))


def _run_on_image(pipeline: Callable[[dict[str, Any]], object], path: str) -> object:
    return pipeline({"img_path": path})


def _call(root: Path, work: str, kind: str) -> Callable[[], object]:
    from mmcv.transforms import Compose

    from panoptic_data.transforms import PackPanopticInputs, SegmentTable

    annotation = read_panoptic_json(root / "panoptic.json").annotations[0]
    rows = annotation["segments_info"]
    labels = [CITYSCAPES.lookup(row["category_id"]) for row in rows]
    segments = SegmentTable.from_columns(
        [row["id"] for row in rows], labels, [row["iscrowd"] for row in rows], CITYSCAPES.num_things
    )
    testing = work.startswith("testing")
    pipeline = Compose([*WORKS[work](kind), PackPanopticInputs(test_mode=testing)])

    seeds = count()

    def call() -> object:
        np.random.seed(next(seeds))  # noqa: NPY002 - the same sizes and places are drawn on both sides
        return pipeline(
            {
                "img_path": str(root / "street.jpg"),
                "seg_map_path": str(root / "panoptic" / annotation["file_name"]),
                "seg_format": "coco",
                "segments": segments,
            }
        )

    return call


def _fresh_peak(root: Path, work: str, kind: str) -> float:
    """Measure one call in a process of its own, after a first call on a small image that loads all code."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from bench.photos import measure\n"
        "print(measure(*sys.argv[2:]))\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1]), str(root), work, kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout.split()[-1])


def measure(root: str, work: str, kind: str) -> float:
    """Return the highest extra memory of one call in MB; run in a fresh process."""
    with TemporaryDirectory() as small:
        write(Path(small), (64, 96))
        _call(Path(small), work, kind)()
    return peak_memory(_call(Path(root), work, kind))
