"""Draw the pictures of the page about the generator: ``python docs/draw_generator_images.py``."""

from pathlib import Path

import numpy as np
from PIL import Image

from panoptic_data.generator import DEFAULT_SIZE, GENERATED_SCENES, Scene, make_scene
from panoptic_fusion import PanopticSegmentation, colorize

FOLDER = Path(__file__).parent / "images"
SEED = 1
GAP = 4


def truth(scene: Scene) -> np.ndarray:
    """Return the panoptic map in the colours of the classes, ``(H, W, 3)`` uint8."""
    labels = [segment.label for segment in scene.segments]
    seg = PanopticSegmentation.from_id_map(
        scene.id_map,
        [segment.segment_id for segment in scene.segments],
        labels,
        [label < GENERATED_SCENES.num_things for label in labels],
    )
    return colorize(seg, GENERATED_SCENES.palette)


def sheet(rows: list[list[np.ndarray]], name: str, colours: int) -> None:
    """Save pictures of one size side by side, with few colours so that the file stays small."""
    height, width, _ = rows[0][0].shape
    size = (len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    canvas = Image.new("RGB", size, (255, 255, 255))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            canvas.paste(Image.fromarray(picture), (x * (width + GAP), y * (height + GAP)))
    FOLDER.mkdir(exist_ok=True)
    small = canvas.quantize(colours, kmeans=4, dither=Image.Dither.NONE)
    small.save(FOLDER / name, optimize=True)


def scenes(indices: list[int]) -> None:
    """Draw some scenes above their ground truth."""
    made = [make_scene(index, SEED, DEFAULT_SIZE) for index in indices]
    sheet([[scene.image for scene in made], [truth(scene) for scene in made]], "generator_scenes.png", 256)


def worn(count: int = 40, factor: int = 3, pad: int = 6) -> None:
    """Draw the person with the largest backpack: picture, visible masks, and the person's instance mask."""
    pairs = [
        (int(segment.mask.sum()), index, segment.segment_id, scene)
        for index, scene in ((index, make_scene(index, SEED, DEFAULT_SIZE)) for index in range(count))
        for segment in scene.segments
        if segment.worn_by and segment.window[0] > 10 and segment.window[2] < DEFAULT_SIZE[1] - 10
    ]
    _, _, number, scene = max(pairs, key=lambda pair: pair[:3])
    person = scene.segments[scene.segments[number - 1].worn_by - 1]
    x0, y0, x1, y1 = person.window
    rows, columns = slice(max(0, y0 - pad), y1 + pad), slice(max(0, x0 - 3 * pad), x1 + 3 * pad)
    mask = scene.instance_mask(person)[..., None]
    lit = np.where(mask, scene.image // 2 + np.array([110, 10, 30], np.uint8), scene.image // 3)
    crops = [picture[rows, columns] for picture in (scene.image, truth(scene), lit.astype(np.uint8))]
    large = [crop.repeat(factor, axis=0).repeat(factor, axis=1) for crop in crops]
    sheet([large], "generator_worn.png", 64)


if __name__ == "__main__":
    scenes([4, 14, 15, 23])
    worn()
