"""Upright faces: house fronts, roofs and fences.

They are drawn in the coordinates of the face, metres along and up, and projected by a function of the caller.
"""

from collections.abc import Callable
from typing import Protocol

from panoptic_data.generator.camera import Point
from panoptic_data.generator.colours import PLANKS, PLASTER, ROOFS, SHIRTS, Colour, mix, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch

Face = Callable[[float, float], Point]
"""Maps (metres along the face, metres up) to image coordinates."""


class Rect(Protocol):
    """Something that paints rectangles of one face."""

    def __call__(
        self,
        a0: float,
        a1: float,
        u0: float,
        u1: float,
        colour: Colour,
        *,
        solid: bool = False,
        glow: bool = False,
    ) -> None:
        """Paint from a0 to a1 along the face and from u0 to u1 up."""


class House:
    """Looks of one house, shared by its faces."""

    def __init__(self, dice: Dice, *, lamps: bool, floors: int | None = None) -> None:
        self.wall = vary(dice, dice.pick(PLASTER), 10)
        self.trim = mix(self.wall, (250, 246, 238), 0.5) if dice.chance(0.6) else shade(self.wall, 0.7)
        self.roof = vary(dice, dice.pick(ROOFS), 8)
        self.door = vary(dice, dice.pick(((92, 58, 40), (52, 80, 66), (60, 66, 92), (110, 40, 40))), 8)
        self.floor = dice.between(2.6, 3.0)
        self.floors = floors or dice.weighted((1, 2, 3, 4), (0.15, 0.35, 0.3, 0.2))
        self.pitch = dice.between(1.2, 2.4)
        self.pane = dice.between(1.8, 2.5)
        self.shop = dice.chance(0.35)
        self.awning = vary(dice, dice.pick(SHIRTS), 8)
        self.bricks = dice.chance(0.4)
        self.lamps = lamps

    @property
    def height(self) -> float:
        """Height of the walls in metres."""
        return self.floors * self.floor + 0.4


def draw_front(dice: Dice, house: House, face: Face, length: float, tone: float, pixel: float) -> Sketch:
    """Draw a house front with windows, a door and a cornice.

    Args:
        dice: Varies windows.
        house: Looks of the house.
        face: Projects the face, 0 <= along <= length.
        length: Length of the face in metres.
        tone: Light on the face, a factor.
        pixel: Size of a pixel in metres at the middle of the face: finer details are left out.

    Returns:
        The sketch, in image coordinates.
    """
    sketch = Sketch()

    def rect(
        a0: float, a1: float, u0: float, u1: float, colour: Colour, *, solid: bool = False, glow: bool = False
    ) -> None:
        sketch.polygon(
            [face(a0, u0), face(a1, u0), face(a1, u1), face(a0, u1)], colour, solid=solid, glow=glow
        )

    wall, trim = shade(house.wall, tone), shade(house.trim, tone)
    rect(0, length, -0.1, house.height, wall, solid=True)
    if house.bricks and pixel < 0.25:
        for k in range(1, int(house.height / 0.55)):
            rect(0, length, 0.55 * k, 0.55 * k + 0.07, shade(wall, 0.9))
    rect(0, length, -0.1, 0.45, shade(wall, 0.72))
    rect(0, length, house.height - 0.35, house.height, trim)
    count = max(1, int(length / house.pane))
    pitch = length / count
    wide = min(1.15, pitch * 0.58)
    door = dice.whole(0, count - 1)
    for floor in range(house.floors):
        low = floor * house.floor + 0.85
        ground = floor == 0
        if ground and house.shop:
            _shop(house, rect, length, tone, door * pitch, pitch)
            continue
        for k in range(count):
            middle = (k + 0.5) * pitch
            if ground and k == door:
                rect(middle - 0.62, middle + 0.62, 0, 2.35, trim)
                rect(middle - 0.5, middle + 0.5, 0, 2.2, shade(house.door, tone))
                continue
            _window(dice, house, rect, middle, wide, low, tone, pixel)
    return sketch


def _window(
    dice: Dice, house: House, rect: Rect, middle: float, wide: float, low: float, tone: float, pixel: float
) -> None:
    lit = house.lamps and dice.chance(0.45)
    pane: Colour = (
        (255, 214, 130)
        if lit
        else shade(dice.pick(((58, 72, 90), (74, 92, 112), (48, 58, 72))), 0.5 + tone / 2)
    )
    high = low + 1.5
    if pixel < 0.3:
        rect(
            middle - wide / 2 - 0.12,
            middle + wide / 2 + 0.12,
            low - 0.16,
            high + 0.1,
            shade(house.trim, tone),
        )
    rect(middle - wide / 2, middle + wide / 2, low, high, pane, glow=lit)
    if pixel < 0.14:
        rect(middle - 0.04, middle + 0.04, low, high, shade(house.trim, tone))


def _shop(house: House, rect: Rect, length: float, tone: float, door: float, pitch: float) -> None:
    pane: Colour = (250, 214, 150) if house.lamps else shade((96, 116, 128), tone)
    rect(0.3, length - 0.3, 0.5, 2.2, pane, glow=house.lamps)
    rect(door + 0.2, door + pitch - 0.2, 0.0, 2.2, shade(house.door, tone))
    parts = max(2, int(length / 0.8))
    for k in range(parts):
        colour = house.awning if k % 2 else (240, 238, 230)
        rect(
            0.15 + (length - 0.3) * k / parts,
            0.15 + (length - 0.3) * (k + 1) / parts,
            2.1,
            2.75,
            shade(colour, tone),
        )


def draw_roof(house: House, face: Face, length: float, tone: float, inset: float) -> Sketch:
    """Draw the roof above a front that looks at the camera: a trapezoid with rows of tiles."""
    sketch = Sketch()
    base, top = house.height, house.height + house.pitch
    roof = shade(house.roof, tone)
    sketch.polygon(
        [face(-0.3, base), face(length + 0.3, base), face(length - inset, top), face(inset, top)], roof
    )
    for k in range(1, 4):
        share = k / 4
        low, gap = base + house.pitch * share, inset * share
        points = [
            face(gap, low),
            face(length - gap, low),
            face(length - gap, low + 0.1),
            face(gap, low + 0.1),
        ]
        sketch.polygon(points, shade(roof, 0.82), solid=False)
    return sketch


def draw_chimney(house: House, face: Face, along: float, tone: float) -> Sketch:
    """Draw a chimney that stands behind the ridge."""
    sketch = Sketch()
    top = house.height + house.pitch
    brick = shade((150, 84, 66), tone)
    for a0, a1, u0, u1, colour in (
        (along - 0.35, along + 0.35, top - 1.2, top + 0.7, brick),
        (along - 0.45, along + 0.45, top + 0.6, top + 0.8, shade(brick, 0.7)),
    ):
        sketch.polygon([face(a0, u0), face(a1, u0), face(a1, u1), face(a0, u1)], colour)
    return sketch


def draw_fence(dice: Dice, face: Face, length: float, tone: float, pixel: float) -> Sketch:
    """Draw a wooden fence of planks on a low stone foot."""
    sketch = Sketch()
    wood = shade(vary(dice, dice.pick(PLANKS), 10), tone)
    tall = dice.between(2.15, 2.4)  # above the eye: no ground is seen behind it
    sketch.polygon([face(0, -0.1), face(length, -0.1), face(length, tall), face(0, tall)], wood)
    step = max(0.3, 2.5 * pixel)
    for k in range(1, int(length / step)):
        points = [
            face(k * step, 0.2),
            face(k * step + 0.3 * step, 0.2),
            face(k * step + 0.3 * step, tall),
            face(k * step, tall),
        ]
        sketch.polygon(points, shade(wood, dice.between(0.66, 0.84)), solid=False)
    for low, high, factor in ((tall - 0.12, tall, 1.18), (0.35, 0.45, 0.7), (-0.1, 0.2, 0.55)):
        sketch.polygon(
            [face(0, low), face(length, low), face(length, high), face(0, high)],
            shade(wood, factor),
            solid=False,
        )
    return sketch
