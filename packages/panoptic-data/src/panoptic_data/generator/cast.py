"""Who and what appears in a scene: things, crowds, plants by the road, unlabelled objects."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from panoptic_data.generator.colours import PACKS, unlike, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.placing import KINDS, Kind, Room, Spot
from panoptic_data.generator.settings import THING_WEIGHTS, SceneSettings
from panoptic_data.generator.sketch import Sketch
from panoptic_data.generator.stage import Layer, Stage
from panoptic_data.generator.stuff.clutter import draw_clutter, draw_rim
from panoptic_data.generator.stuff.plants import draw_bush, draw_tree
from panoptic_data.generator.things.bicycle import draw_bicycle
from panoptic_data.generator.things.car import draw_car
from panoptic_data.generator.things.dog import draw_dog
from panoptic_data.generator.things.person import (
    choose_figure,
    draw_backpack,
    draw_person,
    draw_rider,
    draw_straps,
)
from panoptic_data.generator.things.signals import draw_traffic_light, draw_traffic_sign

SMALL_PACK = 0.07  # a backpack that would be narrower than this share of the short side is rarely worn
MAX_STANDING = 230  # a person may bring two friends, each with a backpack; segment ids end at 255


def fill_stage(dice: Dice, stage: Stage, settings: SceneSettings) -> None:
    """Place everything that the settings ask for, as far as there is room.

    Args:
        dice: Random numbers of the scene.
        stage: Its ``standing`` layers and shadows grow.
        settings: The knobs.
    """
    cast = Cast(dice, stage, settings, Room(dice, stage, settings.far, settings.overlap))
    if dice.chance(settings.crowd):
        cast.crowd()
    weights = [getattr(settings, name) for name in THING_WEIGHTS]
    adders: list[Callable[[], None]] = [getattr(cast, name) for name in THING_WEIGHTS]
    for _ in range(dice.whole(*settings.things)):
        if len(stage.standing) < MAX_STANDING:
            dice.weighted(adders, weights)()
    for _ in range(dice.whole(*settings.trees)):
        cast.plant()
    if dice.chance(settings.clutter):
        cast.clutter()
    if dice.chance(settings.rim):
        rim = draw_rim(dice, stage.camera.height, stage.camera.width)
        stage.standing.append(Layer(None, rim, 0.0))


@dataclass
class Cast:
    """Adds one object a call; the methods of things are named as their weights in the settings."""

    dice: Dice
    stage: Stage
    settings: SceneSettings
    room: Room

    def person(self) -> None:
        """Add a person on foot, at times with one or two others close by."""
        kind = KINDS["person"]
        spot = self.room.find(kind)
        if spot is None:
            return
        self._pedestrian(spot)
        if not self.dice.chance(self.settings.company):
            return
        for way in (-1, 1)[: self.dice.whole(1, 2)]:
            x = spot.x + way * self.dice.between(0.5, 0.75)
            z = spot.z + self.dice.between(-0.4, 0.4)
            if self.room.in_view(x, z, 0.2):
                friend = Spot(x, z, spot.zone)
                self.room.reserve(kind, friend)
                self._pedestrian(friend)

    def car(self) -> None:
        """Add a car; its zone says which way it looks."""
        zones = self.stage.zones["car"]
        zone = self.dice.weighted(zones, [zone.weight for zone in zones])
        sideways = abs(math.cos(zone.heading)) > 0.5
        kind = KINDS["car from the side" if sideways else "car from the end"]
        spot = self.room.find(kind, zone)
        if spot:
            sketch = draw_car(self.dice, self.stage.camera, self.stage.light, spot.x, spot.z, zone.heading)
            self.room.stand("car", sketch, spot, kind)

    def bicycle(self) -> None:
        """Add a bicycle, at times with a person on it."""
        kind = KINDS["bicycle"]
        spot = self.room.find(kind)
        if spot is None:
            return
        flip, thin = self.dice.chance(0.5), self.room.thin(spot)
        self.room.stand("bicycle", draw_bicycle(self.dice, thin), spot, kind, flip=flip)
        if self.dice.chance(self.settings.rider):
            rider = draw_rider(choose_figure(self.dice, "side"), thin)
            placed = rider.stand(self.stage.camera, spot.x, spot.z, flip=flip)
            self.stage.standing.append(Layer("person", placed, spot.z, is_thing=True))

    def dog(self) -> None:
        """Add a dog."""
        self._simple("dog", draw_dog)

    def traffic_light(self) -> None:
        """Add a traffic light at the kerb."""
        self._simple("traffic light", draw_traffic_light)

    def traffic_sign(self) -> None:
        """Add a traffic sign at the kerb."""
        self._simple("traffic sign", draw_traffic_sign)

    def crowd(self) -> None:
        """Add a dense group of people, or of parked bicycles, as one region."""
        kind, dice = KINDS["crowd"], self.dice
        spot = self.room.find(kind)
        if spot is None:
            return
        thin = self.room.thin(spot)
        sketch = Sketch(thin)
        people = dice.chance(0.65)
        for k in range(dice.whole(9, 13) if people else dice.whole(6, 9)):
            one = draw_person(choose_figure(dice), thin) if people else draw_bicycle(dice, thin)
            reach = 1.5 if people else 1.2
            sketch.extend(one.moved(dice.between(-reach, reach), 0.25 - 0.025 * k, dice.sign() * 0.95, 0.95))
        layer = self.room.stand("person" if people else "bicycle", sketch, spot, kind)
        layer.crowd = True

    def plant(self) -> None:
        """Add a tree or a bush between the things, so that it hides some of them."""
        bush = self.dice.chance(0.4)
        kind = KINDS["bush" if bush else "tree"]
        spot = self.room.find(kind)
        if spot:
            draw = draw_bush if bush else draw_tree
            sketch = draw(self.dice, self.room.thin(spot), self.stage.lit_side)
            self.room.stand("vegetation", sketch, spot, kind)

    def clutter(self) -> None:
        """Add an object that has no label."""
        kind = KINDS["clutter"]
        spot = self.room.find(kind)
        if spot:
            self.room.stand(None, draw_clutter(self.dice, self.room.thin(spot)), spot, kind)

    def _simple(self, name: str, draw: Callable[[Dice, float], Sketch]) -> None:
        kind: Kind = KINDS[name]
        spot = self.room.find(kind)
        if spot:
            flip = name == "dog" and self.dice.chance(0.5)
            self.room.stand(name, draw(self.dice, self.room.thin(spot)), spot, kind, flip=flip)

    def _pedestrian(self, spot: Spot) -> None:
        dice, camera = self.dice, self.stage.camera
        figure = choose_figure(dice)
        thin, flip = self.room.thin(spot), dice.chance(0.5)
        sketch = draw_person(figure, thin)
        size = 0.5 * figure.height / 1.8 / thin / min(camera.height, camera.width)
        often = {"side": 1.0, "back": 0.5, "front": 0.0}[figure.view]
        worn = dice.chance(self.settings.backpack * often * (1.0 if size >= SMALL_PACK else 0.1))
        colour = vary(dice, unlike(dice, PACKS, figure.shirt))
        if worn:
            sketch.extend(draw_straps(figure, colour, thin))
        person = self.room.stand("person", sketch, spot, KINDS["person"], flip=flip)
        if worn:
            pack = draw_backpack(figure, colour, thin).stand(camera, spot.x, spot.z, flip=flip)
            self.stage.standing.append(Layer("backpack", pack, spot.z, is_thing=True, worn_on=person))
