"""The splits of a data set on disk, found by the layout of its files."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmcv.transforms import LoadImageFromFile

from panoptic_data.checks import describe_place, require_folder, show
from panoptic_data.datasets import Cityscapes, CocoPanoptic, PanopticDataset
from panoptic_data.transforms import LoadPanoptic, PackPanopticInputs

LAYOUTS = (
    "panoptic.json + panoptic/ + images/ (panoptic-data generate), or folders that hold these; "
    "annotations/panoptic_*.json + their folders of PNGs + images (COCO); "
    "leftImg8bit/ + gtFine/ (Cityscapes), also with csCreatePanopticImgs' cityscapes_panoptic_*.json; "
    "{training,validation}/{images,panoptic}/ with panoptic_*.json (Vistas); "
    "ade20k_panoptic_*.json + their folders of PNGs + images/{training,validation} (ADE20K)"
)


@dataclass(frozen=True)
class PanopticFiles:
    """Where the COCO-panoptic files of a split are.

    Attributes:
        json: The panoptic JSON.
        maps: The folder of its PNG maps.
        images: The folder of its images; None if nobody said where they are.
    """

    json: Path
    maps: Path
    images: Path | None


@dataclass(frozen=True)
class Split:
    """One split of a data set on disk.

    Attributes:
        name: Its name, such as "val2017".
        open: Opens it.
        files: Its files where they are COCO-panoptic ones; None for a layout of another kind.
        root: The folder that the split was found in.
    """

    name: str
    open: Callable[[], PanopticDataset]
    files: PanopticFiles | None = None
    root: Path = Path()


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
        *(
            files_split(name, files, place)
            for layout in (_generated, _coco, _cityscapes_panoptic, _vistas, _ade20k)
            for name, files in layout(place)
        ),
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


def files_split(name: str, files: PanopticFiles, root: Path) -> Split:
    """Return the split that some COCO-panoptic files make; its classes are the JSON's own."""
    return Split(name, partial(_open_files, files), files, root)


def _open_files(files: PanopticFiles) -> PanopticDataset:
    return CocoPanoptic(
        ann_file=str(files.json.absolute()),
        data_prefix={
            "img": str((files.images or files.json.parent).absolute()),
            "seg": str(files.maps.absolute()),
        },
        table="json",
        pipeline=_pipeline(),
        test_mode=True,
    )


def _pipeline() -> list[dict]:
    """The steps that every evaluation uses, so that the picture shows what a metric sees."""
    return [
        # As annotated: a rotation tag of a photograph is not followed.
        {"type": LoadImageFromFile, "color_type": "color_ignore_orientation"},
        {"type": LoadPanoptic, "use_instance_file": False},
        {"type": PackPanopticInputs, "test_mode": True},
    ]


def _generated(root: Path) -> Iterator[tuple[str, PanopticFiles]]:
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        json = folder / "panoptic.json"
        if json.is_file() and (folder / "images").is_dir():
            yield folder.name, PanopticFiles(json, folder / "panoptic", folder / "images")


def _coco(root: Path) -> Iterator[tuple[str, PanopticFiles]]:
    for json in sorted((root / "annotations").glob("panoptic_*.json")):
        name = json.stem.removeprefix("panoptic_")
        folders = (root / name, root / "images" / name, root / "images")
        images = next((folder for folder in folders if folder.is_dir()), folders[0])
        yield name, PanopticFiles(json, json.with_suffix(""), images)


def _cityscapes_panoptic(root: Path) -> Iterator[tuple[str, PanopticFiles]]:
    """What cityscapesScripts' ``csCreatePanopticImgs`` writes beside the native files."""
    for json in sorted((root / "gtFine").glob("cityscapes_panoptic_*.json")):
        name = json.stem.removeprefix("cityscapes_panoptic_")
        split = name.removesuffix("_trainId")
        if split != "test":  # its annotations are dummies
            yield f"{name}-panoptic", PanopticFiles(json, json.with_suffix(""), root / "leftImg8bit" / split)


def _vistas(root: Path) -> Iterator[tuple[str, PanopticFiles]]:
    """Version 1.2 (``panoptic_2018.json``), and both label sets of the later release."""
    for split in ("training", "validation"):
        for inner in ("", "v1.2", "v2.0"):
            folder = root / split / inner / "panoptic"
            for json in sorted(folder.glob("panoptic_20*.json")):
                name = f"{split}-{inner}" if inner else split
                yield name, PanopticFiles(json, folder, root / split / "images")


def _ade20k(root: Path) -> Iterator[tuple[str, PanopticFiles]]:
    for json in sorted(root.glob("ade20k_panoptic_*.json")):
        name = json.stem.removeprefix("ade20k_panoptic_")
        folder = {"train": "training", "val": "validation"}.get(name, name)
        yield name, PanopticFiles(json, json.with_suffix(""), root / "images" / folder)


def _cityscapes_splits(root: Path) -> Iterator[Split]:
    truth = root / "gtFine"
    if not (root / "leftImg8bit").is_dir() or not truth.is_dir():
        return
    for folder in sorted((root / "leftImg8bit").iterdir()):
        # The test split has images, and dummy annotations that are all void.
        if folder.is_dir() and (truth / folder.name).is_dir() and folder.name != "test":
            yield Split(folder.name, partial(_open_cityscapes, root, folder.name), None, root)


def _open_cityscapes(root: Path, name: str) -> PanopticDataset:
    return Cityscapes(data_root=str(root), split=name, pipeline=_pipeline(), test_mode=True)
