"""Surface textures and the camera's own flaws, added to the finished picture."""

import numpy as np
from PIL import Image, ImageFilter

from panoptic_data.generator.dice import Dice

# Strength of fine grain, of spots of a few pixels and of large patches, in grey levels.
GRAIN: dict[str | None, tuple[float, float, float]] = {
    "sky": (0.0, 0.0, 2.0),
    "building": (3.0, 4.0, 4.0),
    "vegetation": (12.0, 14.0, 6.0),
    "road": (6.0, 4.0, 5.0),
    "sidewalk": (4.0, 4.0, 5.0),
    "grass": (13.0, 9.0, 6.0),
    "fence": (5.0, 6.0, 3.0),
    None: (2.0, 2.0, 0.0),
}


def smooth_noise(dice: Dice, height: int, width: int, cell: float) -> np.ndarray:
    """Return ``(height, width)`` float32 noise in about [-1, 1] with spots of ``cell`` pixels."""
    small = dice.grid(max(2, round(height / cell)), max(2, round(width / cell)))
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def add_texture(
    dice: Dice, image: np.ndarray, surface: np.ndarray, names: list[str | None], strength: float
) -> np.ndarray:
    """Add the grain of every surface.

    Args:
        dice: Random numbers of the scene.
        image: ``(H, W, 3)`` float32.
        surface: ``(H, W)`` integers, index into ``names``.
        names: Class name of each surface; things have the grain of None.
        strength: Factor on the whole; 0 = none.

    Returns:
        ``(H, W, 3)`` float32.
    """
    height, width = surface.shape
    unit = min(height, width) / 128
    grain = np.array([GRAIN.get(name, GRAIN[None]) for name in names], np.float32) * strength
    change = dice.grid(height, width) * grain[surface, 0]
    for k, cell in ((1, max(2.0, 3 * unit)), (2, 16 * unit)):
        change += smooth_noise(dice, height, width, cell) * grain[surface, k]
    return image + change[..., None]


def add_camera(dice: Dice, image: np.ndarray, *, noise: float, soft: bool) -> np.ndarray:
    """Blur slightly, then add sensor noise.

    Args:
        dice: Random numbers of the scene.
        image: ``(H, W, 3)`` float32.
        noise: Strength of the noise; 0 = none.
        soft: Whether to blur.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    if soft:
        picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
        image = np.asarray(picture.filter(ImageFilter.GaussianBlur(dice.between(0.3, 0.6))), np.float32)
    height, width, _ = image.shape
    level = noise * dice.between(2.0, 8.0)
    grain = np.stack([dice.grid(height, width) for _ in range(3)], axis=-1)
    return np.clip(image + grain * level + 0.5, 0, 255).astype(np.uint8)
