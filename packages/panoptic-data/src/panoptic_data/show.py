"""Pictures of the ground truth of any data set that is laid out in a known way."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from mmcv.transforms import LoadImageFromFile
from numpy.typing import NDArray
from PIL import Image

from panoptic_core.categories import CategoryTable
from panoptic_core.visualization import draw_legend, draw_names, overlay
from panoptic_data.checks import describe_place, require_folder, show
from panoptic_data.datasets import Cityscapes, CocoPanoptic, PanopticDataset
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs
from panoptic_fusion import PanopticSegmentation

LAYOUTS = (
    "panoptic.json + panoptic/ + images/ (panoptic-data generate), or folders that hold these; "
    "annotations/panoptic_*.json + their folders of PNGs + images (COCO); "
    "leftImg8bit/ + gtFine/ (Cityscapes)"
)

LONG_SIDE = 480  # pictures much smaller than this are enlarged


@dataclass(frozen=True)
class Split:
    """One split of a data set on disk.

    Args:
        name: Its name, such as "val2017".
        open: Opens it.
    """

    name: str
    open: Callable[[], PanopticDataset]


def find_splits(root: str | os.PathLike[str]) -> list[Split]:
    """Find the splits below a root, by the layout of its files.

    Args:
        root: Root folder of a data set.

    Returns:
        The splits, validation before training.

    Raises:
        FileNotFoundError: If the folder does not exist, or holds no layout that is known.
    """
    place = require_folder(Path(root), "a data set", "Give its root folder.")
    splits = [
        *_generated_splits(place),
        *_coco_splits(place),
        *_cityscapes_splits(place),
    ]
    if not splits:
        msg = (
            f"Expected one of these layouts: {LAYOUTS}. Got: {describe_place(place)}. "
            "Give the set's root folder."
        )
        raise FileNotFoundError(msg)
    return sorted(splits, key=lambda split: ("val" not in split.name, split.name))


def choose_split(splits: list[Split], name: str | None) -> Split:
    """Return the split of a name; without a name the first one.

    Raises:
        ValueError: If there is no such split.
    """
    if name is None:
        return splits[0]
    for split in splits:
        if split.name == name:
            return split
    msg = f"Expected `split` to be one of {show(split.name for split in splits)}, got {name!r}."
    raise ValueError(msg)


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
    for index in range(len(dataset) if limit is None else min(limit, len(dataset))):
        sample = dataset[index]
        truth: PanopticSegmentation = sample["data_samples"].gt_panoptic
        image = np.ascontiguousarray(
            sample["inputs"].numpy()[::-1].transpose(1, 2, 0)
        )  # (H, W, 3), BGR to RGB
        stem = Path(str(sample["data_samples"].file_name)).stem
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


def _pipeline() -> list[dict]:
    """The steps that every evaluation uses, so that the picture shows what a metric sees."""
    return [
        # As annotated: a rotation tag of a photograph is not followed.
        {"type": LoadImageFromFile, "color_type": "color_ignore_orientation"},
        {"type": LoadPanoptic, "use_instance_file": False},
        {"type": PackPanopticInputs, "test_mode": True},
    ]


def _generated_splits(root: Path) -> Iterator[Split]:
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        if (folder / "panoptic.json").is_file() and (folder / "images").is_dir():
            yield Split(folder.name, partial(_open_generated, folder))


def _open_generated(folder: Path) -> PanopticDataset:
    return CocoPanoptic(
        data_root=str(folder),
        ann_file="panoptic.json",
        data_prefix={"img": "images", "seg": "panoptic"},
        table="json",
        pipeline=_pipeline(),
        test_mode=True,
    )


def _coco_splits(root: Path) -> Iterator[Split]:
    for file in sorted((root / "annotations").glob("panoptic_*.json")):
        name = file.stem.removeprefix("panoptic_")
        yield Split(name, partial(_open_coco, root, name))


def _open_coco(root: Path, name: str) -> PanopticDataset:
    folders = (name, f"images/{name}", "images")
    images = next((folder for folder in folders if (root / folder).is_dir()), name)
    return CocoPanoptic(
        data_root=str(root),
        ann_file=f"annotations/panoptic_{name}.json",
        data_prefix={"img": images},
        table="json",
        pipeline=_pipeline(),
        test_mode=True,
    )


def _cityscapes_splits(root: Path) -> Iterator[Split]:
    truth = root / "gtFine"
    if not (root / "leftImg8bit").is_dir() or not truth.is_dir():
        return
    for folder in sorted((root / "leftImg8bit").iterdir()):
        # The test split has images, and dummy annotations that are all void.
        if folder.is_dir() and (truth / folder.name).is_dir() and folder.name != "test":
            yield Split(folder.name, partial(_open_cityscapes, root, folder.name))


def _open_cityscapes(root: Path, name: str) -> PanopticDataset:
    return Cityscapes(data_root=str(root), split=name, pipeline=_pipeline(), test_mode=True)
