"""Trees, bushes, hedges and distant woods."""

import math

from panoptic_data.generator.colours import AUTUMN, LEAVES, Colour, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch


def leaf_colour(dice: Dice) -> Colour:
    """Choose the green (at times the gold) of a plant."""
    return vary(dice, dice.pick(AUTUMN) if dice.chance(0.08) else dice.pick(LEAVES), 10)


def draw_tree(dice: Dice, thin: float, side: int) -> Sketch:
    """Draw a tree: broad-leaved or a conifer.

    Args:
        dice: Chooses kind, size and leaves.
        thin: Width of one pixel in metres.
        side: -1 or 1: the side of the crown that is in the light.
    """
    sketch = Sketch(thin)
    leaf, bark = leaf_colour(dice), vary(dice, (92, 70, 52), 10)
    if dice.chance(0.25):
        height, reach = dice.between(4.5, 7.0), dice.between(1.0, 1.5)
        sketch.box(-0.16, 0.0, 0.16, 1.0, bark)
        for k in range(4):
            low = 0.7 + (height - 0.7) * k / 4.6
            wide = reach * (1 - 0.2 * k)
            top = low + (height - 0.7) * 0.36
            sketch.polygon([(-wide, low), (wide, low), (0.0, top)], shade(leaf, 0.72))
            sketch.polygon([(0.0, low + 0.06), (side * wide * 0.9, low), (0.0, top)], shade(leaf, 0.92))
        return sketch
    trunk, reach = dice.between(1.5, 2.3), dice.between(1.1, 1.8)
    up = reach * dice.between(0.85, 1.15)
    middle = trunk + up * 0.8
    sketch.polygon([(-0.2, 0.0), (0.2, 0.0), (0.12, trunk + 0.4), (-0.12, trunk + 0.4)], bark)
    sketch.box(
        0.02 if side > 0 else -0.2, 0.0, 0.2 if side > 0 else -0.02, trunk, shade(bark, 1.2), solid=False
    )
    crown(dice, sketch, middle, reach, up, leaf, side)
    return sketch


def crown(
    dice: Dice, sketch: Sketch, middle: float, reach: float, up: float, leaf: Colour, side: int
) -> None:
    """Add a crown of leaves around (0, middle): a ring of dark balls, lighter balls towards the light."""
    sketch.ellipse(0.0, middle, reach * 0.86, shade(leaf, 0.70), tall=up * 0.86)
    count = 9
    start = dice.between(0, math.tau)
    for k in range(count):
        angle = start + k * math.tau / count
        size = dice.between(0.26, 0.40)
        x, y = 0.72 * reach * math.cos(angle), middle + 0.72 * up * math.sin(angle)
        sketch.ellipse(x, y, reach * size, shade(leaf, 0.72 + 0.12 * math.sin(angle)), tall=up * size)
    for count, spread, size, tone in ((6, 0.5, 0.24, 1.0), (4, 0.4, 0.14, 1.28)):
        for _ in range(count):
            angle, far = dice.between(0, math.tau), spread * dice.unit()
            x = reach * (far * math.cos(angle) + side * (0.6 - spread))
            y = middle + up * (far * math.sin(angle) + 0.6 - spread)
            ball = reach * size * dice.between(0.6, 1.0)
            sketch.ellipse(x, y, ball, shade(leaf, tone * dice.between(0.9, 1.1)), solid=False)


def draw_bush(dice: Dice, thin: float, side: int) -> Sketch:
    """Draw a bush without a visible trunk."""
    sketch = Sketch(thin)
    leaf = leaf_colour(dice)
    reach = dice.between(0.7, 1.1)
    sketch.ellipse(0.0, 0.42, reach * 0.95, shade(leaf, 0.66), tall=0.42)
    crown(dice, sketch, 0.55, reach, 0.6, leaf, side)
    return sketch


def draw_woods(dice: Dice, left: float, right: float, tall: float, side: int) -> Sketch:
    """Draw a belt of trees on the ground from x = left to right, about ``tall`` metres high."""
    sketch = Sketch()
    leaf = leaf_colour(dice)
    sketch.box(left, -0.3, right, tall * 0.62, shade(leaf, 0.66))
    x = left
    while x < right:
        size = tall * dice.between(0.28, 0.42)
        y = tall * dice.between(0.5, 0.7)
        tone = shade(leaf, dice.between(0.7, 0.9))
        sketch.ellipse(x, y, size, tone)
        sketch.ellipse(x + side * size * 0.25, y + size * 0.25, size * 0.6, shade(tone, 1.16), solid=False)
        sketch.ellipse(x - size * 0.3, y - size * 0.9, size * 0.5, shade(tone, 0.82), solid=False)
        x += size * dice.between(0.8, 1.3)
    return sketch
