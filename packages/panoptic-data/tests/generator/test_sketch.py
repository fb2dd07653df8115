"""Sketches: shapes, strokes that never get too thin, placing."""

import pytest

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.sketch import Sketch

RED = (200.0, 0.0, 0.0)


def test_a_box_stands_on_the_ground_by_hand() -> None:
    camera = Camera(height=100, width=200, focal=100.0, horizon=40.0, centre=100.0, eye=2.0)
    sketch = Sketch()
    sketch.box(0.0, 0.0, 1.0, 2.0, RED)
    # 10 px a metre at 10 m; the foot at x = 1 m is in column 110, row 60; 2 m up is row 40.
    assert sketch.stand(camera, 1.0, 10.0).bounds() == (110.0, 40.0, 120.0, 60.0)
    # Flipped, it reaches to the left of its foot.
    assert sketch.stand(camera, 1.0, 10.0, flip=True).bounds() == (100.0, 40.0, 110.0, 60.0)


def test_bounds_count_solid_patches_only() -> None:
    sketch = Sketch()
    assert sketch.bounds() is None
    sketch.box(0.0, 0.0, 9.0, 9.0, RED, solid=False)
    assert sketch.bounds() is None
    sketch.ellipse(1.0, 1.0, 1.0, None, corners=8)
    x0, y0, x1, y1 = sketch.bounds() or (0.0, 0.0, 0.0, 0.0)
    assert (x0 + x1) / 2 == pytest.approx(1.0)
    assert 0.8 < x1 - x0 <= 2.0
    assert 0.8 < y1 - y0 <= 2.0


@pytest.mark.parametrize(("width", "expected"), [(0.5, 0.5), (0.0, 0.1), (0.02, 0.1)])
def test_strokes_are_at_least_as_wide_as_asked(width: float, expected: float) -> None:
    sketch = Sketch(thin=0.1)
    sketch.stroke([(0.0, 0.0), (3.0, 0.0)], width, RED)
    rows = [y for _, y in sketch.patches[0].points]
    assert max(rows) - min(rows) == pytest.approx(expected)


def test_a_stroke_of_one_point_is_harmless() -> None:
    sketch = Sketch()
    sketch.stroke([(1.0, 1.0), (1.0, 1.0)], 0.2, RED)
    assert sketch.bounds() is not None
