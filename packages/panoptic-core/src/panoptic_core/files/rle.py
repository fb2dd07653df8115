"""COCO's run-length masks (RLE) to and from :class:`panoptic_fusion.BoxMasks`, window by window.

An RLE counts pixels column by column, from background on (https://github.com/cocodataset/cocoapi, mask.h).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from panoptic_fusion import BoxMasks


class RLE(TypedDict):
    """A compressed run-length mask; ``counts`` is bytes in memory and str in a JSON."""

    size: list[int]
    counts: bytes | str


def box_masks_to_rle(masks: BoxMasks, size: tuple[int, int]) -> list[RLE]:
    """Encode masks at image size; no full-size mask is made.

    Args:
        masks: ``N`` masks on any device.
        size: The image's ``(H, W)``.

    Returns:
        ``N`` compressed RLEs with ``counts`` as bytes, as pycocotools takes them.
    """
    masks = masks.cpu()
    return [encode_crop(masks.crop(i, size).numpy(), masks.window(i, size), size) for i in range(len(masks))]


def encode_crop(crop: NDArray[np.bool_], window: tuple[int, int, int, int], size: tuple[int, int]) -> RLE:
    """Encode one mask that is known inside a window.

    Args:
        crop: ``(h, w)`` bool.
        window: ``x0, y0, x1, y1`` inside the image, half-open, of the crop's size.
        size: The image's ``(H, W)``.
    """
    height, width = size
    x0, y0, _, _ = window
    rows, columns = crop.shape
    # Column by column with one background pixel after each, so that no run crosses a column.
    flat = np.zeros((columns, rows + 1), dtype=np.int8)
    flat[:, :rows] = crop.T
    steps = np.diff(flat.reshape(-1), prepend=np.int8(0))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    starts = (x0 + starts // (rows + 1)) * height + y0 + starts % (rows + 1)
    ends = (x0 + ends // (rows + 1)) * height + y0 + ends % (rows + 1)
    # Runs that touch across a column border are one run of the whole image.
    apart = starts[1:] != ends[:-1]
    starts, ends = starts[np.append(True, apart)[: starts.size]], ends[np.append(apart, True)[: ends.size]]
    edges = np.stack([starts, ends], axis=1).reshape(-1)
    counts = np.diff(edges, prepend=0, append=height * width)
    # pycocotools drops no empty last run: the sum of the counts must be the image's area.
    counts = counts[:-1] if counts.size > 1 and counts[-1] == 0 else counts
    rle: RLE = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    return rle


def rle_to_box_masks(rles: Sequence[Mapping[str, Any]]) -> BoxMasks:
    """Decode masks one by one and cut each to its tight window.

    Args:
        rles: Compressed (``counts`` bytes or str) or uncompressed (``counts`` a list) RLEs.

    Returns:
        ``N`` masks in crop form; an empty mask has an empty window.

    Raises:
        ValueError: If an RLE has no ``size`` or ``counts``, or its counts do not fill its size.
    """
    crops: list[NDArray[np.bool_]] = []
    windows = np.zeros((len(rles), 4), dtype=np.int64)
    for i, rle in enumerate(rles):
        crop, windows[i] = _decode_crop(compress(rle))
        crops.append(crop)
    return BoxMasks.from_crops(crops, torch.from_numpy(windows))


def compress(rle: Mapping[str, Any]) -> RLE:
    """Return an RLE in the compressed form, whatever form it has.

    Raises:
        ValueError: If ``size`` or ``counts`` is missing, or counts in a list do not sum up to the size.
    """
    if "size" not in rle or "counts" not in rle or len(rle["size"]) != 2:
        msg = f"Expected an RLE to have `size` (height, width) and `counts`, got the keys {sorted(rle)}."
        raise ValueError(msg)
    height, width = (int(value) for value in rle["size"])
    counts = rle["counts"]
    if isinstance(counts, bytes | str):
        return {"size": [height, width], "counts": counts}
    if sum(counts) != height * width:
        msg = (
            f"Expected the counts of an RLE to sum up to {height} x {width} = {height * width} pixels, "
            f"got {sum(counts)}. Its size is (height, width); are they swapped?"
        )
        raise ValueError(msg)
    packed: RLE = coco_mask.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width)
    return packed


def segmentation_to_rle(segmentation: Any, size: tuple[int, int]) -> RLE:
    """Turn the ``segmentation`` field of a COCO instance into one RLE.

    Args:
        segmentation: Polygons (a list of lists of x, y), or an RLE.
        size: The image's ``(H, W)``.

    Raises:
        ValueError: If the field is of neither kind, a polygon has fewer than three points, or the RLE has
            another size than the image.
    """
    height, width = size
    if isinstance(segmentation, Mapping):
        rle = compress(segmentation)
        if rle["size"] != [height, width]:
            msg = f"Expected an RLE of the image's size {[height, width]} (height, width), got {rle['size']}."
            raise ValueError(msg)
        return rle
    polygons = segmentation if isinstance(segmentation, list) else None
    if not polygons or not all(
        isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in polygons
    ):
        shown = str(segmentation)
        msg = (
            "Expected `segmentation` to be an RLE or a list of polygons [x, y, x, y, x, y, ...] with at "
            "least three "
            f"points each, got {shown if len(shown) <= 80 else shown[:77] + '...'}."
        )
        raise ValueError(msg)
    merged: RLE = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    return merged


def _decode_crop(rle: RLE) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]]:
    """Decode into the tight window, without an image of the full size."""
    height, width = rle["size"]
    counts = _run_lengths(rle["counts"])
    if counts.size == 0 or counts.min() < 0 or counts.sum() != height * width:
        msg = (
            f"Expected the counts of an RLE to fill its size {height} x {width} = {height * width} pixels, "
            f"got {counts.sum()}. The file is cut off, or its size (height, width) is swapped."
        )
        raise ValueError(msg)
    edges = counts.cumsum()
    starts, ends = edges[:-1:2], edges[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if starts.size == 0:
        return np.zeros((0, 0), dtype=bool), (0, 0, 0, 0)
    x0, x1 = int(starts[0]) // height, int(ends[-1] - 1) // height + 1
    if (starts // height == (ends - 1) // height).all():
        y0, y1 = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    else:  # a run that goes on in the next column touches the last and the first row
        y0, y1 = 0, height
    first = x0 * height
    lengths = np.diff(
        np.stack([starts, ends], axis=1).reshape(-1) - first, prepend=0, append=(x1 - x0) * height
    )
    columns = np.repeat(np.arange(lengths.size) % 2 == 1, lengths).reshape(x1 - x0, height)
    return np.ascontiguousarray(columns[:, y0:y1].T), (x0, y0, x1, y1)


def _run_lengths(counts: bytes | str) -> NDArray[np.int64]:
    """Unpack the runs of a compressed RLE: five bits a character, then differences to the run before last.

    pycocotools leaves memory uninitialised where the runs end early, so it cannot be asked.
    """
    text = counts.encode() if isinstance(counts, str) else counts
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    last = (codes & 32) == 0  # the last character of each run
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or not last[-1]:
        msg = f"Expected the counts of an RLE in COCO's compressed form, got {counts[:40]!r}."
        raise ValueError(msg)
    ends = np.flatnonzero(last)
    begins = np.append(0, ends[:-1] + 1)
    if (ends - begins).max() > 11:
        msg = f"Expected the counts of an RLE below 2**63, got {counts[:40]!r}."
        raise ValueError(msg)
    place = np.arange(codes.size) - np.repeat(begins, ends - begins + 1)
    values: NDArray[np.int64] = np.add.reduceat((codes & 31) << (5 * place), begins)
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * (ends - begins + 1)), 0)
    values[1::2] = values[1::2].cumsum()
    values[2::2] = values[2::2].cumsum()  # the first run stands by itself
    return values
