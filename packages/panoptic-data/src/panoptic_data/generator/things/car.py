"""Cars as small solid bodies: one model for every view."""

import math
from collections.abc import Callable
from typing import NamedTuple

from panoptic_data.generator.camera import Camera, Point
from panoptic_data.generator.colours import PAINTS, Colour, mix, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import Light
from panoptic_data.generator.sketch import Sketch

Place = Callable[[float, float, float], Point]
"""Projects a point of a car: metres along it, across it and up."""


class Body(NamedTuple):
    """A car from the side, looking to the right; corners are (along, up) in metres, from tail to nose."""

    outline: tuple[Point, ...]
    glass: tuple[tuple[Point, ...], ...]
    """Side windows."""
    screens: tuple[int, ...]
    """Edges of the outline (by their first corner) that are windscreens."""
    width: float


SEDAN = Body(
    outline=(
        (-2.0, 0.26), (-2.05, 0.62), (-1.98, 0.98), (-1.45, 1.02), (-0.95, 1.46), (0.30, 1.48), (0.95, 1.0),
        (1.85, 0.86), (2.05, 0.62), (2.0, 0.26),
    ),
    glass=(
        ((-1.22, 1.04), (-0.85, 1.38), (-0.30, 1.40), (-0.30, 1.02)),
        ((-0.18, 1.02), (-0.18, 1.40), (0.24, 1.40), (0.72, 1.0)),
    ),
    screens=(3, 5),
    width=1.8,
)  # fmt: skip
HATCH = Body(
    outline=(
        (-1.75, 0.26), (-1.80, 0.62), (-1.76, 1.0), (-1.45, 1.52), (0.15, 1.54), (0.85, 1.04), (1.60, 0.90),
        (1.80, 0.64), (1.75, 0.26),
    ),
    glass=(
        ((-1.50, 1.04), (-1.28, 1.42), (-0.45, 1.46), (-0.45, 1.04)),
        ((-0.33, 1.04), (-0.33, 1.46), (0.10, 1.46), (0.66, 1.04)),
    ),
    screens=(2, 4),
    width=1.75,
)  # fmt: skip
VAN = Body(
    outline=(
        (-2.2, 0.28), (-2.25, 0.7), (-2.22, 1.2), (-2.10, 2.0), (0.95, 2.02), (1.60, 1.25), (2.15, 1.05),
        (2.28, 0.7), (2.2, 0.28),
    ),
    glass=(((0.15, 1.25), (0.15, 1.86), (0.88, 1.86), (1.36, 1.25)),),
    screens=(2, 4),
    width=1.95,
)  # fmt: skip

TYRE: Colour = (28, 28, 30)
GLASS: Colour = (62, 78, 92)


def draw_car(dice: Dice, camera: Camera, light: Light, x: float, z: float, heading: float) -> Sketch:
    """Draw a car in image coordinates.

    Args:
        dice: Chooses body and paint.
        camera: Projects it.
        light: Says which sides are bright and whether the lamps are on.
        x: Middle of the car, to the right.
        z: Middle of the car, ahead.
        heading: Direction it looks to in radians: 0 = right, pi / 2 = away from the camera.

    Returns:
        The sketch, in pixels.
    """
    body = dice.weighted((SEDAN, HATCH, VAN), (0.45, 0.4, 0.15))
    paint = vary(dice, dice.pick(PAINTS), 8)
    cos, sin = math.cos(heading), math.sin(heading)

    def at(along: float, across: float, up: float) -> Point:
        depth = max(0.6, z + along * sin + across * cos)
        return camera.point(x + along * cos - across * sin, up, depth)

    sketch = Sketch()
    half = body.width / 2
    # The side that the camera sees: its outward direction is across = -half or +half.
    seen = -half if (-sin) * -x + cos * -z < 0 else half
    end_seen = 1 if cos * -x + sin * -z > 0 else -1  # is the nose or the tail turned to the camera?
    _far_wheels(sketch, at, body, half, end_seen)
    strips = []
    for k, (first, second) in enumerate(zip(body.outline, body.outline[1:], strict=False)):
        normal_along, normal_up = first[1] - second[1], second[0] - first[0]
        middle = ((first[0] + second[0]) / 2, (first[1] + second[1]) / 2)
        to_eye_x, to_eye_z = -(x + middle[0] * cos), -(z + middle[0] * sin)
        facing = normal_along * (to_eye_x * cos + to_eye_z * sin) + normal_up * (camera.eye - middle[1])
        if facing > 0:
            strips.append((z + middle[0] * sin, k, normal_up / math.hypot(normal_along, normal_up)))
    for _, k, upward in sorted(strips, reverse=True):
        _strip(sketch, at, body, k, half, shade(paint, 0.78 + 0.3 * max(0.0, upward)))
    _ends(sketch, at, body, half, light, end_seen)
    side_tone = light.sunny[0] if (seen * -sin) < 0 else light.sunny[1]
    side_tone = 0.5 + 0.5 * side_tone if abs(sin) > 0.5 else 0.95
    _side(sketch, at, body, seen, shade(paint, side_tone))
    return sketch


def _strip(sketch: Sketch, at: Place, body: Body, k: int, half: float, colour: Colour) -> None:
    (a0, u0), (a1, u1) = body.outline[k], body.outline[k + 1]
    sketch.polygon([at(a0, -half, u0), at(a1, -half, u1), at(a1, half, u1), at(a0, half, u0)], colour)
    if k in body.screens:
        inner = half * 0.86
        low, high = 0.08, 0.92
        b0, v0, b1, v1 = (
            a0 + (a1 - a0) * low,
            u0 + (u1 - u0) * low,
            a0 + (a1 - a0) * high,
            u0 + (u1 - u0) * high,
        )
        sketch.polygon(
            [at(b0, -inner, v0), at(b1, -inner, v1), at(b1, inner, v1), at(b0, inner, v0)], GLASS, solid=False
        )
        mid = 0.35
        sketch.polygon(
            [
                at(b0, -inner * 0.2, v0),
                at(b1, inner * 0.1, v1),
                at(b1, inner * mid, v1),
                at(b0, inner * 0.1, v0),
            ],
            mix(GLASS, (255, 255, 255), 0.25),
            solid=False,
        )


def _ends(sketch: Sketch, at: Place, body: Body, half: float, light: Light, end_seen: int) -> None:
    """Lamps, plate and bumper on the end that faces the camera."""
    along = body.outline[0][0] - 0.06 if end_seen < 0 else body.outline[-1][0] + 0.06
    lamp: Colour = (214, 30, 34) if end_seen < 0 else (250, 244, 214)
    glow = light.lamps or end_seen < 0

    def quad(v0: float, v1: float, u0: float, u1: float, colour: Colour, shine: bool = False) -> None:
        points = [at(along, v0, u0), at(along, v1, u0), at(along, v1, u1), at(along, v0, u1)]
        sketch.polygon(points, colour, solid=False, glow=shine)

    quad(-half, half, 0.26, 0.42, (50, 50, 54))
    if end_seen > 0:
        quad(-half * 0.5, half * 0.5, 0.46, 0.64, (44, 46, 50))
    quad(-0.26, 0.26, 0.36, 0.48, (236, 232, 214))
    for way in (-1, 1):
        quad(way * half * 0.62, way * half * 0.96, 0.58, 0.78, lamp, glow)


def _side(sketch: Sketch, at: Place, body: Body, seen: float, paint: Colour) -> None:
    sketch.polygon([at(a, seen, u) for a, u in body.outline], paint)
    tail, nose = body.outline[0][0], body.outline[-1][0]
    sill = [at(tail, seen, 0.26), at(nose, seen, 0.26), at(nose, seen, 0.40), at(tail, seen, 0.40)]
    sketch.polygon(sill, shade(paint, 0.7), solid=False)
    for glass in body.glass:
        sketch.polygon([at(a, seen, u) for a, u in glass], GLASS, solid=False)
    for along in (-nose * 0.63, nose * 0.63):
        for radius, colour in ((0.36, TYRE), (0.19, (172, 174, 178))):
            points = [
                at(
                    along + radius * math.cos(k * math.pi / 7),
                    seen,
                    0.35 + radius * math.sin(k * math.pi / 7),
                )
                for k in range(14)
            ]
            sketch.polygon(points, colour, solid=radius > 0.3)


def _far_wheels(sketch: Sketch, at: Place, body: Body, half: float, end_seen: int) -> None:
    """The tyres that show under the end that faces the camera, and the dark under the car."""
    tail, nose = body.outline[0][0], body.outline[-1][0]
    sketch.polygon(
        [at(tail, -half, 0.12), at(nose, -half, 0.12), at(nose, -half, 0.3), at(tail, -half, 0.3)],
        (20, 20, 22),
    )
    sketch.polygon(
        [at(tail, half, 0.12), at(nose, half, 0.12), at(nose, half, 0.3), at(tail, half, 0.3)], (20, 20, 22)
    )
    along = end_seen * nose * 0.8
    sketch.polygon(
        [at(along, -half, 0.14), at(along, half, 0.14), at(along, half, 0.34), at(along, -half, 0.34)],
        (20, 20, 22),
    )
    for way in (-1, 1):
        v0, v1 = way * (half - 0.28), way * half
        sketch.polygon([at(along, v0, 0.0), at(along, v1, 0.0), at(along, v1, 0.4), at(along, v0, 0.4)], TYRE)
