"""Colours and light."""

import pytest

from panoptic_data.generator.colours import mix, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import choose_light, to_rgb


def test_mixing_by_hand() -> None:
    assert mix((0.0, 100.0, 200.0), (100.0, 100.0, 0.0), 0.25) == (25.0, 100.0, 150.0)
    assert shade((10.0, 20.0, 30.0), 0.5) == (5.0, 10.0, 15.0)


def test_bytes_are_rounded_and_clipped() -> None:
    assert to_rgb((-3.0, 0.5, 254.5)) == (0, 1, 255)
    assert to_rgb((300.0, 99.4, 99.6)) == (255, 99, 100)


def test_variation_stays_near() -> None:
    dice = Dice(0)
    for _ in range(100):
        assert all(abs(value - 100) <= 18 for value in vary(dice, (100.0, 100.0, 100.0), 12.0))


def test_light_varies() -> None:
    lights = [choose_light(Dice(0, k)) for k in range(60)]
    assert any(light.lamps for light in lights)
    assert any(light.shadow == 0 for light in lights)
    assert any(light.shadow_x < -0.2 for light in lights)
    assert any(light.shadow_x > 0.2 for light in lights)
    assert all(0 <= light.haze_at(z) <= 0.6 for light in lights for z in (1.0, 10.0, 1e6))


@pytest.mark.parametrize("k", range(20))
def test_the_sunny_side_is_where_the_sun_is(k: int) -> None:
    light = choose_light(Dice(1, k))
    left, right = light.sunny  # faces that look left, faces that look right
    if light.shadow > 0 and light.shadow_x > 0:  # shadows fall to the right: the sun is on the left
        assert left > right
    elif light.shadow > 0:
        assert right > left
