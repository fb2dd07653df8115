"""ADE20K panoptic: the scene-parsing set of 2016 with the panoptic maps that the field makes of it."""

from collections.abc import Mapping
from typing import Any

from panoptic_core.categories import ADE20K, CategoryTable
from panoptic_data.datasets.coco_panoptic import CocoPanoptic
from panoptic_data.registry import DATASETS

_FOLDERS = {"train": "training", "val": "validation"}


@DATASETS.register_module()
class ADE20KPanoptic(CocoPanoptic):
    """ADE20K with 100 things and 50 stuff classes, as ``ade20k_panoptic_{train,val}`` beside the images.

    ``ADEChallengeData2016/`` holds ``images/{training,validation}/*.jpg``,
    ``ade20k_panoptic_{train,val}.json`` and the PNGs in folders of the same names: what the converters of
    Mask2Former and MMDetection write. Instances are the visible ones.

    Args:
        data_root: The folder ``ADEChallengeData2016``.
        split: ``"train"`` or ``"val"``.
        table: The classes.
        kwargs: See :class:`~panoptic_data.datasets.PanopticDataset`.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If there is no split of that name, the JSON is invalid or a category is unknown.
    """

    def __init__(
        self,
        data_root: str | None = "data/ADEChallengeData2016",
        split: str = "val",
        table: str | CategoryTable = ADE20K,
        **kwargs: Any,
    ) -> None:
        if split not in _FOLDERS:
            msg = f"Expected `split` to be 'train' or 'val', got {split!r}. The test images have no maps."
            raise ValueError(msg)
        super().__init__(
            data_root=data_root,
            ann_file=f"ade20k_panoptic_{split}.json",
            data_prefix={"img": f"images/{_FOLDERS[split]}", **kwargs.pop("data_prefix", {})},
            table=table,
            **kwargs,
        )

    def read_category(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a category by the first of its synonyms, as the table names it ("wardrobe, closet")."""
        if not isinstance(row.get("name"), str):
            return row
        return {**row, "name": row["name"].replace(";", ",").partition(",")[0].strip()}
