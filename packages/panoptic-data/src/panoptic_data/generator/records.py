"""Draws single scenes into files, in several processes if there are many."""

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from panoptic_core.files import encode_crop, write_panoptic_png
from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_data.generator.scene import Scene, make_scene
from panoptic_data.generator.settings import SceneSettings

IDS_PER_IMAGE = 256

_SCENES_PER_WORKER = 32  # below it, starting a process takes longer than it saves


class SceneRecords(NamedTuple):
    """What the JSON files say about one scene: entries of COCO's ``images`` and ``annotations``."""

    image: dict[str, Any]
    annotation: dict[str, Any]
    instances: list[dict[str, Any]]


@dataclass(frozen=True)
class SceneFiles(Dataset[SceneRecords]):
    """A sequence of scenes; reading one draws it into the folders ``images`` and ``panoptic`` of `root`."""

    root: Path
    num_images: int
    size: tuple[int, int]
    seed: int
    settings: SceneSettings

    def __len__(self) -> int:
        return self.num_images

    def __getitem__(self, index: int) -> SceneRecords:
        scene = make_scene(index, self.seed, self.size, self.settings)
        name = f"{index:06d}.png"
        Image.fromarray(scene.image).save(self.root / "images" / name, compress_level=4)
        image_id = index + 1
        base = IDS_PER_IMAGE * index
        ids = np.where(scene.id_map > 0, scene.id_map + base, 0)
        write_panoptic_png(self.root / "panoptic" / name, ids)
        height, width = self.size
        return SceneRecords(
            {"id": image_id, "file_name": name, "height": height, "width": width},
            {"image_id": image_id, "file_name": name, "segments_info": _segments_info(scene, base)},
            _instances(scene, image_id, base),
        )


def draw_scenes(files: SceneFiles, workers: int | None = None) -> Iterator[SceneRecords]:
    """Draw all scenes.

    Args:
        files: What to draw, and where.
        workers: Processes; 0 or 1 = this one. None = one a CPU, at most 8, and none for few scenes. Where
            processes cannot be forked, or this one is a worker itself, it draws alone.

    Yields:
        The records in the scenes' order.

    Raises:
        ValueError: If `workers` is negative.
    """
    if workers is None:
        workers = min(8, _usable_cpus(), len(files) // _SCENES_PER_WORKER)
    if workers < 0:
        msg = f"Expected `workers` to be 0 or more, got {workers}."
        raise ValueError(msg)
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    if workers <= 1 or not can_fork or multiprocessing.current_process().daemon:
        yield from map(files.__getitem__, range(len(files)))
        return
    # A data loader's workers notice when this process is killed: none is left behind, drawing and holding
    # the cache's lock. A generator of its own: whether scenes were cached must not move the global one.
    yield from DataLoader(
        files,
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        generator=torch.Generator(),
        multiprocessing_context="fork",
    )


def _as_it_is(records: Any) -> Any:
    return records


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _segments_info(scene: Scene, base: int) -> list[dict[str, Any]]:
    infos = []
    for segment in scene.segments:
        mask = scene.id_map == segment.segment_id
        infos.append(
            {
                "id": base + segment.segment_id,
                "category_id": GENERATED_SCENES.category_ids[segment.label],
                "iscrowd": int(segment.iscrowd),
                "area": int(mask.sum()),
                "bbox": _bbox(mask),
            }
        )
    return infos


def _instances(scene: Scene, image_id: int, base: int) -> list[dict[str, Any]]:
    height, width = scene.id_map.shape
    annotations = []
    for segment in scene.segments:
        if segment.mask is None:
            continue
        rle = encode_crop(segment.mask, segment.window, (height, width))
        counts = rle["counts"]
        x, y, w, h = _bbox(segment.mask)
        annotation: dict[str, Any] = {
            "id": base + segment.segment_id,
            "image_id": image_id,
            "category_id": GENERATED_SCENES.category_ids[segment.label],
            "iscrowd": int(segment.iscrowd),
            "area": int(segment.mask.sum()),
            "bbox": [x + segment.window[0], y + segment.window[1], w, h],
            "segmentation": {
                "size": [height, width],
                "counts": counts.decode() if isinstance(counts, bytes) else counts,
            },
        }
        if segment.worn_by:
            annotation["worn_by"] = base + segment.worn_by
        annotations.append(annotation)
    return annotations


def _bbox(mask: np.ndarray) -> list[int]:
    """Return [x, y, width, height] around the True pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]
