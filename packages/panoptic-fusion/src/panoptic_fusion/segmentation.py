"""What a panoptic map is: a map of segment ids and one row of facts for each segment.

The definition is Kirillov et al.'s (Panoptic Segmentation, CVPR 2019, arXiv:1801.00868, section 3): every
pixel belongs to at most one segment, every segment has one class, pixels without a segment are void.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple, Self

import torch
from torch import Tensor

from panoptic_fusion._checks import (
    ArrayLike,
    as_tensor,
    check_bool,
    check_count,
    check_device,
    check_integer,
    check_shape,
)
from panoptic_fusion._id_maps import count_ids, look_up


class Segment(NamedTuple):
    """One segment as plain Python values."""

    id: int
    label: int
    is_thing: bool
    score: float
    area: int
    iscrowd: bool


@dataclass(frozen=True, eq=False)
class PanopticSegmentation:
    """A panoptic map with its segments, prediction and ground truth alike.

    All tensors lie on one device. Nothing but `segments` copies from it.

    Attributes:
        id_map: ``(H, W)`` int32, the segment id of each pixel; 0 is void.
        ids: ``(S,)`` int32, unique, > 0, in the order of the other columns.
        labels: ``(S,)`` int64, contiguous class ids: things in ``[0, num_things)``, then stuff.
        is_thing: ``(S,)`` bool.
        scores: ``(S,)`` float32; 1 for stuff and for ground truth.
        areas: ``(S,)`` int64, pixels.
        iscrowd: ``(S,)`` bool: the segment is a group of instances that were not told apart.

    Example:
        >>> id_map = torch.tensor([[7, 7, 0], [7, 9, 9]])
        >>> seg = PanopticSegmentation.from_id_map(id_map, [7, 9], labels=[0, 4], is_thing=[True, False])
        >>> len(seg), seg.areas.tolist()
        (2, [3, 2])
        >>> seg.label_map().tolist()
        [[0, 0, 255], [0, 4, 4]]
    """

    id_map: Tensor
    ids: Tensor
    labels: Tensor
    is_thing: Tensor
    scores: Tensor
    areas: Tensor
    iscrowd: Tensor

    def __post_init__(self) -> None:
        check_shape(self.id_map, "id_map", (None, None), "(H, W)")
        for column in fields(self):
            tensor = getattr(self, column.name)
            dtype = _DTYPES[column.name]
            if tensor.dtype != dtype:
                msg = f"Expected `{column.name}` to be {dtype}, got {tensor.dtype}. `from_id_map` converts."
                raise TypeError(msg)
            check_device(tensor, column.name, self.id_map.device, "id_map")
            if column.name != "id_map":
                check_shape(tensor, column.name, (self.ids.numel(),), f"(S,) = ({self.ids.numel()},)")

    @classmethod
    def from_id_map(
        cls,
        id_map: ArrayLike,
        ids: ArrayLike | list[int],
        labels: ArrayLike | list[int],
        is_thing: ArrayLike | list[bool],
        *,
        scores: ArrayLike | list[float] | None = None,
        iscrowd: ArrayLike | list[bool] | None = None,
        keep: bool = False,
    ) -> Self:
        """Build a segmentation from a map and the facts about its ids; areas are counted.

        Args:
            id_map: ``(H, W)`` integers in ``[0, 2**31)``; 0 is void.
            ids: ``(S,)`` integers > 0 without repetition: every id that the map holds, in any order.
            labels: ``(S,)`` contiguous class ids >= 0.
            is_thing: ``(S,)`` booleans.
            scores: ``(S,)``; all 1 if not given.
            iscrowd: ``(S,)`` booleans; all false if not given.
            keep: Keep the ids that own no pixel (area 0); by default they are dropped.

        Returns:
            The segmentation on the device of `id_map`; the order of `ids` is kept.

        Raises:
            ValueError: If the map holds an id that is not in `ids`, or shapes or values do not fit.
            TypeError: If the map or the ids are not integers.
        """
        id_map = as_tensor(id_map, "id_map")
        check_shape(id_map, "id_map", (None, None), "(H, W)")
        check_integer(id_map, "id_map")
        device = id_map.device
        ids = _column(ids, "ids", torch.int64, device)
        count = ids.numel()
        columns = {
            "labels": _column(labels, "labels", torch.int64, device),
            "is_thing": _column(is_thing, "is_thing", torch.bool, device),
            "scores": _column([1.0] * count if scores is None else scores, "scores", torch.float32, device),
            "iscrowd": _column(
                [False] * count if iscrowd is None else iscrowd, "iscrowd", torch.bool, device
            ),
        }
        for name, column in columns.items():
            check_shape(column, name, (count,), f"(S,) = ({count},), one value for each of `ids`")
        _check_ids(ids, columns["labels"])
        areas = count_ids(id_map, ids)
        if not keep:
            present = areas > 0
            ids, areas = ids[present], areas[present]
            columns = {name: column[present] for name, column in columns.items()}
        return cls(id_map=id_map.to(torch.int32), ids=ids.to(torch.int32), areas=areas, **columns)

    @classmethod
    def empty(cls, height: int, width: int, device: torch.device | str | None = None) -> Self:
        """Return a map that is void everywhere."""
        check_count(height, "height")
        check_count(width, "width")
        columns = {
            name: torch.zeros(0, dtype=dtype, device=device)
            for name, dtype in _DTYPES.items()
            if name != "id_map"
        }
        return cls(id_map=torch.zeros(height, width, dtype=torch.int32, device=device), **columns)

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)``."""
        height, width = self.id_map.shape
        return height, width

    @property
    def device(self) -> torch.device:
        """Where all tensors lie."""
        return self.id_map.device

    def __len__(self) -> int:
        return self.ids.numel()

    def __repr__(self) -> str:
        return f"PanopticSegmentation(shape={self.shape}, segments={len(self)}, device='{self.device}')"

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The segments as Python objects; the first use copies the columns to the host."""
        columns = (self.ids, self.labels, self.is_thing, self.scores, self.areas, self.iscrowd)
        return tuple(Segment(*row) for row in zip(*(column.tolist() for column in columns), strict=True))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the segmentation on another device; `non_blocking` as in ``Tensor.to``."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return type(self)(
            **{name: tensor.to(device, non_blocking=non_blocking) for name, tensor in columns.items()}
        )

    def cpu(self) -> Self:
        """Return the segmentation in host memory."""
        return self.to("cpu")

    def label_map(self, ignore_index: int = 255) -> Tensor:
        """Return the ``(H, W)`` int64 map of class ids; void pixels get `ignore_index`."""
        return look_up(self.id_map, self.ids, self.labels, ignore_index)

    def mask(self, segment_id: int) -> Tensor:
        """Return the ``(H, W)`` bool mask of one segment (all false for an id that is not there)."""
        return (self.id_map == segment_id) & (self.id_map != 0)

    def select(self, keep: ArrayLike) -> Self:
        """Keep some segments; the pixels of the others become void.

        Args:
            keep: ``(S,)`` bool, in the order of `ids`.

        Returns:
            A new segmentation with unchanged ids.

        Raises:
            TypeError: If `keep` is not bool.
            ValueError: If its length is not the number of segments.
        """
        keep = as_tensor(keep, "keep")
        check_bool(keep, "keep")
        check_shape(keep, "keep", (len(self),), f"(S,) = ({len(self)},)")
        keep = keep.to(self.device)
        kept_ids = torch.where(keep, self.ids, torch.zeros_like(self.ids))
        columns = {
            column.name: getattr(self, column.name)[keep]
            for column in fields(self)
            if column.name != "id_map"
        }
        return type(self)(id_map=look_up(self.id_map, self.ids, kept_ids, 0), **columns)


_DTYPES = {
    "id_map": torch.int32,
    "ids": torch.int32,
    "labels": torch.int64,
    "is_thing": torch.bool,
    "scores": torch.float32,
    "areas": torch.int64,
    "iscrowd": torch.bool,
}


def _column(values: ArrayLike | list, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``(S,)`` values as a new tensor of the wanted dtype."""
    if isinstance(values, list | tuple):
        tensor = torch.tensor(values, dtype=dtype if not values else None)
    else:
        tensor = as_tensor(values, name)
    if dtype == torch.int64:
        check_integer(tensor, name)
    return tensor.to(device=device, dtype=dtype)


def _check_ids(ids: Tensor, labels: Tensor) -> None:
    """Raise where ids repeat or leave [1, 2**31), or labels are negative."""
    if ids.numel() == 0:
        return
    facts = torch.stack([*torch.aminmax(ids), labels.min(), torch.tensor(0, device=ids.device)])
    facts[3] = torch.unique(ids).numel()
    low, high, low_label, distinct = facts.tolist()
    if low < 1 or high >= 2**31:
        msg = f"Expected `ids` in [1, 2**31), got values in [{low}, {high}]. 0 is void and is not listed."
        raise ValueError(msg)
    if distinct != ids.numel():
        msg = f"Expected `ids` without repetition, got {ids.numel()} ids of which {distinct} are distinct."
        raise ValueError(msg)
    if low_label < 0:
        msg = f"Expected `labels` to be class ids >= 0, got {low_label}. Void is id 0, not a class."
        raise ValueError(msg)
