"""Mapillary Vistas v1.2 as downloaded: photographs, and the panoptic maps that come with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panoptic_core.categories import VISTAS, CategoryTable
from panoptic_data.checks import FolderIndex, describe_place, show
from panoptic_data.datasets.coco_panoptic import CocoPanoptic
from panoptic_data.registry import DATASETS

_MAPS = ("panoptic", "v1.2/panoptic")  # as v1.2 was packed alone, and together with v2.0
_JSON = "panoptic_2018.json"
_UNLABELED = ("unlabeled", "void--unlabeled")


@DATASETS.register_module()
class Vistas(CocoPanoptic):
    """Mapillary Vistas' own files (https://www.mapillary.com/dataset/vistas), no conversion.

    ``training/`` and ``validation/`` hold ``images/*.jpg`` and ``panoptic/``, in the package with v2.0
    ``v1.2/panoptic/``: ``panoptic_2018.json`` and one PNG an image. All 65 classes count, ``void--car-mount``
    and ``void--ego-vehicle`` too; what is unlabeled is void. Instances are the visible ones.

    Photographs have up to 4000 x 6000 pixels and more: see
    :class:`~panoptic_data.transforms.LoadReducedImage`.

    Args:
        data_root: The folder that holds ``training`` and ``validation``.
        split: ``"training"`` or ``"validation"``.
        table: The classes.
        kwargs: See :class:`~panoptic_data.datasets.PanopticDataset`.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If there are no such files of a split by its name, the JSON is invalid or a category is
            unknown.
    """

    def __init__(
        self,
        data_root: str | None = "data/vistas",
        split: str = "validation",
        table: str | CategoryTable = VISTAS,
        **kwargs: Any,
    ) -> None:
        if split not in ("training", "validation"):
            msg = (
                f"Expected `split` to be 'training' or 'validation', got {split!r}. Only these have panoptic "
                "maps; for images without any use tools/predict.py."
            )
            raise ValueError(msg)
        folders = [f"{split}/{folder}" for folder in _MAPS]
        there = [folder for folder in folders if Path(data_root or "", folder, _JSON).is_file()]
        maps = (there or folders)[0]
        super().__init__(
            data_root=data_root,
            ann_file=f"{maps}/{_JSON}",
            data_prefix={"img": f"{split}/images", "seg": maps, **kwargs.pop("data_prefix", {})},
            table=table,
            **kwargs,
        )

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the JSON and check that every file exists."""
        root = Path(self.data_root or "")
        if root.is_dir() and not Path(self.ann_file).is_file():
            msg = (
                f"Expected {_JSON} in one of {show(_MAPS)} of a split of Mapillary Vistas, got none at "
                f"{self.ann_file}: {describe_place(Path(self.ann_file).parent)}. Set data_root (tools: "
                "--data-root) to the folder that holds training and validation of v1.2."
            )
            raise FileNotFoundError(msg)
        return super().load_data_list()

    def void_categories(self, categories: Sequence[Mapping[str, Any]]) -> frozenset[int]:
        """Return the id of "Unlabeled", where a JSON lists it."""
        return unlabeled_ids(categories)

    def find_image(self, name: str, images: FolderIndex) -> str:
        """Return where an image is; a JSON may name it without its ending, or with the map's."""
        jpeg = f"{Path(name).stem}.jpg"
        return jpeg if name not in images and jpeg in images else name


def unlabeled_ids(categories: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """Return the ids of categories that mean void."""
    return frozenset(row["id"] for row in categories if str(row.get("name")).lower() in _UNLABELED)
