"""Pictures of the ground truth of any data set that is laid out in a known way."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panoptic_core.categories import CategoryTable
from panoptic_core.visualization import draw_legend, draw_names, overlay
from panoptic_data.splits import Split
from panoptic_fusion import PanopticSegmentation

LONG_SIDE = 480  # pictures much smaller than this are enlarged


def show_truth(
    split: Split, out: str | os.PathLike[str], limit: int | None = None
) -> Iterator[tuple[Path, PanopticSegmentation]]:
    """Draw the ground truth of a split: the image, the image with its segments, and a legend.

    Args:
        split: What to draw.
        out: Folder for the pictures; made if it is not there.
        limit: How many images at most; None = all.

    Yields:
        The picture's path and what it shows, one image after the other.

    Raises:
        ValueError: If `limit` is below 1.
    """
    if limit is not None and limit < 1:
        msg = f"Expected `limit` to be at least 1, got {limit}. Leave it away to draw all images."
        raise ValueError(msg)
    dataset = split.open()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    for index in range(len(dataset) if limit is None else min(limit, len(dataset))):
        sample = dataset[index]
        truth: PanopticSegmentation = sample["data_samples"].gt_panoptic
        image = np.ascontiguousarray(
            sample["inputs"].numpy()[::-1].transpose(1, 2, 0)
        )  # (H, W, 3), BGR to RGB
        stem = Path(str(sample["data_samples"].file_name)).stem
        if stem in seen:  # the same name in another folder of the set
            stem = f"{stem}_{sample['data_samples'].img_id}"
        seen.add(stem)
        path = folder / f"{stem}.png"
        Image.fromarray(draw_truth(image, truth, dataset.table)).save(path)
        yield path, truth


def draw_truth(
    image: NDArray[np.uint8], truth: PanopticSegmentation, table: CategoryTable
) -> NDArray[np.uint8]:
    """Draw an image, its segments with their names on top of it, and a legend of its classes.

    Args:
        image: ``(H, W, 3)`` uint8, RGB.
        truth: The segments, at the image's size.
        table: Names and colours of the classes.

    Returns:
        ``(H', W', 3)`` uint8: image and overlay side by side (below each other where the image is wide), the
        legend underneath.
    """
    height, width, _ = image.shape
    factor = math.ceil(LONG_SIDE / max(height, width))
    large = [
        picture.repeat(factor, axis=0).repeat(factor, axis=1)
        for picture in (image, overlay(image, truth, table.palette))
    ]
    large[1] = draw_names(large[1], truth, table)
    joined = np.concatenate(large, axis=0 if width > 1.8 * height else 1)
    return draw_legend(joined, truth, table)
