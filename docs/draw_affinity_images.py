"""Draw what the affinity does for cut boxes: ``python docs/draw_affinity_images.py WEIGHTS INDEX X Y [...]``.

WEIGHTS are a checkpoint of ``configs/dense_affinity_b.py``. For the test scene INDEX: boxes that lost a
quarter, the map without and with the affinity, and how much each pixel gives to the pixel X Y. Several scenes
become rows.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from panoptic_core.inference import PanopticModel, load_model, predict
from panoptic_core.truncation import TruncateBoxes
from panoptic_core.visualization import draw_affinity, overlay
from panoptic_data.datasets import GeneratedScenes
from panoptic_fusion import PanopticSegmentation

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "images" / "dense_affinity_truncated.png"
FRACTION, ENLARGED, GAP, TITLE = 0.25, 2, 4, 14
TITLES = (
    "boxes without a quarter",
    "the potential alone",
    "with the affinity",
    "affinity of the cross",
)


def main() -> None:
    """Draw the rows."""
    numbers = [int(word) for word in sys.argv[2:]]
    model = load_model(ROOT / "configs" / "dense_affinity_b.py", sys.argv[1])
    model.network.raw_transforms[:] = [TruncateBoxes(FRACTION)]
    scenes = GeneratedScenes(num_images=51, size=(160, 160), seed=1, test_mode=True, pipeline=[])
    rows = [
        _row(model, Path(scenes.get_data_info(index)["img_path"]), (x, y))
        for index, x, y in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    ]
    strip = Image.new("RGB", (rows[0].shape[1], TITLE), "white")
    width = (rows[0].shape[1] + GAP) // len(TITLES)
    for place, title in enumerate(TITLES):
        ImageDraw.Draw(strip).text((place * width + 2, 1), title, fill="black")
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    sheet = [np.asarray(strip), *[part for row in rows for part in (row, gap)][:-1]]
    Image.fromarray(np.concatenate(sheet)).save(OUT, optimize=True)
    print(OUT)


def _row(model: PanopticModel, path: Path, point: tuple[int, int]) -> np.ndarray:
    image = np.asarray(Image.open(path).convert("RGB"))
    maps: list[PanopticSegmentation] = []
    fusion: Any = model.network.panoptic_fusion_head
    for fusion.affinity in (False, True):
        prediction = predict(model, path, keep_raw=True)
        maps.append(prediction.segmentation)
    raw = prediction.raw
    assert raw is not None
    assert raw.affinity is not None
    assert raw.masks is not None
    assert raw.scores is not None
    affinity = raw.affinity.affinity_at(*point, image.shape[:2]).numpy()
    palette = model.table.palette
    boxed = Image.fromarray(image.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1))
    for box in (raw.masks.boxes[raw.scores > fusion.score_thr] * ENLARGED).tolist():
        ImageDraw.Draw(boxed).rectangle(box, outline="white")
    panels = [overlay(image, seg, palette) for seg in maps] + [draw_affinity(image, affinity, *point)]
    panels = [np.asarray(boxed), *(one.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1) for one in panels)]
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)


if __name__ == "__main__":
    main()
