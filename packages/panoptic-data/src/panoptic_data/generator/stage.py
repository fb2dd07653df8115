"""What a scene is made of before it is drawn: layers, zones and the stage that holds them."""

from dataclasses import dataclass, field

from panoptic_data.generator.camera import Camera, Point
from panoptic_data.generator.light import Light
from panoptic_data.generator.sketch import Sketch


@dataclass(eq=False)
class Layer:
    """One object or surface, as drawn and as labelled.

    Args:
        name: Class name in ``GENERATED_SCENES``; None = unlabelled (void).
        sketch: The drawing in image coordinates.
        depth: Distance in metres: the nearer layer hides the farther one.
        is_thing: Whether the layer is an instance.
        crowd: Whether it is a region of things too dense to separate.
        worn_on: The person that wears it.
    """

    name: str | None
    sketch: Sketch
    depth: float
    is_thing: bool = False
    crowd: bool = False
    worn_on: "Layer | None" = None


@dataclass(frozen=True)
class Zone:
    """A rectangle of ground where things of a kind may stand.

    Args:
        x0: Left border in metres from the camera.
        x1: Right border.
        z0: Near border.
        z1: Far border.
        z_far: Far border for the few that stand farther away than usual; 0 = none do.
        heading: Direction in radians that cars look to there.
        weight: How often the zone is chosen among those of its kind.
    """

    x0: float
    x1: float
    z0: float
    z1: float
    z_far: float = 0.0
    heading: float = 0.0
    weight: float = 1.0


@dataclass
class Stage:
    """A street without its things.

    Args:
        camera: The camera.
        light: The light.
        ground: Surfaces in painting order.
        fixed: Houses, fences and woods in painting order; everything that stands is in front of them.
        standing: Layers that are sorted by depth.
        shadows: Polygons on the ground, in image coordinates.
        zones: Where things of each kind may stand.
    """

    camera: Camera
    light: Light
    ground: list[Layer] = field(default_factory=list)
    fixed: list[Layer] = field(default_factory=list)
    standing: list[Layer] = field(default_factory=list)
    shadows: list[list[Point]] = field(default_factory=list)
    zones: dict[str, list[Zone]] = field(default_factory=dict)

    def open(self, kind: str, zone: Zone) -> None:
        """Let things of a kind ("person", "sign", "tree", ...) stand in a zone."""
        self.zones.setdefault(kind, []).append(zone)

    @property
    def lit_side(self) -> int:
        """-1 or 1: the side from which the sun shines."""
        return -1 if self.light.shadow_x > 0 else 1
