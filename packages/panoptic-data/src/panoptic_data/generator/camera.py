"""A pinhole camera above a flat ground: metres to pixels."""

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Camera:
    """Camera that looks along the ground: x to the right, y up, z ahead, all in metres from its foot point.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
        focal: Focal length in pixels: an object of 1 m at a distance of 1 m has this size.
        horizon: Image row of the horizon.
        centre: Image column of the vanishing point.
        eye: Height of the camera above the ground in metres.
    """

    height: int
    width: int
    focal: float
    horizon: float
    centre: float
    eye: float

    def scale(self, z: float) -> float:
        """Return the pixels of one metre at distance ``z``."""
        return self.focal / z

    def point(self, x: float, y: float, z: float) -> Point:
        """Project a point of the world to (column, row)."""
        scale = self.focal / z
        return self.centre + x * scale, self.horizon + (self.eye - y) * scale

    def distance(self, row: float) -> float:
        """Return the distance at which the ground is seen in an image row below the horizon."""
        return self.focal * self.eye / (row - self.horizon)

    def reach(self, z: float) -> tuple[float, float]:
        """Return the smallest and largest x in view at distance ``z``."""
        return -self.centre * z / self.focal, (self.width - self.centre) * z / self.focal
