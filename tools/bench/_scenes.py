"""A street of any size as a panoptic map, drawn from a seed: what the metric and the loader are timed on."""

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CITYSCAPES
from panoptic_fusion import PanopticSegmentation

_STUFF = ("sky", "building", "vegetation", "fence", "sidewalk", "road", "terrain", "wall")


def street(height: int, width: int, *, num_things: int = 56, seed: int = 0) -> PanopticSegmentation:
    """Draw bands of stuff with wavy borders, things of 2 to 25 % of the height before them, and a void rim.

    Returns:
        Labels of ``CITYSCAPES``; ids as Cityscapes' own files have them (label id, label id * 1000 + n).
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = np.zeros_like(x)
    for _ in range(6):
        wave += (
            np.sin(x / width * rng.uniform(5, 90) + y / height * rng.uniform(0, 20) + rng.uniform(0, 6)) / 6
        )
    band = ((y / height + 0.06 * wave) * len(_STUFF)).astype(np.int32).clip(0, len(_STUFF) - 1)
    names = [CITYSCAPES.names.index(name) for name in _STUFF]
    id_map = np.array([CITYSCAPES.category_ids[label] for label in names], dtype=np.int32)[band]
    ids, labels = [CITYSCAPES.category_ids[label] for label in names], list(names)
    for number in range(num_things):
        label = int(rng.integers(0, CITYSCAPES.num_things))
        center_y, center_x = height * rng.uniform(0.3, 0.95), width * rng.uniform(0, 1)
        tall = height * rng.uniform(0.02, 0.25) / 2
        wide = tall * rng.uniform(0.4, 1.8)
        y0, y1 = max(0, int(center_y - tall)), min(height, int(center_y + tall) + 1)
        x0, x1 = max(0, int(center_x - wide)), min(width, int(center_x + wide) + 1)
        u, v = (x[y0:y1, x0:x1] - center_x) / wide, (y[y0:y1, x0:x1] - center_y) / tall
        inside = u**2 + v**2 + 0.15 * np.sin(np.arctan2(v, u) * 7 + number) < 0.85
        segment_id = CITYSCAPES.category_ids[label] * 1000 + number
        id_map[y0:y1, x0:x1][inside] = segment_id
        ids.append(segment_id)
        labels.append(label)
    id_map[-height // 20 :] = 0
    return PanopticSegmentation.from_id_map(
        id_map, ids, labels, [label < CITYSCAPES.num_things for label in labels]
    )


def prediction_of(truth: PanopticSegmentation, *, salt: float = 0.0, seed: int = 1) -> PanopticSegmentation:
    """Return a plausible prediction: everything a little off, some things lost, and salt noise on request."""
    rng = np.random.default_rng(seed)
    id_map: NDArray[np.int32] = np.roll(truth.id_map.numpy(), (2, 3), axis=(0, 1))
    ids = truth.ids.numpy()
    for lost in rng.choice(ids, len(ids) // 10, replace=False):
        id_map[id_map == lost] = 7  # road
    if salt:
        where = rng.random(id_map.shape) < salt
        id_map[where] = rng.choice(np.unique(id_map), int(where.sum()))
    return PanopticSegmentation.from_id_map(id_map, truth.ids, truth.labels, truth.is_thing)
