"""Layers of whole stages: what is painted is what is labelled."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from panoptic_data.generator import SceneSettings
from panoptic_data.generator.cast import fill_stage
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Patch
from panoptic_data.generator.stage import Layer, Stage
from panoptic_data.generator.streets import build_stage

SIZE = (128, 192)


def _stage(seed: int, across: float) -> Stage:
    settings = SceneSettings(across=across, crowd=1.0, rim=1.0, clutter=1.0, things=(10, 14))
    dice = Dice(seed)
    stage = build_stage(dice, *SIZE, settings)
    fill_stage(dice, stage, settings)
    return stage


def _covered(patches: list[Patch]) -> np.ndarray:
    canvas = Image.new("L", (SIZE[1] * 4, SIZE[0] * 4))
    draw = ImageDraw.Draw(canvas)
    for patch in patches:
        draw.polygon([(x * 4 - 0.5, y * 4 - 0.5) for x, y in patch.points], fill=1)
    return np.asarray(canvas).astype(bool)


def _layers(stage: Stage) -> list[Layer]:
    return [*stage.ground, *stage.fixed, *stage.standing]


@pytest.mark.parametrize("across", [0.0, 1.0], ids=["along", "across"])
@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_painted_outside_its_mask(seed: int, across: float) -> None:
    for layer in _layers(_stage(seed, across)):
        patches = layer.sketch.patches
        solid = _covered([patch for patch in patches if patch.solid])
        painted = _covered([patch for patch in patches if patch.colour is not None])
        outside = int((painted & ~solid).sum())
        # A sixteenth of a pixel here and there: edges are rounded to the drawn grid.
        assert outside <= 24 + 0.02 * solid.sum(), f"{layer.name}: {outside / 16:.0f} px"


@pytest.mark.parametrize("across", [0.0, 1.0], ids=["along", "across"])
@pytest.mark.parametrize("seed", range(6))
def test_nearly_all_of_a_mask_is_painted(seed: int, across: float) -> None:
    for layer in _layers(_stage(seed, across)):
        if layer.name == "bicycle":  # one sees through its wheels
            continue
        patches = layer.sketch.patches
        solid = _covered([patch for patch in patches if patch.solid])
        painted = _covered([patch for patch in patches if patch.colour is not None])
        assert not (solid & ~painted).any(), layer.name


@pytest.mark.parametrize("across", [0.0, 1.0], ids=["along", "across"])
def test_things_do_not_stand_on_each_other(across: float) -> None:
    for seed in range(6):
        stage = _stage(seed, across)
        assert len({id(layer) for layer in stage.standing}) == len(stage.standing)
        assert all(1.0 < layer.depth < 60.0 or layer.name is None for layer in stage.standing)


def test_streets_seen_both_ways_have_their_classes() -> None:
    for across in (0.0, 1.0):
        names = {layer.name for seed in range(8) for layer in _layers(_stage(seed, across))}
        assert {"road", "sidewalk", "grass", "building", "vegetation", "fence", None} <= names
