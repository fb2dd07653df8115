"""Cityscapes as downloaded, by the rules of cityscapesScripts' ``createPanopticImgs``."""

from collections.abc import Sequence
from pathlib import Path

from panoptic_core.categories import CITYSCAPES
from panoptic_data.checks import FolderIndex, require_folder
from panoptic_data.converting.plan import Item, Plan, Segments, SplitPlan, choose_splits
from panoptic_data.transforms.read import read_cityscapes

_IMAGE, _MAP = "_leftImg8bit.png", "_gtFine_instanceIds.png"
_CURE = "Give the folder that holds leftImg8bit and gtFine."


def plan_cityscapes(source: str | Path, splits: Sequence[str] | None = None) -> Plan:
    """Plan the conversion of Cityscapes' fine annotations.

    Ids, segments, crowds, areas, boxes, image ids and the names of the PNGs are those of
    ``csCreatePanopticImgs``; the categories carry the official label ids, which the test server wants.

    Args:
        source: The folder that holds ``leftImg8bit`` and ``gtFine``.
        splits: Which; None = those of train and val that are there.

    Raises:
        FileNotFoundError: If a folder or a map is missing.
        ValueError: If a split is not there.
    """
    root = Path(source)
    images = FolderIndex(require_folder(root / "leftImg8bit", "Cityscapes' images", _CURE))
    maps = FolderIndex(require_folder(root / "gtFine", "Cityscapes' fine annotations", _CURE))
    # The test split's annotations are dummies.
    found = [name for name in ("train", "val") if (images.root / name).is_dir()]
    chosen = choose_splits(found, splits, images.root)
    return Plan(
        "cityscapes",
        root,
        {},
        CITYSCAPES,
        read_item,
        tuple(SplitPlan(name, _items(images, maps, name)) for name in chosen),
    )


def _items(images: FolderIndex, maps: FolderIndex, split: str) -> list[Item]:
    cities = sorted(path.name for path in (images.root / split).iterdir() if path.is_dir())
    stems = [
        f"{city}/{name.removesuffix(_IMAGE)}"
        for city in cities
        for name in sorted(images.names(f"{split}/{city}"))
        if name.endswith(_IMAGE)
    ]
    maps.require(
        [f"{split}/{stem}{_MAP}" for stem in stems],
        "the maps of Cityscapes' images",
        f"Unpack gtFine_trainvaltest.zip there. {_CURE}",
    )
    return [
        Item(
            stem.rpartition("/")[2],
            images.root / split / (stem + _IMAGE),
            stem + _IMAGE,
            stem.rpartition("/")[2] + "_gtFine_panoptic.png",
            (maps.root / split / (stem + _MAP),),
        )
        for stem in stems
    ]


def read_item(item: Item) -> Segments:
    """Read one ``*_gtFine_instanceIds.png``."""
    id_map, segments = read_cityscapes(
        {
            "seg_map_path": item.sources[0],
            "category_labels": CITYSCAPES.labels,
            "num_things": CITYSCAPES.num_things,
        }
    )
    category_ids = [CITYSCAPES.category_ids[label] for label in segments.labels.tolist()]
    return Segments(id_map, segments.ids.tolist(), category_ids, segments.iscrowd.tolist())
