"""What all panoptic data sets share: label order by a category table, and checks before training starts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from panoptic_core.categories import CategoryTable
from panoptic_data.checks import show

_FILTERS = ("min_size", "require_things")


class PanopticDataset(BaseDataset):
    """A data set whose samples are an image, a panoptic map and perhaps overlapping instances.

    Labels follow `table`, things first, never a file's order. All images are kept, also those without things,
    unless `filter_cfg` says otherwise. Subclasses implement ``load_data_list``; each of its dicts has
    ``img_path``, ``img_id``, ``file_name``, ``seg_map_path``, ``seg_format``, and where a JSON says so
    ``height``, ``width``, ``segments``, ``annotations``.

    Args:
        table: The classes. ``metainfo`` is its :meth:`~panoptic_core.categories.CategoryTable.to_metainfo`.
        data_root: Where relative paths start.
        ann_file: The JSON file, if the set has one.
        data_prefix: Folders under `data_root`.
        metainfo: More entries for ``metainfo``; plain Python values.
        filter_cfg: For training only: ``min_size`` drops images with a side below it (where the JSON gives
            sizes), ``require_things`` drops those without a thing.
        indices: Keep the first (``n``) or last (``-n``) images, or those listed.
        serialize_data: Keep the list in one buffer that loader workers share.
        pipeline: Transforms, or their configs.
        test_mode: Whether this is for evaluation: no filter, every image exactly once.
        lazy_init: Put off reading and checking the files.
        max_refetch: Further tries when a transform returns nothing.
    """

    def __init__(
        self,
        table: CategoryTable,
        *,
        data_root: str | None = "",
        ann_file: str = "",
        data_prefix: Mapping[str, str] | None = None,
        metainfo: Mapping[str, Any] | None = None,
        filter_cfg: Mapping[str, Any] | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        unknown = sorted(set(filter_cfg or {}) - set(_FILTERS))
        if unknown:
            msg = f"Expected `filter_cfg` to have the keys {show(_FILTERS)}, got {show(unknown)}."
            raise ValueError(msg)
        self.table = table
        super().__init__(
            ann_file=ann_file,
            metainfo={**table.to_metainfo(), **(metainfo or {})},
            data_root=str(data_root or ""),
            data_prefix=dict(data_prefix or {}),
            filter_cfg=dict(filter_cfg or {}),
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take the entries as they are; MMEngine would try to open each string as a file."""
        return {**cls.METAINFO, **(metainfo or {})}

    def filter_data(self) -> list[dict[str, Any]]:
        """Apply `filter_cfg` (training only).

        Raises:
            ValueError: If no image is left.
        """
        kept = self.data_list if self.test_mode else [info for info in self.data_list if self._passes(info)]
        if not kept:
            where = self.ann_file or self.data_root
            msg = (
                f"Expected images in {type(self).__name__} at {where}, got none of {len(self.data_list)} "
                f"after filter_cfg={self.filter_cfg}. Check the root and the split, or loosen the filter."
            )
            raise ValueError(msg)
        return kept

    def _passes(self, info: dict[str, Any]) -> bool:
        min_size = self.filter_cfg.get("min_size", 0)
        if "width" in info and min(info["width"], info["height"]) < min_size:
            return False
        if self.filter_cfg.get("require_things", False):
            return any(label < self.table.num_things for label in self._labels_of(info))
        return True

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the labels that occur in an image, for ``ClassBalancedDataset``."""
        return self._labels_of(self.get_data_info(idx))

    def _labels_of(self, info: dict[str, Any]) -> list[int]:
        return np.unique(info["segments"].labels).tolist()
