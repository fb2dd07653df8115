"""Finds room on a stage, and lets what stands there throw its shadow."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch
from panoptic_data.generator.stage import Layer, Stage, Zone


class Kind(NamedTuple):
    """How much room something takes, in metres."""

    zone: str
    """Name of the zones where it may stand."""
    width: float
    height: float
    radius: float
    """Nobody else stands closer than this, plus his own radius."""
    foot: float
    """Half of the width where it touches the ground."""
    deep: float = 0.3
    """Half of its depth on the ground."""


KINDS = {
    "person": Kind("person", 0.75, 1.8, 0.35, 0.24),
    "car from the end": Kind("car", 1.9, 1.55, 1.3, 0.95, 2.0),
    "car from the side": Kind("car", 4.1, 1.55, 1.6, 2.05, 0.85),
    "bicycle": Kind("bicycle", 1.9, 1.1, 0.7, 0.8, 0.15),
    "dog": Kind("dog", 1.55, 1.15, 0.65, 0.5, 0.2),
    "traffic light": Kind("sign", 0.8, 3.0, 0.5, 0.18, 0.15),
    "traffic sign": Kind("sign", 1.2, 2.4, 0.5, 0.15, 0.12),
    "tree": Kind("tree", 2.4, 4.5, 0.9, 0.7, 0.5),
    "bush": Kind("tree", 1.9, 1.1, 0.8, 0.95, 0.5),
    "clutter": Kind("clutter", 0.95, 1.0, 0.5, 0.45),
    "crowd": Kind("crowd", 3.4, 1.9, 1.6, 1.7, 0.5),
}

MAX_WIDTH = 0.75  # of the image; what is wider fills the picture
TRIES = 10

Box = tuple[float, float, float, float]


class Spot(NamedTuple):
    """A place to stand: metres to the right, metres ahead, and the zone it is in."""

    x: float
    z: float
    zone: Zone


@dataclass
class Room:
    """The ground of a stage, with what is taken already.

    Args:
        dice: Random numbers of the scene.
        stage: The street; its ``standing`` layers and shadows grow.
        far: Share of things placed farther away than usual.
        overlap: Share of the farther of two boxes that the nearer one may cover.
    """

    dice: Dice
    stage: Stage
    far: float
    overlap: float
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    boxes: list[tuple[Box, float]] = field(default_factory=list)

    def find(self, kind: Kind, zone: Zone | None = None) -> Spot | None:
        """Find a spot where the object is in view, stands on nobody's feet, and hides or is hidden little.

        Args:
            kind: What is to stand there.
            zone: Where; None = any of the zones of its kind, by their weights.

        Returns:
            The spot, now reserved, or None after some tries.
        """
        zones = self.stage.zones.get(kind.zone, []) if zone is None else [zone]
        if not zones:
            return None
        weights = [candidate.weight for candidate in zones]
        for _ in range(TRIES):
            spot = self._try(kind, self.dice.weighted(zones, weights))
            if spot is not None:
                self.reserve(kind, spot)
                return spot
        return None

    def reserve(self, kind: Kind, spot: Spot) -> None:
        """Keep others from standing on the spot or hiding it."""
        self.taken.append((spot.x, spot.z, kind.radius))
        self.boxes.append((self._box(kind, spot.x, spot.z), spot.z))

    def in_view(self, x: float, z: float, margin: float) -> bool:
        """Whether a point of the ground is in view, with a margin in metres at both sides."""
        left, right = self.stage.camera.reach(z)
        return left + margin <= x <= right - margin

    def thin(self, spot: Spot) -> float:
        """Return the metres of one pixel at a spot."""
        return spot.z / self.stage.camera.focal

    def stand(self, name: str | None, sketch: Sketch, spot: Spot, kind: Kind, *, flip: bool = False) -> Layer:
        """Put a sketch in metres on a spot; a thing if its class is one.

        Args:
            name: Class name; None = void.
            sketch: In metres, or in pixels if its kind is a car's.
            spot: Where.
            kind: Says how large its shadow is.
            flip: Whether it looks to the left.
        """
        self._cast_shadow(kind, spot)
        placed = sketch if kind.zone == "car" else sketch.stand(self.stage.camera, spot.x, spot.z, flip=flip)
        is_thing = name is not None and name != "vegetation"
        layer = Layer(name, placed, spot.z, is_thing=is_thing)
        self.stage.standing.append(layer)
        return layer

    def _try(self, kind: Kind, zone: Zone) -> Spot | None:
        dice = self.dice
        deep = zone.z1
        if dice.chance(self.far) and zone.z_far > zone.z1:
            deep = zone.z_far
        z = 1 / dice.between(1 / deep, 1 / zone.z0)  # all image rows alike
        if kind.width * self.stage.camera.scale(z) > MAX_WIDTH * self.stage.camera.width:
            return None
        left, right = self.stage.camera.reach(z)
        margin = 0.35 * kind.width
        x0, x1 = max(zone.x0, left + margin), min(zone.x1, right - margin)
        if x0 > x1:
            return None
        x = dice.between(x0, x1)
        if any((x - tx) ** 2 + (z - tz) ** 2 < (kind.radius + tr) ** 2 for tx, tz, tr in self.taken):
            return None
        return None if self._hides(self._box(kind, x, z), z) else Spot(x, z, zone)

    def _box(self, kind: Kind, x: float, z: float) -> Box:
        column, row = self.stage.camera.point(x, 0.0, z)
        scale = self.stage.camera.scale(z)
        half = kind.width / 2 * scale
        return column - half, row - kind.height * scale, column + half, row

    def _hides(self, box: Box, z: float) -> bool:
        """Whether the box would hide most of another one, or be hidden."""
        for other, depth in self.boxes:
            across = min(box[2], other[2]) - max(box[0], other[0])
            down = min(box[3], other[3]) - max(box[1], other[1])
            if across <= 0 or down <= 0:
                continue
            behind = box if z > depth else other
            if across * down > self.overlap * (behind[2] - behind[0]) * (behind[3] - behind[1]):
                return True
        return False

    def _cast_shadow(self, kind: Kind, spot: Spot) -> None:
        """Add the shadow where the object touches the ground, and the one that the sun casts."""
        light, point = self.stage.light, self.stage.camera.point
        x, z = spot.x, spot.z
        self.stage.shadows.append(
            [point(x + 1.08 * kind.foot * a, 0, max(1.0, z + kind.deep * b)) for a, b in _RING]
        )
        if light.shadow < 0.2:
            return
        dx, dz = light.shadow_x * kind.height, light.shadow_z * kind.height
        half = kind.foot * 0.8
        corners = ((-half, 0.0), (half, 0.0), (half * 0.9 + dx, dz), (-half * 0.9 + dx, dz))
        self.stage.shadows.append([point(x + a, 0, max(1.0, z + c)) for a, c in corners])


_RING = [(math.cos(k * math.pi / 6), math.sin(k * math.pi / 6)) for k in range(12)]
