"""COCO-panoptic files: a JSON, a folder of PNG maps, a folder of images, perhaps an instance JSON.

The format of COCO, of Vistas' and ADE20K's panoptic releases, of cityscapesScripts' ``csCreatePanopticImgs``
and of most people's own data (https://cocodataset.org/#format-data).
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from panoptic_core.categories import CITYSCAPES, COCO_PANOPTIC, CategoryTable
from panoptic_core.files import PanopticJson
from panoptic_data.checks import FolderIndex, require_folder, show
from panoptic_data.checks_coco import ROOT_CURE, check_categories, find_label, read_instances, read_panoptic
from panoptic_data.datasets.base import PanopticDataset
from panoptic_data.registry import DATASETS
from panoptic_data.transforms.tables import SegmentTable

NAMED_TABLES = {"coco": COCO_PANOPTIC, "cityscapes": CITYSCAPES}


@DATASETS.register_module()
class CocoPanoptic(PanopticDataset):
    """A data set in COCO-panoptic format.

    Images are found by ``images[].file_name`` and joined to annotations by ``image_id``; maps by the
    annotation's own ``file_name``. The output of ``csCreatePanopticImgs`` works as it is (city folders, and
    the stray ``_gtFine`` in its image names).

    Args:
        data_root: Where relative paths start.
        ann_file: The panoptic JSON.
        data_prefix: ``img``: the image folder; ``seg``: the folder of PNG maps, by default the JSON's name
            without ``.json``.
        instances_file: COCO instance JSON with overlapping masks, for box-based heads and AP.
        require_instances: If False and `instances_file` does not exist, the visible masks of the map are
            used, with a warning. If True that is an error.
        table: The classes: ``"coco"``, ``"cityscapes"``, ``"json"`` (the JSON's own categories), or a table.
        kwargs: See :class:`~panoptic_data.datasets.PanopticDataset`.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If the JSON is invalid, a category is unknown, or segment ids repeat.
    """

    def __init__(
        self,
        data_root: str | None = "",
        ann_file: str = "annotations/panoptic_val2017.json",
        data_prefix: Mapping[str, str] | None = None,
        instances_file: str | None = None,
        require_instances: bool = False,
        table: str | CategoryTable = "coco",
        **kwargs: Any,
    ) -> None:
        prefix = {"img": "", "seg": ann_file.removesuffix(".json"), **(data_prefix or {})}
        self._content: PanopticJson | None = None
        self.instances_file = str(Path(data_root or "", instances_file)) if instances_file else None
        self.require_instances = require_instances
        super().__init__(
            self._find_table(table, Path(data_root or "", ann_file)),
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=prefix,
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the JSON files, join them and check that every file exists."""
        if self.data_root:
            require_folder(self.data_root, "the data set's root", "Set data_root (tools: --data-root).")
        content = self._content or read_panoptic(self.ann_file)
        self._content = None  # it is large and nobody needs it any more
        check_categories(content.categories, self.table, self.ann_file)
        images = FolderIndex(require_folder(self.data_prefix["img"], "the images", ROOT_CURE))
        maps = FolderIndex(require_folder(self.data_prefix["seg"], "the panoptic PNGs", ROOT_CURE))
        instances = self._load_instances()
        found = [find_image(image["file_name"], images) for image in content.images]
        cure = "Complete the download, or set data_prefix."
        images.require(found, f"the images of {self.ann_file}", cure)
        names = [annotation["file_name"] for annotation in content.annotations]
        maps.require(names, f"the PNGs of {self.ann_file}", cure)
        return [
            self._describe(content, image, images.root / name, maps.root, instances)
            for image, name in zip(content.images, found, strict=True)
        ]

    def _describe(
        self,
        content: PanopticJson,
        image: Mapping[str, Any],
        img_path: Path,
        maps: Path,
        instances: Mapping[Any, list[dict[str, Any]]] | None,
    ) -> dict[str, Any]:
        """Join what is known about one image."""
        annotation = content.by_image_id.get(image["id"])
        if annotation is None:
            msg = (
                f"Expected an annotation with image_id {image['id']!r} in {self.ann_file} for image "
                f"{image['file_name']}, got none. Remove the image from the JSON, or annotate it."
            )
            raise ValueError(msg)
        name = annotation["file_name"]
        rows = annotation["segments_info"]
        labels = [
            find_label(self.table, row["category_id"], self.ann_file, f"Segment {row['id']} of {name}")
            for row in rows
        ]
        info = {
            "img_id": image["id"],
            "img_path": str(img_path),
            "file_name": image["file_name"],
            "seg_map_path": str(maps / name),
            "seg_format": "coco",
            "segments": SegmentTable.from_columns(
                [row["id"] for row in rows],
                labels,
                [row.get("iscrowd", 0) for row in rows],
                self.table.num_things,
            ),
        }
        if "width" in image and "height" in image:
            info.update(width=image["width"], height=image["height"])
        if instances is not None:
            info["annotations"] = instances.get(image["id"], [])
        return info

    def _load_instances(self) -> dict[Any, list[dict[str, Any]]] | None:
        """Read the instance file; None if there is none."""
        path = self.instances_file
        if path is None:
            return None
        if not Path(path).is_file() and not self.require_instances:
            print_log(
                f"No instance file at {path}: boxes and masks come from the visible segments of the panoptic "
                "maps, so masks do not overlap and AP is measured on visible parts.",
                logger="current",
                level=logging.WARNING,
            )
            return None
        return read_instances(path, self.table)

    def _find_table(self, table: str | CategoryTable, ann_file: Path) -> CategoryTable:
        """Return a table by its name, or out of the JSON's categories, or as it is."""
        if isinstance(table, CategoryTable):
            return table
        if table in NAMED_TABLES:
            return NAMED_TABLES[table]
        if table == "json":
            self._content = read_panoptic(ann_file)
            return self._content.table
        names = show([*NAMED_TABLES, "json"])
        msg = f"Expected `table` to be one of {names}, or a CategoryTable, got {table!r}."
        raise ValueError(msg)


def find_image(name: str, images: FolderIndex) -> str:
    """Return where an image is: as named, or where cityscapesScripts' names really lead."""
    if name in images:
        return name
    stem = name.replace("_gtFine_leftImg8bit", "_leftImg8bit")
    city = stem.partition("_")[0]
    for candidate in (stem, f"{city}/{stem}", f"{city}/{name}"):
        if candidate in images:
            return candidate
    return name
