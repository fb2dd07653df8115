"""One scene: picture, id map and segments."""

from dataclasses import dataclass

import numpy as np

from panoptic_data.generator.cast import fill_stage
from panoptic_data.generator.categories import GENERATED_SCENES
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.render import Cover, cover_of, paint, painting_order, supersampling, texture
from panoptic_data.generator.settings import SceneSettings, parse_size
from panoptic_data.generator.streets import build_stage

_LABELS = {name: label for label, name in enumerate(GENERATED_SCENES.names)}


@dataclass(frozen=True, eq=False)
class SceneSegment:
    """One segment of a scene.

    Args:
        segment_id: Its value in the id map, from 1.
        label: Contiguous class id in ``GENERATED_SCENES``.
        iscrowd: Whether it is a region of things too dense to separate.
        worn_by: The segment id of the person who wears it, 0 for none.
        window: x0, y0, x1, y1 (half-open) of `mask` in the image.
        mask: ``(h, w)`` bool inside `window`: the instance mask (see ``SceneSettings.instance_masks``), which
            may overlap others; None for stuff.
    """

    segment_id: int
    label: int
    iscrowd: bool = False
    worn_by: int = 0
    window: tuple[int, int, int, int] = (0, 0, 0, 0)
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """One generated scene.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        id_map: ``(H, W)`` int32, 0 = void.
        segments: The segments, things first; each has at least one pixel in the map.
    """

    image: np.ndarray
    id_map: np.ndarray
    segments: tuple[SceneSegment, ...]

    def instance_mask(self, segment: SceneSegment) -> np.ndarray:
        """Return the instance mask of a thing at image size: ``(H, W)`` bool."""
        full = np.zeros(self.id_map.shape, bool)
        if segment.mask is not None:
            x0, y0, x1, y1 = segment.window
            full[y0:y1, x0:x1] = segment.mask
        return full


def make_scene(
    index: int, seed: int, size: int | str | tuple[int, int], settings: SceneSettings | None = None
) -> Scene:
    """Make image ``index`` of a seed; it does not depend on how many others are made.

    Args:
        index: Number of the image, from 0.
        seed: Seed, not negative.
        size: One number, ``"HxW"`` or ``(height, width)``.
        settings: The knobs; None = the defaults.

    Raises:
        ValueError: If index or seed is negative, or the size is too small.
    """
    settings = settings or SceneSettings()
    height, width = parse_size(size)
    if index < 0 or seed < 0:
        msg = f"Expected `index` and `seed` to be at least 0, got {index} and {seed}."
        raise ValueError(msg)
    dice = Dice(seed, index)
    stage = build_stage(dice, height, width, settings)
    fill_stage(dice, stage, settings)
    fine = supersampling(settings, stage.camera)
    covers = [cover_of(layer, stage.camera, fine) for layer in painting_order(stage)]
    owner, kept = resolve(covers, height, width, settings)
    image = paint(stage, [cover.layer for cover in kept], dice, fine)
    surfaces = ["sky", *(None if cover.layer.is_thing else cover.layer.name for cover in kept)]
    pixels = texture(dice, image, owner, surfaces, settings)
    id_map, segments = _segments(owner, kept, settings)
    return Scene(pixels, id_map, segments)


def resolve(
    covers: list[Cover], height: int, width: int, settings: SceneSettings
) -> tuple[np.ndarray, list[Cover]]:
    """Leave out the things that can hardly be seen, and find the layer that is seen at each pixel.

    Args:
        covers: From back to front.
        height: Image height.
        width: Image width.
        settings: ``min_visible`` and ``min_thing_area`` decide.

    Returns:
        ``(H, W)`` int32: 0 = sky, k = ``kept[k - 1]``; and the covers that are kept, from back to front.
    """
    limit = max(4.0, settings.min_thing_area * min(height, width) ** 2)
    kept = list(covers)
    while True:
        hidden = np.zeros((height, width), bool)
        dropped = []
        for cover in reversed(kept):
            seen = hidden[cover.window]
            if cover.layer.is_thing:
                total = int(cover.mask.sum())
                visible = total - int((cover.mask & seen).sum())
                needed = limit * (0.5 if cover.layer.worn_on else 1.0)
                if visible < needed or visible < settings.min_visible * total:
                    dropped.append(cover.layer)
                    continue
            seen |= cover.mask
        # Somebody who goes takes along what he wears; the next round then sees what stood behind.
        gone = [c for c in kept if c.layer in dropped or c.layer.worn_on in dropped]
        if not gone:
            break
        kept = [cover for cover in kept if cover not in gone]
    owner = np.zeros((height, width), np.int32)
    for k, cover in enumerate(kept, start=1):
        owner[cover.window][cover.mask] = k
    return owner, kept


def _segments(
    owner: np.ndarray, kept: list[Cover], settings: SceneSettings
) -> tuple[np.ndarray, tuple[SceneSegment, ...]]:
    """Number the segments (things from near to far, then stuff by class) and cut the instance masks."""
    ids = np.zeros(len(kept) + 1, np.int32)
    counts = np.bincount(owner.ravel(), minlength=len(kept) + 1)
    things = [k for k in range(len(kept), 0, -1) if kept[k - 1].layer.is_thing and counts[k] > 0]
    for number, k in enumerate(things, start=1):
        ids[k] = number
    segments = []
    for k in things:
        cover = kept[k - 1]
        layer, mask = cover.layer, cover.mask
        wearer = next((j for j in things if kept[j - 1].layer is layer.worn_on), 0)
        if settings.instance_masks == "worn":
            worn = [j for j in things if kept[j - 1].layer.worn_on is layer]
            mask = mask & np.isin(owner[cover.window], [k, *worn])
        window = (cover.left, cover.top, cover.left + mask.shape[1], cover.top + mask.shape[0])
        segments.append(
            SceneSegment(int(ids[k]), _LABELS[str(layer.name)], layer.crowd, int(ids[wearer]), window, mask)
        )
    limit = settings.min_stuff_area * min(owner.shape) ** 2
    number = len(things)
    for name in GENERATED_SCENES.names[GENERATED_SCENES.num_things :]:
        members = [
            k
            for k, cover in enumerate(kept, start=1)
            if cover.layer.name == name and not cover.layer.is_thing
        ]
        if name == "sky":
            members = [0]
        if counts[members].sum() >= max(1.0, limit):
            number += 1
            ids[members] = number
            segments.append(SceneSegment(number, _LABELS[name]))
    return ids[owner], tuple(segments)
