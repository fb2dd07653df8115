"""How much every pixel of an image gives to one of them, as a picture."""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def draw_affinity(image: Picture, affinity: NDArray[np.floating], x: int, y: int) -> Picture:
    """Draw how much every pixel gives to one, after figures 6 and I of Li et al. (arXiv:2001.04982).

    The strongest value, of either sign, is the brightest: dark red to yellow where a pixel gives, dark blue
    to light blue where it takes, the image in dim grey where it does neither. A white cross marks the pixel.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        affinity: ``(H, W)``, scaled and signed as the network uses it.
        x: Column of the pixel.
        y: Row of the pixel.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        ValueError: If sizes differ.
    """
    if affinity.shape != image.shape[:2]:
        msg = f"Expected `affinity` of the image's size, {image.shape[:2]}, got {affinity.shape}."
        raise ValueError(msg)
    strongest = float(np.abs(affinity).max(initial=0.0))
    values = (affinity / strongest if strongest > 0 else affinity)[..., None].astype(np.float32)
    strength = np.abs(values)
    weak = np.where(values > 0, *np.array([[150, 0, 0], [0, 0, 150]], dtype=np.float32))
    strong = np.where(values > 0, *np.array([[255, 240, 60], [60, 240, 255]], dtype=np.float32))
    grey = 0.45 * image.astype(np.float32).mean(axis=2, keepdims=True)
    opacity = 0.9 * np.sqrt(strength)  # what is weak is seen, too
    mixed = grey * (1 - opacity) + (weak * (1 - strength) + strong * strength) * opacity
    return _draw_cross(np.rint(mixed).astype(np.uint8), x, y)


def _draw_cross(picture: Picture, x: int, y: int) -> Picture:
    """Draw a white cross with a black border; the pixel itself stays as it is."""
    height, width = picture.shape[:2]
    arm, half = max(3, min(height, width) // 25), min(height, width) // 400
    marked = picture.copy()
    for border, color in ((half + 1, 0), (half, 255)):
        for rows, columns in (((y, border), (x, arm)), ((y, arm), (x, border))):
            top, bottom = max(rows[0] - rows[1], 0), rows[0] + rows[1] + 1
            left, right = max(columns[0] - columns[1], 0), columns[0] + columns[1] + 1
            marked[top:bottom, left:right] = color
    marked[y, x] = picture[y, x]
    return marked
