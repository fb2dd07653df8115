"""Ground surfaces: road with markings, paved sidewalk, grass."""

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.colours import Colour, shade, vary
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.sketch import Sketch

NEAR = 0.9  # metres; the camera sees no ground closer than this


class Ground:
    """Draws rectangles of ground in perspective.

    Args:
        camera: Projects them.
        dice: Chooses the colours, once for the scene.
    """

    def __init__(self, camera: Camera, dice: Dice) -> None:
        self.camera = camera
        self.road = vary(dice, dice.pick(((88, 90, 96), (104, 102, 102), (74, 76, 84))), 6)
        self.pavement = vary(dice, dice.pick(((176, 168, 158), (164, 164, 166), (188, 172, 150))), 8)
        self.lawn = vary(dice, dice.pick(((108, 166, 62), (126, 172, 68), (140, 164, 74))), 10)
        self.paint: Colour = dice.pick(((236, 234, 224), (232, 208, 96)))

    def quad(
        self,
        sketch: Sketch,
        x0: float,
        x1: float,
        z0: float,
        z1: float,
        colour: Colour,
        *,
        solid: bool = False,
    ) -> None:
        """Add a rectangle of ground."""
        point = self.camera.point
        sketch.polygon(
            [point(x0, 0, z0), point(x1, 0, z0), point(x1, 0, z1), point(x0, 0, z1)], colour, solid=solid
        )

    def grass(self, far: float) -> Sketch:
        """Draw lawn everywhere up to a distance."""
        sketch = Sketch()
        near_x, far_x = self.camera.reach(NEAR), self.camera.reach(far)
        x0, x1 = min(near_x[0], far_x[0]) * 1.2, max(near_x[1], far_x[1]) * 1.2
        self.quad(sketch, x0, x1, NEAR, far, self.lawn, solid=True)
        for k in range(1, 7, 2):
            z0, z1 = 3.0 * 1.35**k, 3.0 * 1.35 ** (k + 1)
            if z0 < far:
                self.quad(sketch, x0, x1, z0, min(z1, far), shade(self.lawn, 0.93))
        return sketch

    def pavement_strip(self, x0: float, x1: float, z0: float, z1: float, *, kerb: str) -> Sketch:
        """Draw a sidewalk with slabs; the road is on its "left", "right", "near" or "far" side."""
        sketch = Sketch()
        self.quad(sketch, x0, x1, z0, z1, self.pavement, solid=True)
        joint = shade(self.pavement, 0.86)
        z = max(z0, NEAR) + 0.7
        while z + 0.06 < min(z1, 16.0):
            self.quad(sketch, x0, x1, z, z + 0.06, joint)
            z += 0.9
        step = 1.0
        x = x0 + step
        while x < x1 and kerb in ("left", "right"):
            self.quad(sketch, x, x + 0.05, z0, min(z1, 14.0), joint)
            x += step
        edge, light = shade(self.pavement, 0.62), shade(self.pavement, 1.16)
        if kerb == "left":
            self.quad(sketch, x0, x0 + 0.1, z0, z1, edge)
            self.quad(sketch, x0 + 0.1, x0 + 0.28, z0, z1, light)
        elif kerb == "right":
            self.quad(sketch, x1 - 0.1, x1, z0, z1, edge)
            self.quad(sketch, x1 - 0.28, x1 - 0.1, z0, z1, light)
        elif kerb == "near":
            self.quad(sketch, x0, x1, z0, z0 + 0.1, edge)
            self.quad(sketch, x0, x1, z0 + 0.1, z0 + 0.4, light)
        else:
            self.quad(sketch, x0, x1, z1 - 0.3, z1, light)
        return sketch

    def road_along(self, dice: Dice, x0: float, x1: float, far: float) -> Sketch:
        """Draw a road that leads away from the camera."""
        sketch = Sketch()
        self.quad(sketch, x0, x1, NEAR, far, self.road, solid=True)
        middle = (x0 + x1) / 2
        z = NEAR + dice.between(0.0, 2.0)
        while z < far:
            self.quad(sketch, middle - 0.08, middle + 0.08, z, min(far, z + 1.6), self.paint)
            z += 3.2
        if dice.chance(0.35):
            self._zebra(sketch, x0, x1, dice.between(5.0, 10.0), along=True)
        return sketch

    def road_across(self, dice: Dice, z0: float, z1: float, reach: float) -> Sketch:
        """Draw a road that crosses the view from left to right."""
        sketch = Sketch()
        self.quad(sketch, -reach, reach, z0, z1, self.road, solid=True)
        middle = (z0 + z1) / 2
        x = -reach + dice.between(0.0, 2.5)
        while x < reach:
            self.quad(sketch, x, min(reach, x + 1.5), middle - 0.1, middle + 0.1, self.paint)
            x += 3.0
        if dice.chance(0.3):
            middle = dice.between(-0.35, 0.35) * self.camera.reach(z1)[1]
            self._zebra(sketch, z0, z1, middle, along=False)
        return sketch

    def _zebra(self, sketch: Sketch, low: float, high: float, at: float, *, along: bool) -> None:
        white: Colour = (232, 230, 222)
        count = max(3, int((high - low) / 0.9))
        for k in range(count):
            a = low + (high - low) * (k + 0.25) / count
            b = low + (high - low) * (k + 0.75) / count
            if along:
                self.quad(sketch, a, b, at, at + 2.4, white)
            else:
                self.quad(sketch, at - 1.2, at + 1.2, a, b, white)
