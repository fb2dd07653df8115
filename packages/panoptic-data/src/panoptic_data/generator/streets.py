"""The two kinds of scenes: a street seen along its length, and a street seen from the other side."""

import math

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import choose_light
from panoptic_data.generator.settings import SceneSettings
from panoptic_data.generator.stage import Layer, Stage, Zone
from panoptic_data.generator.stuff.ground import NEAR, Ground
from panoptic_data.generator.stuff.plants import draw_tree, draw_woods
from panoptic_data.generator.stuff.walls import House, draw_chimney, draw_fence, draw_front, draw_roof

LOTS = ("house", "park", "fence")
LOT_WEIGHTS = (0.52, 0.2, 0.28)


def build_stage(dice: Dice, height: int, width: int, settings: SceneSettings) -> Stage:
    """Build the street of a scene.

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
        focal=unit * dice.between(0.95, 1.15),
        horizon=height * (dice.between(0.36, 0.44) if across else dice.between(0.38, 0.46)),
        centre=width * (0.5 if across else dice.between(0.36, 0.64)),
        eye=dice.between(1.9, 2.4),
    )
    stage = Stage(camera, choose_light(dice))
    if across:
        _across(dice, stage)
    else:
        _along(dice, stage)
    return stage


def _along(dice: Dice, stage: Stage) -> None:
    """A street that leads away from the camera, lots on both sides, houses or woods at its end."""
    camera = stage.camera
    ground = Ground(camera, dice)
    far = dice.between(26.0, 40.0)
    shift = dice.between(-1.6, 1.6)
    half, walk = dice.between(2.5, 3.2), dice.between(2.0, 2.7)
    road = (-half - shift, half - shift)
    stage.ground.append(Layer("grass", ground.grass(far), far))
    stage.ground.append(Layer("road", ground.road_along(dice, *road, far), far))
    _end(dice, stage, far)
    zones: dict[str, list[Zone]] = {
        name: [] for name in ("walk", "kerb", "car", "bicycle", "dog", "tree", "clutter")
    }
    for side in (-1, 1):
        edge = road[0] if side < 0 else road[1]
        verge = dice.between(1.4, 2.6) if dice.chance(0.5) else 0.0
        outer = edge + side * walk
        line = outer + side * verge
        kerb = "right" if side < 0 else "left"
        strip = (min(edge, outer), max(edge, outer))
        stage.ground.append(Layer("sidewalk", ground.pavement_strip(*strip, NEAR, far, kerb=kerb), far))
        _lots_along(dice, stage, line, side, far)
        zones["walk"].append(Zone(strip[0] + 0.3, strip[1] - 0.3, 5.0, 13.0))
        zones["kerb"].append(Zone(edge + side * 0.3, edge + side * 0.5, 6.0, 13.0))
        zones["dog"].append(Zone(strip[0] + 0.3, strip[1] - 0.3, 4.6, 9.0))
        zones["clutter"].append(Zone(outer - side * 0.5, outer - side * 0.3, 5.0, 12.0))
        zones["bicycle"].append(Zone(strip[0] + 0.5, strip[1] - 0.5, 5.0, 10.5))
        zones["tree"].append(
            Zone(outer - side * 0.2, line + side * 0.2, 8.0, 24.0, weight=1.5 if verge else 0.6)
        )
        # Right-hand traffic: cars on the right drive away and show their tail.
        heading = math.pi / 2 * side
        lane = edge - side * half * 0.5
        zones["car"].append(Zone(lane - 0.2, lane + 0.2, 7.5, 20.0, heading))
        parked = edge - side * 0.95
        zones["car"].append(
            Zone(parked - 0.1, parked + 0.1, 7.0, 18.0, heading * (1 if dice.chance(0.7) else -1))
        )
    zones["bicycle"].append(Zone(road[0] + 0.6, road[1] - 0.6, 5.5, 10.0, weight=0.7))
    zones["dog"].append(Zone(road[0] + 0.5, road[1] - 0.5, 5.0, 8.0, weight=0.4))
    zones["car"].append(Zone(-6.0, 6.0, 9.0, 15.0, 0.0 if dice.chance(0.5) else math.pi, weight=0.5))
    crossing = Zone(road[0] + 0.5, road[1] - 0.5, 5.0, 11.0, weight=0.8)
    _set_zones(stage, zones, crossing)


def _across(dice: Dice, stage: Stage) -> None:
    """A street from left to right, a row of lots behind it."""
    camera = stage.camera
    ground = Ground(camera, dice)
    z1 = dice.between(4.0, 5.4)
    z2 = z1 + dice.between(4.2, 5.6)
    z3 = z2 + dice.between(2.2, 3.2)
    verge = dice.between(2.0, 3.4) if dice.chance(0.5) else 0.0
    line = z3 + verge
    far = line + dice.between(9.0, 14.0)
    reach = max(-camera.reach(far)[0], camera.reach(far)[1]) * 1.2
    stage.ground.append(Layer("grass", ground.grass(far), far))
    stage.ground.append(Layer("sidewalk", ground.pavement_strip(-reach, reach, z2, z3, kerb="near"), z3))
    stage.ground.append(Layer("road", ground.road_across(dice, z1, z2, reach), z2))
    lawn = dice.chance(0.3)
    near = ground.grass(z1) if lawn else ground.pavement_strip(-reach, reach, NEAR, z1, kerb="far")
    stage.ground.append(Layer("grass" if lawn else "sidewalk", near, z1))
    _end(dice, stage, far, woods=True)
    _lots_across(dice, stage, line)
    left, right = camera.reach(z2)
    left, right = left + 0.5, right - 0.5
    lane = (z2 - z1) / 4
    zones: dict[str, list[Zone]] = {
        "walk": [
            Zone(left, right, z2 + 0.3, z3 - 0.3),
            Zone(left, right, 4.2, max(4.4, z1 - 0.2), weight=0.4),
        ],
        "kerb": [Zone(left, right, z2 + 0.3, z2 + 0.5), Zone(left, right, z1 - 0.4, z1 - 0.2, weight=0.25)],
        "car": [
            Zone(left, right, z1 + lane - 0.2, z1 + lane + 0.2, 0.0),
            Zone(left, right, z2 - lane - 0.2, z2 - lane + 0.2, math.pi, weight=1.5),
        ],
        "bicycle": [Zone(left, right, z1 + 0.6, z2 - 0.4), Zone(left, right, z2 + 0.4, z3 - 0.4, weight=0.6)],
        "dog": [Zone(left, right, z2 + 0.2, z3 - 0.2), Zone(left, right, 3.8, z1, weight=0.8)],
        "tree": [Zone(left, right, z3 - 0.2, z3 + max(0.3, verge - 0.4))],
        "clutter": [Zone(left, right, z3 - 0.6, z3 - 0.3)],
    }
    _set_zones(stage, zones, Zone(left, right, z1 + 0.5, z2 - 0.5, weight=0.6))


def _set_zones(stage: Stage, zones: dict[str, list[Zone]], crossing: Zone) -> None:
    stage.zones = {
        "person": (*zones["walk"], crossing),
        "traffic light": tuple(zones["kerb"]),
        "traffic sign": tuple(zones["kerb"]),
        "crowd": tuple(zones["walk"]),
        **{name: tuple(zones[name]) for name in ("car", "bicycle", "dog", "tree", "clutter")},
    }


def _end(dice: Dice, stage: Stage, far: float, *, woods: bool | None = None) -> None:
    """Close the view at the horizon: woods, or houses that look at the camera."""
    camera = stage.camera
    left, right = camera.reach(far)
    if woods or dice.chance(0.5):
        tall = far * dice.between(0.12, 0.2)
        stage.fixed.append(
            Layer(
                "vegetation",
                draw_woods(dice, left - 3, right + 3, tall, stage.lit_side).stand(camera, 0.0, far),
                far,
            )
        )
        return
    x = left - dice.between(0.0, 5.0)
    while x < right:
        length = dice.between(6.0, 11.0)
        _house_across(dice, stage, x, length, far)
        x += length


def _lots_along(dice: Dice, stage: Stage, line: float, side: int, far: float) -> None:
    """Line one side of the street with houses, fenced gardens and lawns, from far to near."""
    camera, light = stage.camera, stage.light
    borders = [1.3]
    while borders[-1] < far:
        borders.append(min(far, borders[-1] + dice.between(6.0, 12.0)))
    tone = light.sunny[1] if side < 0 else light.sunny[0]
    for near, end in reversed(list(zip(borders, borders[1:], strict=False))):
        kind = dice.weighted(LOTS, LOT_WEIGHTS)
        middle = (near + end) / 2
        pixel = 0.6 * middle * middle / (camera.focal * max(1.0, abs(line)))
        if kind == "house":
            house = House(dice, lamps=light.lamps)

            def end_face(a: float, u: float, z: float = near) -> tuple[float, float]:
                return camera.point(line + side * a, u, z)

            def front_face(a: float, u: float, z: float = near) -> tuple[float, float]:
                return camera.point(line, u, z + a)

            sketch = draw_front(dice, house, end_face, 7.0, 0.88, near / camera.focal)
            sketch.extend(draw_front(dice, house, front_face, end - near, tone, pixel))
            stage.fixed.append(Layer("building", sketch, near))
            _house_shadow(stage, line, near, end, house.height)
            continue
        for _ in range(dice.whole(1, 3)):
            z = dice.between(max(near, 7.0), max(end, 7.5))
            x = line + side * dice.between(1.5, 4.0)
            tree = draw_tree(dice, z / camera.focal, stage.lit_side).stand(camera, x, z)
            stage.fixed.append(Layer("vegetation", tree, z))
        if kind == "fence":

            def fence_face(a: float, u: float, z: float = near) -> tuple[float, float]:
                return camera.point(line, u, z + a)

            stage.fixed.append(Layer("fence", draw_fence(dice, fence_face, end - near, tone, pixel), near))


def _lots_across(dice: Dice, stage: Stage, line: float) -> None:
    camera = stage.camera
    left, right = camera.reach(line)
    x = left - dice.between(0.0, 6.0)
    while x < right:
        length = dice.between(6.0, 10.0)
        kind = dice.weighted(LOTS, LOT_WEIGHTS)
        if kind == "house":
            _house_across(dice, stage, x, length, line)
        else:
            for _ in range(dice.whole(1, 2)):
                z = line + dice.between(1.0, 4.0)
                tree = draw_tree(dice, z / camera.focal, stage.lit_side).stand(
                    camera, x + dice.between(1.5, length - 1.5), z
                )
                stage.fixed.append(Layer("vegetation", tree, z))
        if kind == "fence":

            def face(a: float, u: float, start: float = x) -> tuple[float, float]:
                return camera.point(start + a, u, line)

            fence = draw_fence(dice, face, length, 0.95, line / camera.focal)
            stage.fixed.append(Layer("fence", fence, line))
        x += length


def _house_across(dice: Dice, stage: Stage, x: float, length: float, z: float) -> None:
    """Add a house whose front looks at the camera."""
    camera = stage.camera
    house = House(dice, lamps=stage.light.lamps)

    def face(a: float, u: float) -> tuple[float, float]:
        return camera.point(x + a, u, z)

    tone = dice.between(0.84, 1.02)
    sketch = draw_front(dice, house, face, length, tone, z / camera.focal)
    if house.floors <= 2 or dice.chance(0.5):
        if dice.chance(0.5):
            sketch.extend(draw_chimney(house, face, length * dice.between(0.25, 0.75), tone))
        sketch.extend(draw_roof(house, face, length, tone, length * dice.between(0.0, 0.25)))
    stage.fixed.append(Layer("building", sketch, z))


def _house_shadow(stage: Stage, line: float, near: float, end: float, height: float) -> None:
    """Let a house at the side of the street throw its shadow on the ground."""
    light, point = stage.light, stage.camera.point
    if light.shadow < 0.2 or light.shadow_x * line > 0:
        return
    dx, dz = light.shadow_x * height, light.shadow_z * height
    stage.shadows.append(
        [
            point(line, 0, near),
            point(line, 0, end),
            point(line + dx, 0, max(NEAR, end + dz)),
            point(line + dx, 0, max(NEAR, near + dz)),
        ]
    )
