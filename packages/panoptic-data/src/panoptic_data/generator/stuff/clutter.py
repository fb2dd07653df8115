"""Objects without a label (void): bins, crates, bollards, and the bonnet of the camera's own car."""

import math

from panoptic_data.generator.colours import Colour, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch


def draw_clutter(dice: Dice, thin: float) -> Sketch:
    """Draw a litter bin, a crate or a hydrant."""
    sketch = Sketch(thin)
    kind = dice.pick(("bin", "crate", "hydrant"))
    if kind == "bin":
        colour = vary(dice, dice.pick(((70, 84, 78), (66, 72, 90), (92, 92, 96))), 8)
        sketch.polygon([(-0.32, 0.0), (0.32, 0.0), (0.40, 0.95), (-0.40, 0.95)], colour)
        for x in (-0.18, 0.0, 0.18):
            sketch.box(x - 0.03, 0.05, x + 0.03, 0.9, shade(colour, 0.75), solid=False)
        sketch.box(-0.45, 0.93, 0.45, 1.05, shade(colour, 0.6))
    elif kind == "crate":
        colour = vary(dice, (176, 132, 84), 14)
        sketch.box(-0.5, 0.0, 0.5, 0.8, shade(colour, 0.7))
        for k in range(3):
            sketch.box(
                -0.5, 0.04 + 0.26 * k, 0.5, 0.24 + 0.26 * k, shade(colour, 1.0 - 0.06 * k), solid=False
            )
    else:
        colour = vary(dice, (196, 84, 60), 10)
        sketch.box(-0.16, 0.0, 0.16, 0.7, colour)
        sketch.ellipse(0.0, 0.7, 0.18, shade(colour, 1.1))
        sketch.box(-0.28, 0.4, 0.28, 0.55, shade(colour, 0.8))
    return sketch


def draw_rim(dice: Dice, height: int, width: int) -> Sketch:
    """Draw the bonnet of the car that carries the camera along the bottom of the image, in pixels."""
    sketch = Sketch()
    top = height * dice.between(0.90, 0.94)
    sag = height * dice.between(0.03, 0.06)
    colour: Colour = vary(dice, (46, 50, 56), 12)
    for offset, tone in ((0.0, 0.6), (0.012 * height, 1.0), (0.035 * height, 1.25)):
        points = []
        for k in range(25):
            t = k / 24
            points.append(
                (
                    width * (1.1 * t - 0.05),
                    top + offset + sag * (2 * t - 1) ** 2 - 0.004 * height * math.sin(9 * t),
                )
            )
        points += [(width * 1.1, height * 1.1), (-width * 0.1, height * 1.1)]
        sketch.polygon(points, shade(colour, tone))
    return sketch
