"""Cityscapes as downloaded: ``leftImg8bit`` and ``gtFine`` with its instance ids, no conversion."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from panoptic_core.categories import CITYSCAPES, CategoryTable
from panoptic_data.checks import FolderIndex, describe_place, require_folder
from panoptic_data.datasets.base import PanopticDataset
from panoptic_data.registry import DATASETS
from panoptic_data.transforms.read import read_cityscapes

_IMAGE, _MAP = "_leftImg8bit.png", "_gtFine_instanceIds.png"


@DATASETS.register_module()
class Cityscapes(PanopticDataset):
    """Cityscapes' own files, read by the rules of its official panoptic conversion.

    ``img_id`` is ``aachen_000000_000019`` and the maps' ids are the official ones (label id, or label id *
    1000 + n), so results are what the evaluation server expects. Instances are the visible ones.

    Args:
        data_root: The folder that holds ``leftImg8bit`` and ``gtFine``.
        split: ``"train"`` or ``"val"``, or several of them.
        table: The classes.
        kwargs: See :class:`~panoptic_data.datasets.PanopticDataset`.

    Raises:
        FileNotFoundError: If a folder or a file is missing.
    """

    def __init__(
        self,
        data_root: str | None = "data/cityscapes",
        split: str | Sequence[str] = "val",
        table: CategoryTable = CITYSCAPES,
        **kwargs: Any,
    ) -> None:
        self.splits = (split,) if isinstance(split, str) else tuple(split)
        kwargs.setdefault("data_prefix", {"img": "leftImg8bit", "seg": "gtFine"})
        super().__init__(table, data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the images city by city and check that each has its map."""
        cure = "Set data_root (tools: --data-root) to the folder that holds leftImg8bit and gtFine."
        require_folder(self.data_root, "Cityscapes' root", cure)
        images = FolderIndex(require_folder(self.data_prefix["img"], "Cityscapes' images", cure))
        cure = f"Unpack gtFine_trainvaltest.zip there. {cure}"
        maps = FolderIndex(require_folder(self.data_prefix["seg"], "Cityscapes' fine annotations", cure))
        stems = [stem for split in self.splits for stem in _list_split(images, split)]
        maps.require([stem + _MAP for stem in stems], "the maps of Cityscapes' images", cure)
        return [
            {
                "img_id": stem.rpartition("/")[2],
                "img_path": str(images.root / (stem + _IMAGE)),
                "file_name": stem + _IMAGE,
                "seg_map_path": str(maps.root / (stem + _MAP)),
                "seg_format": "cityscapes",
                "category_labels": dict(self.table.labels),
                "num_things": self.table.num_things,
            }
            for stem in stems
        ]

    def _labels_of(self, info: dict[str, Any]) -> list[int]:
        _, segments = read_cityscapes(info)
        return sorted(set(segments.labels.tolist()))


def _list_split(images: FolderIndex, split: str) -> list[str]:
    """Return ``split/city/city_000000_000019`` of each image of a split, sorted."""
    folder = require_folder(
        images.root / split, f"split '{split}' of Cityscapes' images", "Set split to one that is there."
    )
    cities = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    stems = [
        f"{split}/{city}/{name.removesuffix(_IMAGE)}"
        for city in cities
        for name in sorted(images.names(f"{split}/{city}"))
        if name.endswith(_IMAGE)
    ]
    if not stems:
        msg = (
            f"Expected images named *{_IMAGE} in the city folders of {folder}, got none: "
            f"{describe_place(Path(folder, cities[0]) if cities else folder)}. "
            "Unpack leftImg8bit_trainvaltest.zip there."
        )
        raise FileNotFoundError(msg)
    return stems
