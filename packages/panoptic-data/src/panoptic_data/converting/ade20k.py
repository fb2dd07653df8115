"""ADE20K's scene parsing maps joined with the instance maps of the Places challenge 2017.

The rules are those of the panoptic files in use, made by Mask2Former's ``prepare_ade20k_pan_seg.py``
(https://github.com/facebookresearch/Mask2Former): stuff out of ``annotations`` (value - 1 is the category),
and over it the instances of ``annotations_instance`` (red is one of 100 classes, green the instance; see
https://github.com/CSAILVision/placeschallenge). Pixels of things without an instance are void.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from panoptic_core.categories import ADE20K
from panoptic_data.checks import FolderIndex, require_folder, show
from panoptic_data.converting.files import read_labels
from panoptic_data.converting.plan import Item, Plan, Segments, SplitPlan, choose_splits

_SPLITS = {"train": "training", "val": "validation"}
_CURE = "Give ADEChallengeData2016, with annotations_instance of the Places challenge 2017 unpacked in it."


def plan_ade20k(source: str | Path, splits: Sequence[str] | None = None) -> Plan:
    """Plan the conversion of ADE20K to its 100 things and 50 stuff classes.

    Args:
        source: The folder of ``images``, ``annotations`` and ``annotations_instance``.
        splits: "train", "val"; None = those that are there.

    Raises:
        FileNotFoundError: If a folder or a map is missing.
        ValueError: If a split is not there.
    """
    root = Path(source)
    images = require_folder(root / "images", "ADE20K's images", _CURE)
    chosen = choose_splits([n for n, folder in _SPLITS.items() if (images / folder).is_dir()], splits, images)
    plans = tuple(SplitPlan(name, _items(root, _SPLITS[name])) for name in chosen)
    note = "Pixels of thing classes that belong to no instance are void, as in the panoptic files in use."
    return Plan("ade20k", root, {}, ADE20K, read_item, plans, (note,))


def _items(root: Path, folder: str) -> list[Item]:
    images = FolderIndex(root / "images" / folder)
    stems = sorted(name.removesuffix(".jpg") for name in images.names() if name.endswith(".jpg"))
    maps = []
    for name in ("annotations", "annotations_instance"):
        index = FolderIndex(require_folder(root / name / folder, f"ADE20K's {name}", _CURE))
        index.require([f"{stem}.png" for stem in stems], f"ADE20K's {name}", _CURE)
        maps.append(index.root)
    return [
        Item(
            stem,
            images.root / f"{stem}.jpg",
            f"{stem}.jpg",
            f"{stem}.png",
            tuple(place / f"{stem}.png" for place in maps),
        )
        for stem in stems
    ]


def read_item(item: Item) -> Segments:
    """Read the two maps of an image."""
    semantic, is_rgb = read_labels(item.sources[0])
    packed, has_colors = read_labels(item.sources[1])
    if is_rgb or not has_colors or semantic.max() > len(ADE20K):
        found = [
            "colours" if is_rgb else f"grey values up to {semantic.max()}",
            "colours" if has_colors else "grey values",
        ]
        msg = (
            f"Expected grey values up to {len(ADE20K)} in {item.sources[0]} and colours in "
            f"{item.sources[1]}, got {found[0]} and {found[1]}. {_CURE}"
        )
        raise ValueError(msg)
    if semantic.shape != packed.shape:
        msg = (
            f"Expected both maps of {item.image_name} to have one size, got {semantic.shape}, {packed.shape}."
        )
        raise ValueError(msg)
    kinds, numbers = packed % 256, packed // 256 % 256
    rows = np.zeros(semantic.shape, dtype=np.int64)
    category_ids: list[int] = []
    for value in np.unique(semantic).tolist():
        if value and ADE20K.lookup(value - 1) >= ADE20K.num_things:
            category_ids.append(value - 1)
            rows[semantic == value] = len(category_ids)
    for number in np.unique(numbers[numbers > 0]).tolist():
        mask = numbers == number
        kind = np.unique(kinds[mask])
        if kind.size != 1 or not 1 <= kind[0] <= ADE20K.num_things:
            msg = (
                f"Expected instance {number} of {item.sources[1]} to have one class in "
                f"[1, {ADE20K.num_things}], got {show(kind.tolist())}. {_CURE}"
            )
            raise ValueError(msg)
        # The 100 classes stand in the order of the 150, as our things do.
        category_ids.append(ADE20K.category_ids[int(kind[0]) - 1])
        rows[mask] = len(category_ids)
    return Segments.from_rows(rows, category_ids, [False] * len(category_ids), ADE20K)
