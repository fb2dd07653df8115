"""The pinhole camera, by hand."""

import pytest

from panoptic_data.generator.camera import Camera

CAMERA = Camera(height=100, width=200, focal=100.0, horizon=40.0, centre=100.0, eye=2.0)


def test_points_by_hand() -> None:
    # At 10 m a metre has 10 px. Ground point 3 m to the right: column 100 + 30, row 40 + 2 m * 10 px.
    assert CAMERA.scale(10.0) == 10.0
    assert CAMERA.point(3.0, 0.0, 10.0) == (130.0, 60.0)
    # A point at eye height is on the horizon, whatever its distance.
    assert CAMERA.point(0.0, 2.0, 37.0) == (100.0, 40.0)


@pytest.mark.parametrize("z", [2.0, 5.0, 31.0])
def test_distance_is_the_inverse_of_the_row(z: float) -> None:
    assert CAMERA.distance(CAMERA.point(1.0, 0.0, z)[1]) == pytest.approx(z)


def test_reach_is_what_the_image_borders_see() -> None:
    left, right = CAMERA.reach(8.0)
    assert CAMERA.point(left, 0.0, 8.0)[0] == pytest.approx(0.0)
    assert CAMERA.point(right, 0.0, 8.0)[0] == pytest.approx(200.0)
