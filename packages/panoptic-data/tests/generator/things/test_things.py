"""Drawers of things: their size in metres, and that they stand on the ground."""

from collections.abc import Callable

import pytest

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import choose_light
from panoptic_data.generator.placing import KINDS
from panoptic_data.generator.sketch import Sketch
from panoptic_data.generator.things.bicycle import draw_bicycle
from panoptic_data.generator.things.car import draw_car
from panoptic_data.generator.things.dog import draw_dog
from panoptic_data.generator.things.person import VIEWS, choose_figure, draw_backpack, draw_person, draw_rider
from panoptic_data.generator.things.signals import draw_traffic_light, draw_traffic_sign

DRAWERS: dict[str, Callable[[Dice, float], Sketch]] = {
    "bicycle": draw_bicycle,
    "dog": draw_dog,
    "traffic light": draw_traffic_light,
    "traffic sign": draw_traffic_sign,
}


@pytest.mark.parametrize("name", DRAWERS)
@pytest.mark.parametrize("seed", range(8))
def test_fits_the_room_that_is_kept_for_it(name: str, seed: int) -> None:
    kind = KINDS[name]
    x0, y0, x1, y1 = DRAWERS[name](Dice(seed), 0.05).bounds() or (0.0, 0.0, 0.0, 0.0)
    assert -0.1 <= y0 <= 0.05  # on the ground
    assert 0.7 * kind.width <= x1 - x0 <= 1.2 * kind.width
    assert 0.7 * kind.height <= y1 <= 1.2 * kind.height


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(8))
def test_persons_have_their_height(view: str, seed: int) -> None:
    figure = choose_figure(Dice(seed), view)
    assert figure.view == view
    x0, y0, x1, y1 = draw_person(figure, 0.05).bounds() or (0.0, 0.0, 0.0, 0.0)
    assert -0.05 <= y0 <= 0.05
    assert 0.95 * figure.height <= y1 <= 1.08 * figure.height
    assert 0.3 <= x1 - x0 <= 1.3


@pytest.mark.parametrize("view", ["back", "side"])
def test_a_backpack_is_on_the_back(view: str) -> None:
    dice = Dice(5)
    figure = choose_figure(dice, view)
    body = draw_person(figure, 0.02).bounds() or (0.0, 0.0, 0.0, 0.0)
    x0, y0, x1, y1 = draw_backpack(figure, (200.0, 90.0, 30.0), 0.02).bounds() or (0.0, 0.0, 0.0, 0.0)
    assert 0.4 * figure.height < y0 < y1 < 0.9 * figure.height
    assert x1 - x0 < body[2] - body[0] + 0.4
    if view == "side":  # the person looks to the right
        assert x0 < -0.4
    else:
        assert x0 == pytest.approx(-x1)


def test_a_rider_sits_above_the_ground() -> None:
    _x0, y0, _x1, y1 = draw_rider(choose_figure(Dice(0), "side"), 0.02).bounds() or (0.0, 0.0, 0.0, 0.0)
    assert 0.1 < y0 < 0.35
    assert 1.6 < y1 < 2.0


@pytest.mark.parametrize(
    ("heading", "wide"),
    [(0.0, True), (3.14159, True), (1.5708, False), (-1.5708, False)],
    ids=["right", "left", "away", "near"],
)
@pytest.mark.parametrize("x", [-3.0, 0.0, 3.0])
def test_cars_in_every_view(heading: float, wide: bool, x: float) -> None:
    camera = Camera(height=200, width=400, focal=200.0, horizon=80.0, centre=200.0, eye=2.0)
    for seed in range(6):
        dice = Dice(seed)
        sketch = draw_car(dice, camera, choose_light(dice), x, 10.0, heading)
        x0, y0, x1, y1 = sketch.bounds() or (0.0, 0.0, 0.0, 0.0)
        metres = (x1 - x0) / camera.scale(10.0)
        assert (3.4 < metres < 6.5) if wide else (1.6 < metres < 4.2)
        assert 1.3 < (y1 - y0) / camera.scale(10.0) < 3.4
        assert any(patch.glow or patch.colour is not None for patch in sketch.patches)
