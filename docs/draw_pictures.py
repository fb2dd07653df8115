"""Draw the picture of the page about pictures: ``python docs/draw_pictures.py``."""

from pathlib import Path

import torch
from PIL import Image

from panoptic_core.visualization import comparison
from panoptic_data.generator import GENERATED_SCENES, make_scene
from panoptic_fusion import PanopticSegmentation

FOLDER = Path(__file__).parent / "images"
SIZE = (192, 256)


def draw(index: int, seed: int) -> None:
    """Draw a scene with its truth and a prediction that misses, moves and merges some of it."""
    scene = make_scene(index, seed, SIZE)
    labels = [segment.label for segment in scene.segments]
    truth = PanopticSegmentation.from_id_map(
        scene.id_map,
        [segment.segment_id for segment in scene.segments],
        labels,
        [label < GENERATED_SCENES.num_things for label in labels],
        iscrowd=[segment.iscrowd for segment in scene.segments],
    )
    things = truth.ids[truth.is_thing & ~truth.iscrowd]
    keep = ~torch.isin(truth.ids, things[::3]) & ~truth.iscrowd  # misses every third thing, and has no crowd
    kept = truth.select(keep)
    moved = torch.roll(kept.id_map, 3, dims=1)
    places = torch.unique(moved)
    pred = PanopticSegmentation.from_id_map(
        moved,
        kept.ids[torch.isin(kept.ids, places)].tolist(),
        kept.labels[torch.isin(kept.ids, places)].tolist(),
        kept.is_thing[torch.isin(kept.ids, places)].tolist(),
    )
    sheet = Image.fromarray(comparison(scene.image, pred, GENERATED_SCENES, truth, least_width=256))
    small = sheet.quantize(128, kmeans=4, dither=Image.Dither.NONE)
    small.save(FOLDER / "pictures.png", optimize=True)


if __name__ == "__main__":
    draw(21, 1)
