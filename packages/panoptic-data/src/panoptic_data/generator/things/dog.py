"""Dogs, seen from the side."""

from panoptic_data.generator.colours import FUR, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch


def draw_dog(dice: Dice, thin: float) -> Sketch:
    """Draw a dog that looks to the right, about 1 m long."""
    sketch = Sketch(thin)
    fur = vary(dice, dice.pick(FUR))
    dark = shade(fur, 0.72)
    ear = dark if dice.chance(0.7) else (48, 38, 34)
    step = dice.between(0.0, 0.10)
    long_legs = dice.between(0.9, 1.1)
    for x, way in ((-0.26, 1), (0.24, -1)):
        sketch.stroke([(x, 0.42), (x + 0.04 + step * way, 0.04)], 0.11, dark)
    sketch.stroke([(-0.40, 0.56), (-0.54, 0.68), (-0.56, 0.84)], 0.09, fur)
    sketch.polygon(
        [(-0.44, 0.42), (-0.46, 0.56), (-0.36, 0.66), (0.22, 0.68), (0.40, 0.58), (0.38, 0.40), (0.20, 0.34),
         (-0.10, 0.38), (-0.30, 0.36)],
        fur,
    )  # fmt: skip
    for x, way in ((-0.36, -1), (0.32, 1)):
        sketch.stroke([(x, 0.46), (x + step * way, 0.04)], 0.12, fur)
        sketch.box(x - 0.06 + step * way, 0.0, x + 0.11 + step * way, 0.07, fur)
    sketch.polygon([(0.18, 0.62), (0.40, 0.48), (0.52, 0.74), (0.34, 0.86)], fur)
    sketch.ellipse(0.46, 0.82, 0.17, fur, tall=0.15)
    sketch.polygon([(0.50, 0.72), (0.74, 0.72), (0.76, 0.82), (0.56, 0.90)], fur)
    sketch.ellipse(0.75, 0.80, 0.045, (24, 20, 20), corners=8)
    sketch.ellipse(0.53, 0.86, 0.025, (20, 16, 16), corners=8, solid=False)
    sketch.polygon([(0.30, 0.92), (0.42, 0.94), (0.40, 0.66), (0.30, 0.70)], ear)
    if dice.chance(0.6):
        sketch.polygon(
            [(0.26, 0.58), (0.38, 0.50), (0.42, 0.58), (0.30, 0.67)],
            dice.pick(((200, 40, 40), (40, 90, 200))),
            solid=False,
        )
    return sketch.moved(0.0, 0.0, 1.15, 1.15 * long_legs)
