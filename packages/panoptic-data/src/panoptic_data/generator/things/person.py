"""Persons, standing, walking or riding, and the backpack that some of them wear."""

import math
from dataclasses import dataclass

from panoptic_data.generator.colours import HAIR, SHIRTS, SKIN, TROUSERS, Colour, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch

VIEWS = ("front", "back", "side")
HEAD, NECK = 1.18, 1.50  # size of a head over its natural size, height of the neck


@dataclass(frozen=True)
class Figure:
    """Looks of one person.

    Args:
        view: "front", "back" or "side" (looking to the right).
        height: Body height in metres.
        stride: How far the legs are apart, in [0, 1].
    """

    view: str
    height: float
    stride: float
    skirt: bool
    cap: bool
    long_hair: bool
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    hat: Colour


def choose_figure(dice: Dice, view: str | None = None) -> Figure:
    """Draw the looks of a person."""
    child = dice.chance(0.12)
    return Figure(
        view=view or dice.weighted(VIEWS, (0.2, 0.25, 0.55)),
        height=dice.between(1.2, 1.4) if child else dice.between(1.62, 1.88),
        stride=dice.between(0.1, 1.0),
        skirt=dice.chance(0.22),
        cap=dice.chance(0.2),
        long_hair=dice.chance(0.4),
        skin=dice.pick(SKIN),
        hair=vary(dice, dice.pick(HAIR), 8),
        shirt=vary(dice, dice.pick(SHIRTS)),
        trousers=vary(dice, dice.pick(TROUSERS), 8),
        hat=vary(dice, dice.pick(SHIRTS)),
    )


def draw_person(figure: Figure, thin: float) -> Sketch:
    """Draw a person on foot, 1.8 units tall before it is scaled to the figure's height."""
    sketch = Sketch(thin * 1.8 / figure.height)
    side = figure.view == "side"
    _legs(sketch, figure, side)
    if side:
        swing = 0.22 * figure.stride
        _arm(sketch, figure, (-0.02, 1.40), (-0.06 - swing, 1.12), (-0.02 - 1.3 * swing, 0.90), 0.72)
        sketch.polygon(
            [
                (-0.20, 0.82),
                (0.17, 0.82),
                (0.20, 1.15),
                (0.17, 1.42),
                (0.02, 1.5),
                (-0.15, 1.46),
                (-0.22, 1.2),
            ],
            figure.shirt,
        )
        _add_head(sketch, figure)
        _arm(sketch, figure, (0.0, 1.40), (0.02 + swing, 1.12), (0.10 + 1.5 * swing, 0.92), 0.84)
    else:
        for way in (-1, 1):
            bend = 0.05 * figure.stride
            _arm(
                sketch,
                figure,
                (way * 0.25, 1.40),
                (way * (0.34 + bend), 1.12),
                (way * (0.35 + bend), 0.86),
                0.84,
            )
        sketch.polygon(
            [(-0.21, 0.82), (0.21, 0.82), (0.24, 1.12), (0.30, 1.40), (0.16, 1.50), (-0.16, 1.50),
             (-0.30, 1.40), (-0.24, 1.12)],
            figure.shirt,
        )  # fmt: skip
        _add_head(sketch, figure)
    scale = figure.height / 1.8
    return sketch.moved(0.0, 0.0, scale, scale)


def draw_straps(figure: Figure, colour: Colour, thin: float) -> Sketch:
    """Draw the strap of a backpack on the chest of a person seen from the side; it belongs to the person."""
    sketch = Sketch(thin * 1.8 / figure.height)
    if figure.view == "side":
        sketch.stroke([(-0.13, 1.44), (0.04, 1.38), (0.04, 1.16), (-0.12, 1.0)], 0.07, shade(colour, 0.68))
    scale = figure.height / 1.8
    return sketch.moved(0.0, 0.0, scale, scale)


def draw_backpack(figure: Figure, colour: Colour, thin: float) -> Sketch:
    """Draw the backpack of a person seen from behind or from the side, in the person's coordinates."""
    sketch = Sketch(thin * 1.8 / figure.height)
    dark, light = shade(colour, 0.68), shade(colour, 1.18)
    if figure.view == "side":
        sketch.polygon(
            [(-0.10, 0.84), (-0.46, 0.84), (-0.58, 0.96), (-0.58, 1.34), (-0.46, 1.52), (-0.10, 1.54)], colour
        )
        sketch.polygon([(-0.57, 0.92), (-0.67, 0.98), (-0.66, 1.2), (-0.56, 1.24)], dark)
    else:
        sketch.polygon(
            [(-0.28, 0.82), (0.28, 0.82), (0.34, 0.92), (0.33, 1.36), (0.22, 1.54), (-0.22, 1.54),
             (-0.33, 1.36), (-0.34, 0.92)],
            colour,
        )  # fmt: skip
        sketch.box(-0.22, 0.88, 0.22, 1.12, dark)
        sketch.box(-0.28, 1.24, 0.28, 1.29, light)
        sketch.box(-0.15, 1.54, -0.09, 1.59, dark)
        sketch.box(0.09, 1.54, 0.15, 1.59, dark)
    scale = figure.height / 1.8
    return sketch.moved(0.0, 0.0, scale, scale)


def draw_rider(figure: Figure, thin: float) -> Sketch:
    """Draw a person who sits on a bicycle that drives to the right (see :mod:`.bicycle`)."""
    sketch = Sketch(thin)
    dark = shade(figure.trousers, 0.75)
    sketch.stroke([(-0.16, 0.98), (0.20, 0.80), (0.04, 0.38)], 0.14, dark)
    sketch.polygon(
        [(-0.30, 0.95), (-0.02, 0.92), (0.28, 1.34), (0.22, 1.50), (0.04, 1.54), (-0.22, 1.2)], figure.shirt
    )
    sketch.stroke([(-0.16, 0.98), (0.26, 0.88), (0.06, 0.28)], 0.16, figure.trousers)
    sketch.polygon([(0.0, 0.2), (0.22, 0.2), (0.20, 0.28), (0.02, 0.32)], (40, 36, 34))
    sketch.stroke([(0.16, 1.40), (0.30, 1.16), (0.46, 1.08)], 0.10, shade(figure.shirt, 0.84))
    sketch.ellipse(0.48, 1.08, 0.05, figure.skin, corners=8)
    _add_head(sketch, figure, 0.22, -0.02)
    return sketch


def _legs(sketch: Sketch, figure: Figure, side: bool) -> None:
    cloth, back = figure.trousers, shade(figure.trousers, 0.75)
    shoe: Colour = (44, 38, 36)
    spread = 0.24 * figure.stride if side else 0.05 + 0.06 * figure.stride
    for way, colour in ((-1, back), (1, cloth)):
        hip = 0.06 * way if side else 0.11 * way
        foot = spread * way if side else hip + (spread - 0.05) * way
        lift = 0.05 * figure.stride if way < 0 and side else 0.0
        skin = figure.skin if figure.skirt else colour
        sketch.polygon(
            [(hip - 0.14, 0.86), (hip + 0.14, 0.86), (foot + 0.10, 0.06 + lift), (foot - 0.10, 0.06 + lift)],
            skin,
        )
        toe = 0.15 if side else 0.09
        sketch.polygon(
            [
                (foot - 0.09, lift),
                (foot + toe, lift),
                (foot + toe - 0.03, 0.1 + lift),
                (foot - 0.08, 0.12 + lift),
            ],
            shoe,
        )
    if figure.skirt:
        sketch.polygon([(-0.18, 0.92), (0.18, 0.92), (0.34, 0.42), (-0.34, 0.42)], cloth)


def _arm(
    sketch: Sketch,
    figure: Figure,
    shoulder: tuple[float, float],
    elbow: tuple[float, float],
    hand: tuple[float, float],
    tone: float,
) -> None:
    sketch.stroke([shoulder, elbow, hand], 0.15, shade(figure.shirt, tone))
    sketch.ellipse(hand[0], hand[1], 0.065, figure.skin, corners=8)


def _add_head(sketch: Sketch, figure: Figure, x: float = 0.0, y: float = 0.0) -> None:
    """Add a head, a little larger than life, so that it is still one from afar."""
    head = Sketch(sketch.thin)
    _head(head, figure, figure.view == "side")
    sketch.extend(head.moved(x, y - NECK * (HEAD - 1), HEAD, HEAD))


def _head(sketch: Sketch, figure: Figure, side: bool) -> None:
    skin, hair = figure.skin, figure.hair
    if figure.long_hair and figure.view != "front":
        sketch.ellipse(-0.06 if side else 0.0, 1.52, 0.13, hair, tall=0.20)
    sketch.box(-0.06, 1.44, 0.06, 1.58, shade(skin, 0.85))
    if figure.long_hair and figure.view == "front":
        for way in (-1, 1):
            sketch.box(way * 0.08, 1.46, way * 0.17, 1.70, hair)
    sketch.ellipse(0.0, 1.66, 0.14, skin, tall=0.16)
    if figure.view == "back":
        sketch.ellipse(0.0, 1.68, 0.145, hair, tall=0.15)
    elif side:
        sketch.box(0.12, 1.62, 0.17, 1.66, skin)
        sketch.polygon(_arc(0.0, 1.68, 0.15, 0.16, 0.35 * math.pi, 1.2 * math.pi), hair)
        if sketch.thin < 0.035:
            sketch.ellipse(0.08, 1.665, 0.014, (40, 32, 30), corners=8, solid=False)
    else:
        sketch.polygon(_arc(0.0, 1.71, 0.15, 0.13, 0.02 * math.pi, 0.98 * math.pi), hair)
        if sketch.thin < 0.035:  # near enough to show a face
            for way in (-1, 1):
                sketch.ellipse(way * 0.055, 1.655, 0.014, (40, 32, 30), corners=8, solid=False)
            sketch.box(-0.04, 1.57, 0.04, 1.58, (170, 96, 86), solid=False)
    if figure.cap:
        sketch.polygon(_arc(0.0, 1.72, 0.16, 0.13, 0.0, math.pi), figure.hat)
        if side:
            sketch.box(0.10, 1.71, 0.27, 1.74, figure.hat)


def _arc(
    x: float, y: float, across: float, up: float, start: float, stop: float
) -> list[tuple[float, float]]:
    """Return the part of an ellipse between two angles, closed by its chord."""
    steps = 8
    angles = [start + (stop - start) * k / steps for k in range(steps + 1)]
    return [(x + across * math.cos(angle), y + up * math.sin(angle)) for angle in angles]
