"""One image's panoptic PNG and its segment list, read as a :class:`panoptic_fusion.PanopticSegmentation`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.files._errors import PanopticFileError
from panoptic_core.files.panoptic_json import check_segments
from panoptic_core.files.png import read_panoptic_png
from panoptic_fusion import PanopticSegmentation


def read_segmentation(
    png: str | os.PathLike[str],
    segments_info: Sequence[Mapping[str, Any]],
    table: CategoryTable,
    *,
    areas: Literal["count", "json"] = "count",
    size: tuple[int, int] | None = None,
) -> PanopticSegmentation:
    """Read one panoptic annotation or prediction.

    Args:
        png: The panoptic PNG.
        segments_info: The image's segments as the JSON lists them (``id``, ``category_id``, perhaps
            ``iscrowd``, ``area``, ``score``).
        table: The data set's classes.
        areas: ``"count"`` counts the pixels; ``"json"`` takes ``area`` from the list unchecked, as the
            official metric does for ground truth.
        size: The image's ``(H, W)``; if given, the PNG must have it.

    Returns:
        The segmentation in host memory, columns in the order of `segments_info`.

    Raises:
        FileNotFoundError: If the PNG is missing.
        PanopticFileError: If PNG and list do not fit together; the message names the file and the ids.
    """
    path = Path(png)
    check_segments(segments_info, str(path), table.labels.keys())
    ids = read_panoptic_png(path)
    if size is not None and ids.shape != tuple(size):
        msg = (
            f"Expected {path} to be as large as its image, (height, width) = {tuple(size)}, got {ids.shape}. "
            "Resize with nearest neighbour, or pair the right files."
        )
        raise PanopticFileError(msg)
    segment_ids = np.array([segment["id"] for segment in segments_info], dtype=np.int32)
    counts = count_listed_ids(ids, segment_ids, str(path))
    labels = np.array([table.labels[segment["category_id"]] for segment in segments_info], dtype=np.int64)
    if areas == "json":
        counts = np.array([_area(segment, path) for segment in segments_info], dtype=np.int64)
    scores = [float(segment.get("score", 1.0)) for segment in segments_info]
    iscrowd = [bool(segment.get("iscrowd", 0)) for segment in segments_info]
    return PanopticSegmentation(
        id_map=torch.from_numpy(ids),
        ids=torch.from_numpy(segment_ids),
        labels=torch.from_numpy(labels),
        is_thing=torch.from_numpy(labels < table.num_things),
        scores=torch.tensor(scores, dtype=torch.float32),
        areas=torch.from_numpy(counts),
        iscrowd=torch.tensor(iscrowd, dtype=torch.bool),
    )


def count_listed_ids(ids: NDArray[np.int32], listed: NDArray[np.int32], where: str) -> NDArray[np.int64]:
    """Count the pixels of each listed segment.

    Args:
        ids: ``(H, W)`` map, 0 is void.
        listed: ``(S,)`` distinct ids > 0.
        where: The file, for the error.

    Returns:
        ``(S,)`` int64, all > 0.

    Raises:
        PanopticFileError: If the map holds an id that is not listed, or a listed id is not in the map.
    """
    flat = ids.reshape(-1)
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]), flat.size - 1)
    known, place = np.unique(np.append(np.int32(0), listed), return_inverse=True)
    values = flat[ends]
    index = np.minimum(np.searchsorted(known, values), known.size - 1)
    strangers = np.unique(values[known[index] != values])
    if strangers.size:
        msg = (
            f"{where}: {_shown(strangers)} in the PNG but not in `segments_info`. "
            "PNG and JSON are of two runs, or the PNG was resized with interpolation; write both again."
        )
        raise PanopticFileError(msg)
    lengths = np.diff(ends, prepend=-1)
    counts = np.bincount(index, weights=lengths, minlength=known.size).astype(np.int64)[place[1:]]
    absent = listed[counts == 0]
    if absent.size:
        msg = (
            f"{where}: {_shown(absent)} in `segments_info` but own no pixel of the PNG. "
            "Drop the entries of segments that vanished (resizing, occlusion), or write both files again."
        )
        raise PanopticFileError(msg)
    return counts


def _shown(ids: NDArray[np.int32]) -> str:
    shown = ", ".join(str(value) for value in ids[:5].tolist())
    return f"{ids.size} segment ids ({shown}{', ...' if ids.size > 5 else ''}) are"


def _area(segment: Mapping[str, Any], path: Path) -> int:
    area = segment.get("area")
    if isinstance(area, bool) or not isinstance(area, int | float):
        msg = (
            f"{path}, segment {segment['id']}: expected `area` to be a number, got {area!r}. "
            "Use areas='count' to count it."
        )
        raise PanopticFileError(msg)
    return int(area)
