"""Traffic lights and traffic signs, each with its pole."""

import math

from panoptic_data.generator.colours import Colour, mix
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch

LAMPS: tuple[Colour, ...] = ((255, 54, 40), (255, 196, 40), (60, 240, 120))


def draw_traffic_light(dice: Dice, thin: float) -> Sketch:
    """Draw a traffic light: a pole, a dark case and three lamps, one of them lit."""
    sketch = Sketch(thin)
    low = dice.between(1.7, 2.1)
    case: Colour = dice.pick(((34, 38, 36), (40, 60, 48), (52, 50, 40)))
    sketch.box(-0.08, 0.0, 0.08, low + 0.1, (92, 96, 100))
    sketch.box(-0.15, 0.0, 0.15, 0.14, (70, 72, 76))
    if dice.chance(0.5):
        sketch.box(-0.40, low - 0.06, 0.40, low + 1.52, (228, 226, 214))
    sketch.polygon(
        [(-0.32, low + 0.06), (-0.26, low), (0.26, low), (0.32, low + 0.06), (0.32, low + 1.40),
         (0.26, low + 1.46), (-0.26, low + 1.46), (-0.32, low + 1.40)],
        case,
    )  # fmt: skip
    lit = dice.whole(0, 2)
    for k, colour in enumerate(LAMPS):
        y = low + 1.22 - 0.49 * k
        if k == lit:
            sketch.ellipse(0.0, y, 0.205, colour, solid=False, glow=True)
            sketch.ellipse(
                -0.03,
                y + 0.03,
                0.10,
                mix(colour, (255, 255, 255), 0.45),
                corners=8,
                solid=False,
                glow=True,
            )
        else:
            sketch.ellipse(0.0, y, 0.18, mix((30, 30, 30), colour, 0.22), solid=False)
    return sketch


def draw_traffic_sign(dice: Dice, thin: float) -> Sketch:
    """Draw a traffic sign on its pole: a limit, a warning, a stop, a blue square or a blue disc."""
    sketch = Sketch(thin)
    y = dice.between(2.0, 2.35)
    sketch.box(-0.06, 0.0, 0.06, y, (136, 140, 144))
    red, white, blue, dark = (208, 28, 36), (244, 244, 240), (24, 84, 176), (36, 36, 40)
    kind = dice.pick(("limit", "warning", "stop", "crossing", "way", "no entry"))
    if kind == "limit":
        sketch.ellipse(0, y, 0.46, red, corners=18)
        sketch.ellipse(0, y, 0.33, white, corners=18, solid=False)
        for x in (-0.13, 0.13):
            sketch.ellipse(x, y, 0.10, dark, tall=0.16, solid=False)
            sketch.ellipse(x, y, 0.04, white, tall=0.09, corners=8, solid=False)
    elif kind == "warning":
        for size, colour in ((0.56, red), (0.36, white)):
            points = [
                (size * math.sin(k * math.tau / 3), y + size * math.cos(k * math.tau / 3)) for k in range(3)
            ]
            sketch.polygon(points, colour, solid=size > 0.5)
        sketch.box(-0.05, y - 0.04, 0.05, y + 0.2, dark, solid=False)
        sketch.box(-0.05, y - 0.14, 0.05, y - 0.07, dark, solid=False)
    elif kind == "stop":
        for size, colour in ((0.50, white), (0.45, red)):
            sketch.ellipse(0, y, size, colour, corners=8, solid=size == 0.50)
        for k in range(4):  # four letters; from afar they run into a bar
            x = -0.31 + 0.165 * k
            sketch.box(x, y - 0.11, x + 0.125, y + 0.11, white, solid=False)
    elif kind == "crossing":
        sketch.box(-0.45, y - 0.45, 0.45, y + 0.45, white)
        sketch.box(-0.40, y - 0.40, 0.40, y + 0.40, blue, solid=False)
        sketch.polygon([(-0.30, y - 0.28), (0.30, y - 0.28), (0, y + 0.30)], white, solid=False)
    elif kind == "way":
        sketch.ellipse(0, y, 0.46, white, corners=18)
        sketch.ellipse(0, y, 0.41, blue, corners=18, solid=False)
        sketch.polygon(
            [(-0.06, y - 0.28), (0.06, y - 0.28), (0.06, y + 0.1), (-0.06, y + 0.1)], white, solid=False
        )
        sketch.polygon([(-0.2, y + 0.06), (0.2, y + 0.06), (0, y + 0.32)], white, solid=False)
    else:
        sketch.ellipse(0, y, 0.46, red, corners=18)
        sketch.box(-0.33, y - 0.10, 0.33, y + 0.10, white, solid=False)
    return sketch
