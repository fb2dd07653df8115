"""Masks, painting order, and which layers are seen."""

import numpy as np
import pytest

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import choose_light
from panoptic_data.generator.render import Cover, cover_of, painting_order, supersampling
from panoptic_data.generator.scene import resolve
from panoptic_data.generator.settings import SceneSettings
from panoptic_data.generator.sketch import Sketch
from panoptic_data.generator.stage import Layer, Stage

CAMERA = Camera(height=40, width=60, focal=40.0, horizon=15.0, centre=30.0, eye=2.0)
RED = (200.0, 0.0, 0.0)


def _layer(
    name: str | None, box: tuple[float, float, float, float], depth: float = 1.0, **more: object
) -> Layer:
    sketch = Sketch()
    sketch.box(*box, RED)
    return Layer(name, sketch, depth, **more)  # type: ignore[arg-type]


def _full(cover: Cover, height: int = 40, width: int = 60) -> np.ndarray:
    full = np.zeros((height, width), bool)
    full[cover.window] = cover.mask
    return full


def test_a_box_covers_its_pixels() -> None:
    # Columns 10..19 and rows 5..11 by hand.
    expected = np.zeros((40, 60), bool)
    expected[5:12, 10:20] = True
    np.testing.assert_array_equal(_full(cover_of(_layer("car", (10, 5, 20, 12)), CAMERA, 4)), expected)


@pytest.mark.parametrize(("edge", "last"), [(20.2, 19), (20.8, 20)], ids=["fifth", "four fifths"])
def test_a_pixel_counts_from_half_of_it_on(edge: float, last: int) -> None:
    columns = np.flatnonzero(_full(cover_of(_layer("car", (10, 5, edge, 12)), CAMERA, 8)).any(axis=0))
    assert columns[-1] == last


@pytest.mark.parametrize("box", [(-20, 5, -10, 12), (70, 5, 90, 12), (5, -9, 9, -3), (5, 50, 9, 90)])
def test_outside_the_image_nothing_is_covered(box: tuple[float, float, float, float]) -> None:
    assert not cover_of(_layer("car", box), CAMERA, 4).mask.any()


def test_a_sketch_without_solid_parts_covers_nothing() -> None:
    assert not cover_of(Layer("car", Sketch(), 1.0), CAMERA, 4).mask.any()


def test_worn_objects_stay_on_their_wearer() -> None:
    stage = Stage(CAMERA, choose_light(Dice(0)))
    person = _layer("person", (10, 5, 20, 25), 5.0, is_thing=True)
    pack = _layer("backpack", (12, 8, 18, 15), 5.0, is_thing=True, worn_on=person)
    tree, road = _layer("vegetation", (0, 0, 9, 9), 9.0), _layer("road", (0, 20, 60, 40), 30.0)
    stage.ground.append(road)
    stage.standing.extend([person, pack, tree])
    assert painting_order(stage) == [road, tree, person, pack]


def _resolve(layers: list[Layer]) -> tuple[np.ndarray, list[Layer]]:
    settings = SceneSettings(min_visible=0.4, min_thing_area=10 / 1600)  # 10 px at 40 x 60
    owner, kept = resolve([cover_of(layer, CAMERA, 4) for layer in layers], 40, 60, settings)
    return owner, [cover.layer for cover in kept]


def test_the_nearer_layer_is_seen() -> None:
    road = _layer("road", (0, 20, 60, 40))
    far = _layer("car", (10, 10, 30, 30), is_thing=True)
    near = _layer("person", (25, 12, 32, 32), is_thing=True)
    owner, kept = _resolve([road, far, near])
    assert kept == [road, far, near]
    assert owner[0, 0] == 0  # sky
    assert owner[35, 5] == 1
    assert owner[15, 12] == 2
    assert owner[15, 28] == 3  # both cover it
    assert (owner == 2).sum() == 20 * 20 - 5 * 18


def test_a_hidden_thing_goes_and_takes_its_backpack_along() -> None:
    # The wall hides 8 of the person's 10 columns; the backpack alone would be seen well enough.
    person = _layer("person", (10, 10, 20, 30), is_thing=True)
    pack = _layer("backpack", (8, 12, 12, 20), is_thing=True, worn_on=person)
    wall = _layer("fence", (12, 0, 40, 40))
    owner, kept = _resolve([person, pack, wall])
    assert kept == [wall]
    assert owner[15, 9] == 0


def test_what_a_dropped_thing_hid_is_seen_again() -> None:
    # The wall hides 13 of the lady's 20 rows, so she goes; she would have hidden the man behind her.
    man = _layer("person", (10, 8, 16, 28), is_thing=True)
    lady = _layer("person", (10, 10, 16, 30), is_thing=True)
    wall = _layer("fence", (8, 17, 18, 40))
    _, kept = _resolve([man, lady, wall])
    assert kept == [man, wall]


def test_tiny_things_go() -> None:
    _, kept = _resolve([_layer("dog", (10, 10, 13, 13), is_thing=True)])  # 9 px < 10 px
    assert kept == []


@pytest.mark.parametrize(("size", "fine"), [((128, 192), 4), ((256, 999), 4), ((257, 300), 2)])
def test_supersampling_follows_the_short_side(size: tuple[int, int], fine: int) -> None:
    camera = Camera(*size, focal=1.0, horizon=1.0, centre=1.0, eye=1.0)
    assert supersampling(SceneSettings(), camera) == fine
    assert supersampling(SceneSettings(supersample=3), camera) == 3
