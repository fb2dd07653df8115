"""What lines a street: houses, fenced gardens, lawns with trees, and what closes the view."""

import itertools

from panoptic_data.generator.dice import Dice
from panoptic_data.generator.stage import Layer, Stage
from panoptic_data.generator.stuff.ground import NEAR
from panoptic_data.generator.stuff.plants import draw_tree, draw_woods
from panoptic_data.generator.stuff.walls import (
    Face,
    House,
    draw_chimney,
    draw_fence,
    draw_front,
    draw_roof,
)

LOTS = ("house", "fence", "park")
GREEN_WEIGHTS, TOWN_WEIGHTS = (0.36, 0.42, 0.22), (0.5, 0.5, 0.0)
FAR_LOT = 14.0  # from here on all is houses (or park): a fence would be a sliver
HOUSE_DEPTH = 7.0


def close_view(dice: Dice, stage: Stage, far: float, *, woods: bool) -> None:
    """Close the view at a distance with woods, or with a row of houses."""
    camera = stage.camera
    left, right = camera.reach(far)
    if woods:
        tall = far * dice.between(0.12, 0.2)
        belt = draw_woods(dice, left - 3, right + 3, tall, stage.lit_side)
        stage.fixed.append(Layer("vegetation", belt.stand(camera, 0.0, far), far))
        return
    x = left - dice.between(0.0, 5.0)
    while x < right:
        length = dice.between(6.0, 11.0)
        _add_house(stage, dice, House(dice, lamps=stage.light.lamps), x, length, far)
        x += length


def line_side(dice: Dice, stage: Stage, line: float, side: int, far: float, *, green: bool) -> None:
    """Line one side of a street that leads away from the camera, from far to near.

    Args:
        dice: Random numbers of the scene.
        stage: Its ``fixed`` layers grow.
        line: Where the lots begin, in metres to the right.
        side: -1 = left side of the street, 1 = right side.
        far: Where the view ends.
        green: Whether there are lawns.
    """
    camera, light = stage.camera, stage.light
    tone = light.sunny[1] if side < 0 else light.sunny[0]
    borders = [1.3]
    while borders[-1] < far:
        borders.append(min(far, borders[-1] + dice.between(8.0, 14.0)))
    for near, end in reversed(list(itertools.pairwise(borders))):
        kind = dice.weighted(LOTS, GREEN_WEIGHTS if green else TOWN_WEIGHTS)
        if near > FAR_LOT and kind == "fence":
            kind = "house"
        middle = (near + end) / 2
        pixel = 0.6 * middle * middle / (camera.focal * max(1.0, abs(line)))
        face = _receding(stage, line, near)
        if kind == "house":
            house = House(dice, lamps=light.lamps)
            sketch = draw_front(
                dice, house, _facing(stage, line, side, near), HOUSE_DEPTH, 0.88, near / camera.focal
            )
            sketch.extend(draw_front(dice, house, face, end - near, tone, pixel))
            stage.fixed.append(Layer("building", sketch, near))
            _add_house_shadow(stage, line, near, end, house.height)
            continue
        for _ in range(dice.whole(1, 3)):
            z = dice.between(max(near, 7.0), max(end, 7.5))
            _add_tree(stage, dice, line + side * dice.between(1.5, 4.0), z)
        if kind == "fence":
            stage.fixed.append(Layer("fence", draw_fence(dice, face, end - near, tone, pixel), near))


def line_far_side(dice: Dice, stage: Stage, line: float, *, green: bool) -> None:
    """Line the far side of a street that is seen from its near side.

    Args:
        dice: Random numbers of the scene.
        stage: Its ``fixed`` layers grow.
        line: Distance at which the lots begin.
        green: Whether there are lawns.
    """
    camera = stage.camera
    left, right = camera.reach(line)
    x = left - dice.between(0.0, 6.0)
    while x < right:
        length = dice.between(6.0, 10.0)
        kind = dice.weighted(LOTS, GREEN_WEIGHTS if green else TOWN_WEIGHTS)
        if kind == "house":
            house = House(dice, lamps=stage.light.lamps, floors=dice.weighted((1, 2, 3), (0.4, 0.45, 0.15)))
            _add_house(stage, dice, house, x, length, line)
        else:
            for _ in range(dice.whole(1, 2)):
                _add_tree(stage, dice, x + dice.between(1.5, length - 1.5), line + dice.between(1.0, 4.0))
        if kind == "fence":
            fence = draw_fence(dice, _facing(stage, x, 1, line), length, 0.95, line / camera.focal)
            stage.fixed.append(Layer("fence", fence, line))
        x += length


def _receding(stage: Stage, line: float, near: float) -> Face:
    """Return the projection of a face along the street that begins at z = near."""

    def face(along: float, up: float) -> tuple[float, float]:
        return stage.camera.point(line, up, near + along)

    return face


def _facing(stage: Stage, start: float, side: int, z: float) -> Face:
    """Return the projection of a face that looks at the camera and begins at x = start."""

    def face(along: float, up: float) -> tuple[float, float]:
        return stage.camera.point(start + side * along, up, z)

    return face


def _add_tree(stage: Stage, dice: Dice, x: float, z: float) -> None:
    tree = draw_tree(dice, z / stage.camera.focal, stage.lit_side).stand(stage.camera, x, z)
    stage.fixed.append(Layer("vegetation", tree, z))


def _add_house(stage: Stage, dice: Dice, house: House, x: float, length: float, z: float) -> None:
    """Add a house whose front looks at the camera."""
    face = _facing(stage, x, 1, z)
    tone = dice.between(0.84, 1.02)
    sketch = draw_front(dice, house, face, length, tone, z / stage.camera.focal)
    if house.floors <= 2 or dice.chance(0.5):
        if dice.chance(0.5):
            sketch.extend(draw_chimney(house, face, length * dice.between(0.25, 0.75), tone))
        sketch.extend(draw_roof(house, face, length, tone, length * dice.between(0.0, 0.25)))
    stage.fixed.append(Layer("building", sketch, z))


def _add_house_shadow(stage: Stage, line: float, near: float, end: float, height: float) -> None:
    """Let a house at the side of the street throw its shadow on the ground."""
    light, point = stage.light, stage.camera.point
    if light.shadow < 0.2 or light.shadow_x * line > 0:
        return
    dx, dz = light.shadow_x * height, light.shadow_z * height
    tips = point(line + dx, 0, max(NEAR, end + dz)), point(line + dx, 0, max(NEAR, near + dz))
    stage.shadows.append([point(line, 0, near), point(line, 0, end), *tips])
