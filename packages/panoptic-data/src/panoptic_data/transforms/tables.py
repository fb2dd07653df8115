"""The two tables that travel with an id map through a pipeline: its segments and its instances."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class SegmentTable:
    """The segments of one image; row ``r`` is the value ``r + 1`` of the map, and 0 is void.

    Attributes:
        ids: The data set's segment ids ``(S,)`` int32, unique, positive.
        labels: Contiguous class ids ``(S,)`` int64, things first.
        is_thing: ``(S,)`` bool.
        iscrowd: ``(S,)`` bool.
    """

    ids: NDArray[np.int32]
    labels: NDArray[np.int64]
    is_thing: NDArray[np.bool_]
    iscrowd: NDArray[np.bool_]

    @classmethod
    def from_columns(cls, ids: ArrayLike, labels: ArrayLike, iscrowd: ArrayLike, num_things: int) -> Self:
        """Build the table from plain columns; whether a row is a thing follows from its label."""
        columns = np.asarray(labels, dtype=np.int64).reshape(-1)
        return cls(
            ids=np.asarray(ids, dtype=np.int32).reshape(-1),
            labels=columns,
            is_thing=columns < num_things,
            iscrowd=np.asarray(iscrowd, dtype=bool).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class InstanceTable:
    """The thing instances of one image, and where in ``gt_seg_map`` each one's mask is.

    Instance ``i`` covers the pixels where channel ``channels[i]`` holds ``values[i]``. Channel 0 is the
    segment map, so an instance whose mask is exactly a visible segment needs no channel of its own.

    Attributes:
        labels: Contiguous thing ids ``(N,)`` int64.
        iscrowd: ``(N,)`` bool.
        channels: ``(N,)`` int64 in ``[0, L]``.
        values: ``(N,)`` int32, positive.
        segment_ids: Id of the panoptic segment that shows the instance ``(N,)`` int32, 0 if none does.
    """

    labels: NDArray[np.int64]
    iscrowd: NDArray[np.bool_]
    channels: NDArray[np.int64]
    values: NDArray[np.int32]
    segment_ids: NDArray[np.int32]

    @classmethod
    def from_segments(cls, segments: SegmentTable) -> Self:
        """Make one instance of each thing segment: what a set without an instance file has."""
        rows = np.flatnonzero(segments.is_thing)
        return cls(
            labels=segments.labels[rows],
            iscrowd=segments.iscrowd[rows],
            channels=np.zeros(len(rows), dtype=np.int64),
            values=(rows + 1).astype(np.int32),
            segment_ids=segments.ids[rows],
        )

    def __len__(self) -> int:
        return len(self.labels)
