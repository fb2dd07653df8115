"""A small scene, always the same, for tests of packages that must not know the generator."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import Category, CategoryTable
from panoptic_fusion import PanopticSegmentation

_TABLE = CategoryTable(
    "tiny scene",
    (
        Category(24, "person", True, (220, 20, 60)),
        Category(26, "car", True, (0, 0, 142)),
        Category(7, "road", False, (128, 64, 128)),
        Category(11, "building", False, (70, 70, 70)),
        Category(23, "sky", False, (70, 130, 180)),
    ),
)


class TinyScene(NamedTuple):
    """A picture, its panoptic ground truth and the classes."""

    image: NDArray[np.uint8]
    segmentation: PanopticSegmentation
    table: CategoryTable


def tiny_scene(height: int = 32, width: int = 48) -> TinyScene:
    """Draw two cars, one in front of the other, a person, a crowd of people, sky, building, road and void.

    Args:
        height: At least 16.
        width: At least 24.

    Returns:
        The image ``(H, W, 3)`` uint8 RGB; the segmentation with the ids 1 sky, 2 building, 3 road, 4 and 5
        car, 6 person, 7 crowd of people, where the image's lower left corner is void; the table
        (person, car | road, building, sky).

    Raises:
        ValueError: If the size is too small to show every segment.

    Example:
        >>> scene = tiny_scene()
        >>> scene.image.shape, scene.segmentation.ids.tolist()
        ((32, 48, 3), [1, 2, 3, 4, 5, 6, 7])
        >>> [scene.table.names[label] for label in scene.segmentation.labels.tolist()]
        ['sky', 'building', 'road', 'car', 'car', 'person', 'person']
    """
    if height < 16 or width < 24:
        msg = f"Expected a scene of at least 16 x 24 pixels, got {height} x {width}."
        raise ValueError(msg)
    y, x = np.mgrid[0:height, 0:width]
    y, x = (y + 0.5) / height, (x + 0.5) / width  # pixel centres in [0, 1]
    ids = np.full((height, width), 1, dtype=np.int32)
    ids[(y > 0.25) & (x > 0.6)] = 2
    ids[y > 0.55] = 3
    ids[(y > 0.4) & (y < 0.7) & (x > 0.08) & (x < 0.40)] = 4
    ids[(y > 0.45) & (y < 0.8) & (x > 0.25) & (x < 0.55)] = 5
    ids[((y - 0.65) / 0.22) ** 2 + ((x - 0.72) / 0.05) ** 2 < 1] = 6
    ids[(y > 0.45) & (y < 0.6) & (x > 0.82)] = 7
    ids[(y > 0.9) & (x < 0.2)] = 0
    labels = [4, 3, 2, 1, 1, 0, 0]
    segmentation = PanopticSegmentation.from_id_map(
        ids,
        [1, 2, 3, 4, 5, 6, 7],
        labels,
        [label < _TABLE.num_things for label in labels],
        iscrowd=[False] * 6 + [True],
    )
    colors = np.concatenate([[(0, 0, 0)], _TABLE.palette[labels]])[ids]
    texture = (np.sin(x * 61 + y * 37) * 12)[..., None]
    shade = np.where(ids == 5, 30, 0)[..., None]  # the two cars differ
    image = np.clip(colors + texture + shade, 0, 255).astype(np.uint8)
    return TinyScene(image, segmentation, _TABLE)


def spoil(seg: PanopticSegmentation, table: CategoryTable, seed: int = 0) -> PanopticSegmentation:
    """Make a prediction out of a ground truth by the mistakes that networks make; same seed, same mistakes.

    Some segments are left out, cut in two, joined with another of their class, or called something else of
    their kind; outlines are moved by a few pixels; things get scores. Crowds are left out.

    Args:
        seg: The ground truth, on the host.
        table: The classes.
        seed: Not negative.

    Example:
        >>> scene = tiny_scene()
        >>> guess = spoil(scene.segmentation, scene.table, seed=1)
        >>> guess.shape == scene.segmentation.shape and not bool(guess.iscrowd.any())
        True
    """
    dice = np.random.default_rng([seed, *seg.shape])
    truth, things = seg.id_map.numpy(), table.num_things
    reach = max(1, round(min(seg.shape) / 80))
    x = np.arange(truth.shape[1])[None].repeat(truth.shape[0], axis=0)
    ids, labels = np.zeros_like(truth), [0]
    for one in sorted(seg.segments, key=lambda segment: -segment.area):
        if one.iscrowd:
            continue
        shift = dice.integers(-reach, reach + 1, 2)
        mask = np.roll(truth == one.id, shift, axis=(0, 1))
        case, label = dice.random(), one.label
        if case < 0.12:  # missed
            continue
        if case < 0.2:  # wrong class
            group = np.arange(things) if one.is_thing else np.arange(things, len(table))
            label = int(dice.choice(group))
        same = [number for number, other in enumerate(labels) if number and other == label]
        if same and (not one.is_thing or case > 0.9):  # merged; stuff has one segment a class
            ids[mask] = same[-1]
            continue
        labels.append(label)
        ids[mask] = len(labels) - 1
        if one.is_thing and 0.2 <= case < 0.28:  # split
            labels.append(label)
            ids[mask & (x > np.median(x[mask])) if mask.any() else mask] = len(labels) - 1
    columns = np.array(labels[1:], dtype=np.int64)
    scores = np.where(columns < things, dice.uniform(0.5, 1, len(columns)), 1)
    return PanopticSegmentation.from_id_map(
        ids, np.arange(1, len(labels)), columns, columns < things, scores=scores.astype(np.float32)
    )
