"""Drawings as lists of filled polygons: what the drawers make and the renderer fills."""

import itertools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from panoptic_data.generator.camera import Camera, Point
from panoptic_data.generator.colours import Colour


class Patch(NamedTuple):
    """One filled polygon."""

    points: list[Point]
    colour: Colour | None
    """None: nothing is painted, but the polygon counts for the mask."""
    solid: bool
    """Counts for the mask of the object."""
    glow: bool
    """Shines by itself: light and haze leave its colour alone."""


def _circle(corners: int) -> list[Point]:
    turn = 2 * math.pi / corners
    return [(math.cos(turn * (k + 0.5)), math.sin(turn * (k + 0.5))) for k in range(corners)]


_CIRCLES = {corners: _circle(corners) for corners in (8, 12, 18)}


@dataclass
class Sketch:
    """A list of patches, painted in order, in metres (x right, y up) until they are placed in the image.

    Args:
        thin: Strokes are at least this wide; one pixel, so that thin parts stay visible in image and mask.
    """

    thin: float = 0.0
    patches: list[Patch] = field(default_factory=list)

    def polygon(
        self, points: list[Point], colour: Colour | None, *, solid: bool = True, glow: bool = False
    ) -> None:
        """Add a polygon."""
        self.patches.append(Patch(points, colour, solid, glow))

    def box(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: Colour | None,
        *,
        solid: bool = True,
        glow: bool = False,
    ) -> None:
        """Add an upright rectangle."""
        self.patches.append(Patch([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, solid, glow))

    def ellipse(
        self,
        x: float,
        y: float,
        radius: float,
        colour: Colour | None,
        *,
        tall: float | None = None,
        corners: int = 12,
        solid: bool = True,
        glow: bool = False,
    ) -> None:
        """Add a circle around (x, y), or an upright ellipse where the vertical radius ``tall`` is given."""
        up = radius if tall is None else tall
        points = [(x + radius * a, y + up * b) for a, b in _CIRCLES[corners]]
        self.patches.append(Patch(points, colour, solid, glow))

    def stroke(self, points: list[Point], width: float, colour: Colour | None, *, solid: bool = True) -> None:
        """Add a thick line with round joints."""
        half = max(width, self.thin) / 2
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = -(y1 - y0) / length * half, (x1 - x0) / length * half
            quad = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)]
            self.patches.append(Patch(quad, colour, solid, False))
        if half > 1.5 * self.thin:
            for x, y in points:
                self.ellipse(x, y, half, colour, corners=8, solid=solid)

    def extend(self, other: "Sketch") -> None:
        """Paint another sketch of the same coordinates on top."""
        self.patches.extend(other.patches)

    def moved(self, x: float, y: float, stretch: float, rise: float) -> "Sketch":
        """Return the sketch with its points at ``(x + stretch * px, y + rise * py)``."""
        patches = [
            Patch(
                [(x + stretch * px, y + rise * py) for px, py in patch.points],
                patch.colour,
                patch.solid,
                patch.glow,
            )
            for patch in self.patches
        ]
        return Sketch(self.thin, patches)

    def stand(self, camera: Camera, x: float, z: float, *, flip: bool = False) -> "Sketch":
        """Return the sketch in image coordinates, as a flat cut-out that stands on the ground at (x, z)."""
        scale = camera.scale(z)
        column, row = camera.point(x, 0.0, z)
        return self.moved(column, row, -scale if flip else scale, -scale)

    def bounds(self) -> tuple[float, float, float, float] | None:
        """Return (x0, y0, x1, y1) around the solid patches, or None where there are none."""
        columns = [x for patch in self.patches if patch.solid for x, _ in patch.points]
        rows = [y for patch in self.patches if patch.solid for _, y in patch.points]
        if not columns:
            return None
        return min(columns), min(rows), max(columns), max(rows)
