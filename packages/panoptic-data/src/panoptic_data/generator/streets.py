"""The two kinds of scenes: a street seen along its length, and a street seen from its other side."""

import math

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import choose_light
from panoptic_data.generator.lots import close_view, line_far_side, line_side
from panoptic_data.generator.settings import SceneSettings
from panoptic_data.generator.stage import Layer, Stage, Zone
from panoptic_data.generator.stuff.ground import NEAR, Ground

AWAY = math.pi / 2
LEFTWARD, RIGHTWARD = math.pi, 0.0
WIDE = 1.5  # width over height of a picture that shows a street in its full width
GREEN = 0.55  # share of streets with lawns; the others have none, so that grass is ample or absent


def build_stage(dice: Dice, height: int, width: int, settings: SceneSettings) -> Stage:
    """Build the street of a scene, without its things.

    Args:
        dice: Random numbers of the scene.
        height: Image height in pixels.
        width: Image width in pixels.
        settings: ``across`` says how often the view goes across the street.
    """
    across = dice.chance(settings.across)
    unit = min(height, width)
    camera = Camera(
        height=height,
        width=width,
        focal=unit * dice.between(1.2, 1.4),
        horizon=height * dice.between(0.38, 0.46),
        centre=width * (0.5 if across else dice.between(0.36, 0.64)),
        eye=dice.between(1.8, 2.1),
    )
    stage = Stage(camera, choose_light(dice))
    if across:
        _across(dice, stage)
    else:
        _along(dice, stage)
    return stage


def _along(dice: Dice, stage: Stage) -> None:
    """A street that leads away from the camera, lots on both sides, houses or woods at its end."""
    ground = Ground(stage.camera, dice)
    far = dice.between(26.0, 40.0)
    green = dice.chance(GREEN)
    narrow = _narrow(stage.camera)
    shift = narrow * dice.between(-1.6, 1.6)
    half = narrow * dice.between(2.3, 2.9)
    walk = narrow * (dice.between(1.6, 2.0) if green else dice.between(2.2, 2.8))
    verge = narrow * dice.between(3.0, 5.0) if green else 0.0
    left, right = -half - shift, half - shift
    stage.ground.append(Layer("grass", ground.grass(far), far))
    stage.ground.append(Layer("road", ground.road_along(dice, left, right, far), far))
    close_view(dice, stage, far, woods=dice.chance(0.5))
    deep = far - 5.0
    for side, edge in ((-1, left), (1, right)):
        outer = edge + side * walk
        line = outer + side * verge
        x0, x1 = min(edge, outer), max(edge, outer)
        kerb = "right" if side < 0 else "left"
        stage.ground.append(Layer("sidewalk", ground.pavement_strip(x0, x1, NEAR, far, kerb=kerb), far))
        line_side(dice, stage, line, side, far, green=green)
        # Right-hand traffic: cars on the right drive away and show their tail.
        heading = AWAY * side
        lane, parked = edge - side * half * 0.5, edge - side * 0.95
        stage.open("person", Zone(x0 + 0.3, x1 - 0.3, 5.2, 10.5, deep))
        stage.open("crowd", Zone(x0 + 0.3, x1 - 0.3, 7.0, 11.0, deep))
        stage.open("sign", Zone(edge + side * 0.3, edge + side * 0.5, 5.8, 11.0, deep))
        stage.open("dog", Zone(x0 + 0.3, x1 - 0.3, 5.0, 8.5, 14.0))
        stage.open("bicycle", Zone(x0 + 0.5, x1 - 0.5, 5.0, 10.5, deep))
        stage.open("clutter", Zone(outer - side * 0.5, outer - side * 0.3, 5.0, 12.0))
        weight = 1.5 if verge else 0.6
        stage.open("tree", Zone(outer - side * 0.2, line + side * 0.2, 8.0, 24.0, weight=weight))
        stage.open("car", Zone(lane - 0.2, lane + 0.2, 7.5, 16.0, deep, heading))
        against = -1 if dice.chance(0.3) else 1
        stage.open("car", Zone(parked - 0.1, parked + 0.1, 7.0, 14.0, deep, heading * against))
    stage.open("person", Zone(left + 0.5, right - 0.5, 5.2, 10.0, deep, weight=0.8))
    stage.open("bicycle", Zone(left + 0.6, right - 0.6, 5.5, 10.0, deep, weight=0.7))
    stage.open("dog", Zone(left + 0.5, right - 0.5, 5.0, 8.0, 14.0, weight=0.4))
    turning = dice.pick((LEFTWARD, RIGHTWARD))
    stage.open("car", Zone(-6.0, 6.0, 9.0, 15.0, deep, turning, weight=0.5))


def _narrow(camera: Camera) -> float:
    """Return a factor in [0.7, 1] that keeps both sides of a street in view where the picture is not wide."""
    return min(1.0, max(0.7, math.sqrt(camera.width / camera.height / WIDE)))


def _across(dice: Dice, stage: Stage) -> None:
    """A street from left to right, a row of lots behind it."""
    camera = stage.camera
    ground = Ground(camera, dice)
    # Narrow pictures look from farther away, so that as much of the street is in view.
    near, narrow = camera.distance(camera.height), _narrow(camera)
    z1 = max(near, dice.between(3.6, 4.4) / narrow)
    z2 = z1 + dice.between(3.4, 4.2) / narrow
    z3 = z2 + dice.between(2.2, 2.8) / narrow
    verge = dice.between(4.0, 6.0) if dice.chance(GREEN) else 0.0
    line = z3 + verge
    far = line + dice.between(8.0, 12.0)
    reach = max(-camera.reach(far)[0], camera.reach(far)[1]) * 1.2
    stage.ground.append(Layer("grass", ground.grass(far), far))
    stage.ground.append(Layer("sidewalk", ground.pavement_strip(-reach, reach, z2, z3, kerb="near"), z3))
    stage.ground.append(Layer("road", ground.road_across(dice, z1, z2, reach), z2))
    lawn = dice.chance(0.3)
    front = ground.grass(z1) if lawn else ground.pavement_strip(-reach, reach, NEAR, z1, kerb="far")
    stage.ground.append(Layer("grass" if lawn else "sidewalk", front, z1))
    close_view(dice, stage, far, woods=True)
    line_far_side(dice, stage, line, green=verge > 0)
    lane = (z2 - z1) / 4
    edge = max(near + 0.1, z1 - 0.3)
    stage.open("person", Zone(-reach, reach, z2 + 0.3, z3 - 0.3))
    stage.open("person", Zone(-reach, reach, edge - 0.1, edge, weight=0.3))
    stage.open("person", Zone(-reach, reach, z1 + 0.5, z2 - 0.5, weight=0.5))
    stage.open("crowd", Zone(-reach, reach, z2 + 0.4, z3 - 0.4))
    stage.open("sign", Zone(-reach, reach, z2 + 0.3, z2 + 0.5))
    stage.open("sign", Zone(-reach, reach, edge, edge + 0.1, weight=0.06))
    stage.open("car", Zone(-reach, reach, z1 + lane - 0.2, z1 + lane + 0.2, heading=RIGHTWARD, weight=0.4))
    stage.open("car", Zone(-reach, reach, z2 - lane - 0.2, z2 - lane + 0.2, heading=LEFTWARD))
    stage.open("bicycle", Zone(-reach, reach, z1 + 0.6, z2 - 0.4))
    stage.open("bicycle", Zone(-reach, reach, z2 + 0.4, z3 - 0.4, weight=0.6))
    stage.open("dog", Zone(-reach, reach, z2 + 0.2, z2 + 1.2, weight=0.6))
    stage.open("dog", Zone(-reach, reach, near + 0.1, max(near + 0.3, z1), weight=0.6))
    stage.open("dog", Zone(-reach, reach, z1 + 0.3, z2 - 0.5, weight=0.4))
    stage.open("tree", Zone(-reach, reach, z3 - 0.2, z3 + max(0.3, verge - 0.4)))
    stage.open("clutter", Zone(-reach, reach, z3 - 0.6, z3 - 0.3))
