"""Bicycles, seen from the side."""

import math

from panoptic_data.generator.colours import FRAMES, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch

WHEEL = 0.36
REAR, FRONT = (-0.56, WHEEL), (0.56, WHEEL)


def draw_bicycle(dice: Dice, thin: float) -> Sketch:
    """Draw a bicycle that drives to the right.

    The mask covers the discs of both wheels and the triangle of the frame, as annotators do; between the
    spokes the picture shows what is behind.
    """
    sketch = Sketch(thin)
    frame = vary(dice, dice.pick(FRAMES))
    tyre, metal = (30, 30, 34), (168, 170, 176)
    crank, seat, head, bar = (-0.06, 0.34), (-0.20, 0.84), (0.36, 0.84), (0.34, 1.04)
    for hub in (REAR, FRONT):
        sketch.ellipse(*hub, WHEEL + 0.02, None, corners=18)
        turn = dice.between(0, math.pi)
        for k in range(3):
            angle = turn + k * math.pi / 3
            dx, dy = (WHEEL - 0.04) * math.cos(angle), (WHEEL - 0.04) * math.sin(angle)
            sketch.stroke([(hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy)], 0.0, metal)
        _ring(sketch, hub, tyre)
    sketch.polygon([REAR, seat, head, crank], None)
    for tube in ([REAR, crank, seat, REAR], [crank, head], [seat, head]):
        sketch.stroke(tube, 0.075, frame)
    sketch.stroke([FRONT, head, bar], 0.075, frame)
    sketch.stroke([(-0.20, 0.84), (-0.23, 0.98)], 0.05, metal)
    sketch.polygon([(-0.40, 0.96), (-0.06, 0.98), (-0.08, 1.05), (-0.40, 1.06)], (36, 30, 28))
    sketch.stroke([(0.28, 1.04), bar, (0.48, 1.0)], 0.07, (36, 34, 34))
    sketch.ellipse(*crank, 0.10, (70, 70, 76), corners=8)
    if dice.chance(0.35):
        sketch.box(0.42, 0.78, 0.72, 1.0, (150, 110, 66))
        sketch.box(0.42, 0.88, 0.72, 0.91, (110, 78, 46), solid=False)
    return sketch


def _ring(sketch: Sketch, hub: tuple[float, float], colour: tuple[float, float, float]) -> None:
    """Draw the tyre as a closed stroke."""
    points = [
        (hub[0] + WHEEL * math.cos(k * math.pi / 8), hub[1] + WHEEL * math.sin(k * math.pi / 8))
        for k in range(17)
    ]
    sketch.stroke(points, 0.09, colour)
