"""One reader a file format: from a path to a map of segment ids and the table of its segments."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from numpy.typing import NDArray

from panoptic_core.files import read_panoptic_png
from panoptic_data.checks import show
from panoptic_data.transforms.runs import find_runs
from panoptic_data.transforms.tables import SegmentTable

CITYSCAPES_VOID_IDS = frozenset({0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30})
"""Label ids that the official evaluation ignores (``ignoreInEval`` in cityscapesScripts): void."""

_RGB_8_BIT = b"\x08\x02"  # bit depth and colour type in a PNG's header
# Since 4.11 OpenCV decodes RGB as RGB, without the detour by BGR.
_HAS_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")
_DECODE = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_COLOR_RGB if _HAS_RGB else cv2.IMREAD_COLOR)
_TO_RGBA = cv2.COLOR_RGB2RGBA if _HAS_RGB else cv2.COLOR_BGR2RGBA
_INSTANCE_BASE = 1000  # a Cityscapes instance id is label id * 1000 + n; below it, a label id alone


def read_coco(results: Mapping[str, Any]) -> tuple[NDArray[np.int32], SegmentTable]:
    """Read a COCO-panoptic PNG; the JSON's ``segments_info`` is already in ``results["segments"]``."""
    return read_ids(results["seg_map_path"]), results["segments"]


def read_ids(path: str | Path) -> NDArray[np.int32]:
    """Read the segment ids of a panoptic PNG.

    The same as :func:`panoptic_core.files.read_panoptic_png`, with OpenCV's decoder, which is faster and
    finds more broken files. What it does not take is left to that function and its errors.

    Args:
        path: An RGB PNG with 8 bits a channel, ``id = R + 256 G + 65536 B``.

    Returns:
        ``(H, W)`` int32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such PNG, or is broken.
    """
    data = Path(path).read_bytes()
    if data[12:16] != b"IHDR" or data[24:26] != _RGB_8_BIT:
        return read_panoptic_png(path)
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), _DECODE)
    if image is None:
        read_panoptic_png(path)  # says what is wrong, if it sees it
        msg = f"Expected {path} to be a whole PNG, got damaged data. Write or copy it again."
        raise ValueError(msg)
    ids = cv2.cvtColor(image, _TO_RGBA).view("<u4")[..., 0]
    ids &= np.uint32(0xFFFFFF)
    return ids.view(np.int32)


def read_cityscapes(results: Mapping[str, Any]) -> tuple[NDArray[np.int32], SegmentTable]:
    """Read a ``*_gtFine_instanceIds.png``; the segments come out of the map itself."""
    path = results["seg_map_path"]
    data = Path(path).read_bytes()
    image = mmcv.imfrombytes(data, flag="unchanged", backend="cv2") if data else None
    if image is None:
        msg = (
            f"Expected a readable PNG of instance ids at {path}, got {len(data)} bytes that are none. "
            "Unpack gtFine_trainvaltest.zip again."
        )
        raise ValueError(msg)
    if image.ndim != 2:
        msg = (
            f"Expected one channel of instance ids in {path}, got an array of shape {image.shape}. "
            "Take the *_gtFine_instanceIds.png, not the *_gtFine_color.png."
        )
        raise ValueError(msg)
    id_map = image.astype(np.int32)
    return cityscapes_segments(id_map, results["category_labels"], results["num_things"], path)


def cityscapes_segments(
    id_map: NDArray[np.int32], labels: Mapping[int, int], num_things: int, path: str | Path
) -> tuple[NDArray[np.int32], SegmentTable]:
    """Turn Cityscapes' instance ids into segments, as cityscapesScripts' ``createPanopticImgs`` does.

    An id below 1000 is a label id: a stuff segment, or a crowd if the class has instances. An id from 1000 on
    is ``label id * 1000 + n``: one instance. Classes that the evaluation ignores become void.

    Args:
        id_map: ``(H, W)`` int32 as the PNG holds it; it is changed in place.
        labels: Contiguous label of each category id of the table.
        num_things: Labels below it are things.
        path: The PNG; errors name it.

    Returns:
        The map with void set to 0, and its segments by rising id.

    Raises:
        ValueError: If an id belongs to no class of the table and to none that the evaluation ignores.
    """
    ids = np.unique(find_runs(id_map).values)
    category_ids = np.where(ids < _INSTANCE_BASE, ids, ids // _INSTANCE_BASE)
    is_known = np.isin(category_ids, list(labels))
    is_void = ~is_known & np.isin(category_ids, list(CITYSCAPES_VOID_IDS))
    if not (is_known | is_void).all():
        unknown = ids[~(is_known | is_void)]
        msg = (
            f"Expected the instance ids of {path} to belong to the table's classes or to Cityscapes' void "
            f"classes, got {show(unknown.tolist())}. Check that the file is a *_gtFine_instanceIds.png "
            "(label id * 1000 + n)."
        )
        raise ValueError(msg)
    if is_void.any():
        id_map[np.isin(id_map, ids[is_void])] = 0
    segment_labels = np.array([labels[int(category)] for category in category_ids[is_known]], dtype=np.int64)
    iscrowd = (segment_labels < num_things) & (ids[is_known] < _INSTANCE_BASE)
    return id_map, SegmentTable.from_columns(ids[is_known], segment_labels, iscrowd, num_things)


READERS: dict[str, Callable[[Mapping[str, Any]], tuple[NDArray[np.int32], SegmentTable]]] = {
    "coco": read_coco,
    "cityscapes": read_cityscapes,
}
"""What ``results["seg_format"]`` may say."""
