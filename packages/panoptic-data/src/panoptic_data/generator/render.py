"""Turns a stage into pixels: the picture with smooth edges, the masks without."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from panoptic_data.generator.camera import Camera
from panoptic_data.generator.dice import Dice
from panoptic_data.generator.light import Light, to_rgb
from panoptic_data.generator.settings import SceneSettings
from panoptic_data.generator.stage import Layer, Stage
from panoptic_data.generator.textures import add_camera, add_texture


@dataclass
class Cover:
    """The pixels of a layer, as if nothing stood before it.

    Args:
        layer: The layer.
        top: First row of the window.
        left: First column of the window.
        mask: ``(h, w)`` bool.
    """

    layer: Layer
    top: int
    left: int
    mask: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the window in the image."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def painting_order(stage: Stage) -> list[Layer]:
    """Return the layers from back to front; what is worn comes right after its wearer."""
    standing = sorted(stage.standing, key=lambda layer: -layer.depth)  # stable: equal depths keep their order
    return [*stage.ground, *stage.fixed, *standing]


def supersampling(settings: SceneSettings, camera: Camera) -> int:
    """Return how many drawn pixels a side make one pixel of the image."""
    if settings.supersample is not None:
        return settings.supersample
    return 4 if min(camera.height, camera.width) <= 256 else 2


def cover_of(layer: Layer, camera: Camera, fine: int) -> Cover:
    """Find the pixels that a layer covers by at least a half."""
    bounds = layer.sketch.bounds()
    if bounds is None:
        return Cover(layer, 0, 0, np.zeros((0, 0), bool))
    left, top = max(0, int(bounds[0]) - 1), max(0, int(bounds[1]) - 1)
    right, bottom = min(camera.width, int(bounds[2]) + 2), min(camera.height, int(bounds[3]) + 2)
    if left >= right or top >= bottom:
        return Cover(layer, 0, 0, np.zeros((0, 0), bool))
    canvas = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
    draw = ImageDraw.Draw(canvas)
    for patch in layer.sketch.patches:
        if patch.solid:
            draw.polygon(
                [((x - left) * fine - 0.5, (y - top) * fine - 0.5) for x, y in patch.points], fill=255
            )
    return Cover(layer, top, left, np.asarray(canvas.reduce(fine)) >= 128)


def paint(stage: Stage, layers: list[Layer], dice: Dice, fine: int) -> np.ndarray:
    """Paint sky, ground, shadows and then the layers from back to front.

    Returns:
        ``(H, W, 3)`` float32 in [0, 255].
    """
    camera, light = stage.camera, stage.light
    canvas = _sky(camera, light, dice, fine)
    draw = ImageDraw.Draw(canvas)
    ground = set(map(id, stage.ground))
    for layer in layers:
        if id(layer) in ground:
            _fill(draw, layer, light, 0.05, fine)
    _cast_shadows(canvas, stage, fine)
    for layer in layers:
        if id(layer) not in ground:
            _fill(draw, layer, light, light.haze_at(layer.depth), fine)
    return np.asarray(canvas.reduce(fine), np.float32)


def texture(
    dice: Dice, image: np.ndarray, surface: np.ndarray, names: list[str | None], settings: SceneSettings
) -> np.ndarray:
    """Add grain, softness and noise; see :mod:`.textures`."""
    image = add_texture(dice, image, surface, names, settings.texture)
    return add_camera(dice, image, noise=settings.noise, soft=dice.chance(settings.blur))


def _fill(draw: ImageDraw.ImageDraw, layer: Layer, light: Light, haze: float, fine: int) -> None:
    for points, colour, _, glow in layer.sketch.patches:
        if colour is not None:
            rgb = to_rgb(colour) if glow else light.tone(colour, haze)
            draw.polygon([(x * fine - 0.5, y * fine - 0.5) for x, y in points], fill=rgb)


def _sky(camera: Camera, light: Light, dice: Dice, fine: int) -> Image.Image:
    """Return a canvas of the fine size with sky and clouds down to the horizon; both are soft."""
    width, rows = camera.width, max(2, int(camera.horizon) + 2)
    share = np.linspace(0, 1, rows)[:, None]
    column = np.array(light.sky_top) * (1 - share) + np.array(light.sky_low) * share
    strip = Image.fromarray(np.clip(column + 0.5, 0, 255).astype(np.uint8)[:, None, :])
    sky = strip.resize((width, rows), Image.Resampling.NEAREST)
    if light.clouds:
        mask = Image.new("L", sky.size)
        pen = ImageDraw.Draw(mask)
        unit = min(width, camera.height)
        for _ in range(light.clouds):
            x, y = dice.between(0, width), dice.between(0.02, 0.8) * camera.horizon
            size = unit * dice.between(0.05, 0.1)
            for _ in range(6):
                cx, cy = x + size * dice.between(-2.2, 2.2), y + size * dice.between(-0.3, 0.2)
                rx, ry = size * dice.between(0.7, 1.3), size * dice.between(0.25, 0.5)
                pen.ellipse([cx - rx, cy - ry, cx + rx, cy + ry], fill=int(dice.between(150, 215)))
        mask = mask.filter(ImageFilter.GaussianBlur(0.012 * unit))
        sky.paste(light.tone((250, 250, 250), 0.4), mask=mask)
    canvas = Image.new("RGB", (width * fine, camera.height * fine), to_rgb(light.sky_low))
    canvas.paste(sky.resize((width * fine, rows * fine), Image.Resampling.BILINEAR))
    return canvas


def _cast_shadows(canvas: Image.Image, stage: Stage, fine: int) -> None:
    """Darken the ground, from the horizon down."""
    camera = stage.camera
    first = min(camera.height - 1, max(0, int(camera.horizon)))
    mask = Image.new("L", (camera.width * 2, (camera.height - first) * 2))
    pen = ImageDraw.Draw(mask)
    level = int(255 * max(0.22, stage.light.shadow))
    for points in stage.shadows:
        pen.polygon([(x * 2, (y - first) * 2) for x, y in points], fill=level)
    soft = mask.filter(ImageFilter.GaussianBlur(1.2 * min(camera.height, camera.width) / 128))
    large = soft.resize((canvas.width, (camera.height - first) * fine), Image.Resampling.BILINEAR)
    canvas.paste((16, 18, 30), (0, first * fine), mask=large)
