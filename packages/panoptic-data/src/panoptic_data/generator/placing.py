"""Puts things, trees and unlabelled objects on a stage."""

import math
from dataclasses import dataclass, field

from panoptic_data.generator.dice import Dice
from panoptic_data.generator.settings import THING_WEIGHTS, SceneSettings
from panoptic_data.generator.sketch import Sketch
from panoptic_data.generator.stage import Layer, Stage, Zone
from panoptic_data.generator.stuff.clutter import draw_clutter, draw_rim
from panoptic_data.generator.stuff.plants import draw_bush, draw_tree
from panoptic_data.generator.things.bicycle import draw_bicycle
from panoptic_data.generator.things.car import draw_car
from panoptic_data.generator.things.dog import draw_dog
from panoptic_data.generator.things.person import choose_figure, draw_backpack, draw_person, draw_rider
from panoptic_data.generator.things.signals import draw_traffic_light, draw_traffic_sign

# Width and height in metres, and the radius of the ground that nobody else may stand on.
SIZES = {
    "person": (0.75, 1.8, 0.35),
    "car": (4.1, 1.55, 1.3),
    "bicycle": (1.9, 1.1, 0.7),
    "dog": (1.35, 1.0, 0.6),
    "traffic light": (0.8, 3.4, 0.5),
    "traffic sign": (1.0, 2.6, 0.5),
    "tree": (2.4, 4.5, 0.9),
    "bush": (1.9, 1.1, 0.8),
    "clutter": (0.95, 1.0, 0.5),
    "crowd": (3.4, 1.9, 1.6),
}

Box = tuple[float, float, float, float]


@dataclass
class Placer:
    """Finds room for objects and draws them.

    Args:
        dice: Random numbers of the scene.
        stage: The street; its ``standing`` layers and shadows grow.
        settings: The knobs.
    """

    dice: Dice
    stage: Stage
    settings: SceneSettings
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    boxes: list[tuple[Box, float]] = field(default_factory=list)

    def fill(self) -> None:
        """Place everything that the settings ask for."""
        dice, settings = self.dice, self.settings
        if dice.chance(settings.crowd):
            self._crowd()
        weights = [getattr(settings, name) for name in THING_WEIGHTS]
        for _ in range(dice.whole(*settings.things)):
            if not any(weights):
                break
            name = dice.weighted(THING_WEIGHTS, weights)
            getattr(self, f"_{name}")()
        for _ in range(dice.whole(*settings.trees)):
            self._plant()
        if dice.chance(settings.clutter):
            spot = self._spot("clutter")
            if spot:
                self._add(None, draw_clutter(dice, self._thin(spot[1])), spot, "clutter", is_thing=False)
        if dice.chance(settings.rim):
            camera = self.stage.camera
            self.stage.standing.append(Layer(None, draw_rim(dice, camera.height, camera.width), 0.0))

    def _thin(self, z: float) -> float:
        return z / self.stage.camera.focal

    def _spot(self, name: str, kind: str | None = None) -> tuple[float, float, Zone] | None:
        """Find room for an object: (x, z, zone), or None after some tries."""
        dice, camera = self.dice, self.stage.camera
        zones = self.stage.zones[name]
        width, height, radius = SIZES[kind or name]
        for _ in range(10):
            zone = dice.weighted(zones, [zone.weight for zone in zones])
            if kind is None and name == "car" and abs(math.sin(zone.heading)) > 0.5:
                width = 1.9
            stretch = 1.5 if dice.chance(self.settings.far) else 1.0
            z = 1 / dice.between(1 / (zone.z1 * stretch), 1 / zone.z0)
            left, right = camera.reach(z)
            margin = 0.35 * width
            x0, x1 = max(zone.x0, left + margin), min(zone.x1, right - margin)
            if x0 > x1:
                continue
            x = dice.between(x0, x1)
            if any((x - tx) ** 2 + (z - tz) ** 2 < (radius + tr) ** 2 for tx, tz, tr in self.taken):
                continue
            box = self._box(x, z, width, height)
            if self._hides(box, z):
                continue
            self.boxes.append((box, z))
            return x, z, zone
        return None

    def _box(self, x: float, z: float, width: float, height: float) -> Box:
        camera = self.stage.camera
        column, row = camera.point(x, 0.0, z)
        scale = camera.scale(z)
        return column - width / 2 * scale, row - height * scale, column + width / 2 * scale, row

    def _hides(self, box: Box, z: float) -> bool:
        """Whether the box would hide most of another one, or be hidden."""
        for other, depth in self.boxes:
            across = min(box[2], other[2]) - max(box[0], other[0])
            down = min(box[3], other[3]) - max(box[1], other[1])
            if across <= 0 or down <= 0:
                continue
            behind = box if z > depth else other
            if across * down > 0.4 * (behind[2] - behind[0]) * (behind[3] - behind[1]):
                return True
        return False

    def _add(
        self,
        name: str | None,
        sketch: Sketch,
        spot: tuple[float, float, Zone],
        kind: str,
        *,
        is_thing: bool = True,
        crowd: bool = False,
        flip: bool = False,
        placed: bool = False,
    ) -> Layer:
        x, z, zone = spot
        width, height, radius = SIZES[kind]
        if kind == "car" and abs(math.sin(zone.heading)) > 0.5:
            width = 1.9
        self.taken.append((x, z, radius))
        self._shadow(x, z, width, height, kind, zone)
        image_sketch = sketch if placed else sketch.stand(self.stage.camera, x, z, flip=flip)
        layer = Layer(name, image_sketch, z, is_thing=is_thing, crowd=crowd)
        self.stage.standing.append(layer)
        return layer

    def _shadow(self, x: float, z: float, width: float, height: float, kind: str, zone: Zone) -> None:
        """Add the shadow where the object touches the ground, and the one that the sun casts."""
        light, point = self.stage.light, self.stage.camera.point
        deep = 2.1 if kind == "car" and width < 3 else 0.85 if kind == "car" else 0.3
        half = width / 2 if kind in ("car", "clutter", "crowd", "bush") else width * 0.3
        ring = [(math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)) for k in range(12)]
        self.stage.shadows.append([point(x + 1.08 * half * a, 0, max(1.0, z + deep * b)) for a, b in ring])
        if light.shadow < 0.2:
            return
        dx, dz = light.shadow_x * height, light.shadow_z * height
        half *= 0.8
        corners = ((-half, 0, 0), (half, 0, 0), (half * 0.9 + dx, 0, dz), (-half * 0.9 + dx, 0, dz))
        self.stage.shadows.append([point(x + a, 0, max(1.0, z + c)) for a, _, c in corners])

    def _person(self) -> None:
        spot = self._spot("person")
        if spot is None:
            return
        self._stand_person(spot)
        if not self.dice.chance(self.settings.company):
            return
        x, z, zone = spot
        for way in (-1, 1)[: self.dice.whole(1, 2)]:
            friend = (x + way * self.dice.between(0.5, 0.75), z + self.dice.between(-0.4, 0.4), zone)
            left, right = self.stage.camera.reach(friend[1])
            if left + 0.2 < friend[0] < right - 0.2:
                self.boxes.append((self._box(friend[0], friend[1], 0.7, 1.8), friend[1]))
                self._stand_person(friend)

    def _stand_person(self, spot: tuple[float, float, Zone]) -> None:
        dice = self.dice
        figure = choose_figure(dice)
        thin, flip = self._thin(spot[1]), dice.chance(0.5)
        person = self._add("person", draw_person(figure, thin), spot, "person", flip=flip)
        if figure.view != "front" and dice.chance(self.settings.backpack):
            pack = draw_backpack(dice, figure, thin).stand(self.stage.camera, spot[0], spot[1], flip=flip)
            self.stage.standing.append(Layer("backpack", pack, spot[1], is_thing=True, worn_on=person))

    def _car(self) -> None:
        spot = self._spot("car")
        if spot:
            x, z, zone = spot
            sketch = draw_car(self.dice, self.stage.camera, self.stage.light, x, z, zone.heading)
            self._add("car", sketch, spot, "car", placed=True)

    def _bicycle(self) -> None:
        spot = self._spot("bicycle")
        if spot is None:
            return
        dice, flip = self.dice, self.dice.chance(0.5)
        self._add("bicycle", draw_bicycle(dice, self._thin(spot[1])), spot, "bicycle", flip=flip)
        if dice.chance(self.settings.rider):
            rider = draw_rider(choose_figure(dice, "side"), self._thin(spot[1]))
            placed = rider.stand(self.stage.camera, spot[0], spot[1], flip=flip)
            self.stage.standing.append(Layer("person", placed, spot[1], is_thing=True))

    def _dog(self) -> None:
        spot = self._spot("dog")
        if spot:
            self._add(
                "dog", draw_dog(self.dice, self._thin(spot[1])), spot, "dog", flip=self.dice.chance(0.5)
            )

    def _traffic_light(self) -> None:
        spot = self._spot("traffic light")
        if spot:
            self._add(
                "traffic light", draw_traffic_light(self.dice, self._thin(spot[1])), spot, "traffic light"
            )

    def _traffic_sign(self) -> None:
        spot = self._spot("traffic sign")
        if spot:
            self._add("traffic sign", draw_traffic_sign(self.dice, self._thin(spot[1])), spot, "traffic sign")

    def _plant(self) -> None:
        dice = self.dice
        bush = dice.chance(0.4)
        kind = "bush" if bush else "tree"
        spot = self._spot("tree", kind)
        if spot:
            draw = draw_bush if bush else draw_tree
            sketch = draw(dice, self._thin(spot[1]), self.stage.lit_side)
            self._add("vegetation", sketch, spot, kind, is_thing=False)

    def _crowd(self) -> None:
        """A dense group of people, or of parked bicycles, as one region."""
        spot = self._spot("crowd")
        if spot is None:
            return
        dice, thin = self.dice, self._thin(spot[1])
        sketch = Sketch(thin)
        people = dice.chance(0.65)
        if people:
            for k in range(dice.whole(9, 13)):
                one = draw_person(choose_figure(dice), thin)
                sketch.extend(one.moved(dice.between(-1.5, 1.5), 0.25 - 0.02 * k, dice.sign() * 0.95, 0.95))
        else:
            for k in range(dice.whole(6, 9)):
                sketch.extend(
                    draw_bicycle(dice, thin).moved(dice.between(-1.2, 1.2), 0.2 - 0.025 * k, dice.sign(), 1.0)
                )
        self._add("person" if people else "bicycle", sketch, spot, "crowd", crowd=True)
