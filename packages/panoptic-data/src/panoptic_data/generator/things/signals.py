"""Traffic lights and traffic signs, each with its pole."""

import math

from panoptic_data.generator.colours import Colour, mix
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch

LAMPS: tuple[Colour, ...] = ((255, 54, 40), (255, 196, 40), (60, 240, 120))


def draw_traffic_light(dice: Dice, thin: float) -> Sketch:
    """Draw a traffic light: a pole, a dark case and three lamps, one of them lit."""
    sketch = Sketch(thin)
    low = dice.between(1.3, 1.7)
    case: Colour = dice.pick(((34, 38, 36), (40, 60, 48), (52, 50, 40)))
    sketch.box(-0.10, 0.0, 0.10, low + 0.1, (92, 96, 100))
    sketch.box(-0.17, 0.0, 0.17, 0.14, (70, 72, 76))
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
    y = dice.between(1.65, 1.95)
    sketch.box(-0.09, 0.0, 0.09, y, (136, 140, 144))
    red, white, blue, dark = (208, 28, 36), (244, 244, 240), (24, 84, 176), (36, 36, 40)
    kind = dice.pick(("limit", "warning", "stop", "crossing", "way", "no entry"))
    if kind == "limit":
        sketch.ellipse(0, y, 0.55, red, corners=18)
        sketch.ellipse(0, y, 0.40, white, corners=18, solid=False)
        for x in (-0.16, 0.16):
            sketch.ellipse(x, y, 0.12, dark, tall=0.19, solid=False)
            sketch.ellipse(x, y, 0.05, white, tall=0.11, corners=8, solid=False)
    elif kind == "warning":
        for size, colour in ((0.66, red), (0.43, white)):
            points = [
                (size * math.sin(k * math.tau / 3), y + size * math.cos(k * math.tau / 3)) for k in range(3)
            ]
            sketch.polygon(points, colour, solid=size > 0.5)
        sketch.box(-0.05, y - 0.04, 0.05, y + 0.24, dark, solid=False)
        sketch.box(-0.05, y - 0.17, 0.05, y - 0.09, dark, solid=False)
    elif kind == "stop":
        for size, colour in ((0.60, white), (0.54, red)):
            sketch.ellipse(0, y, size, colour, corners=8, solid=size == 0.60)
        for k in range(4):  # four letters; from afar they run into a bar
            x = -0.37 + 0.195 * k
            sketch.box(x, y - 0.13, x + 0.15, y + 0.13, white, solid=False)
    elif kind == "crossing":
        sketch.box(-0.52, y - 0.52, 0.52, y + 0.52, white)
        sketch.box(-0.46, y - 0.46, 0.46, y + 0.46, blue, solid=False)
        sketch.polygon([(-0.34, y - 0.32), (0.34, y - 0.32), (0, y + 0.34)], white, solid=False)
    elif kind == "way":
        sketch.ellipse(0, y, 0.55, white, corners=18)
        sketch.ellipse(0, y, 0.49, blue, corners=18, solid=False)
        sketch.polygon(
            [(-0.07, y - 0.33), (0.07, y - 0.33), (0.07, y + 0.1), (-0.07, y + 0.1)], white, solid=False
        )
        sketch.polygon([(-0.24, y + 0.06), (0.24, y + 0.06), (0, y + 0.38)], white, solid=False)
    else:
        sketch.ellipse(0, y, 0.55, red, corners=18)
        sketch.box(-0.40, y - 0.12, 0.40, y + 0.12, white, solid=False)
    return sketch
