"""The pictures of one image: the photo once, and what is laid over it as small PNGs with few colours."""

import io
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from panoptic_core.categories import CategoryTable
from panoptic_core.metrics.matching import Matches, match_segments
from panoptic_core.metrics.pairing import Mode
from panoptic_core.report.content import RGB, ClassName, ImagePictures, Layer
from panoptic_fusion import PanopticSegmentation, colorize

LONG_SIDE = 1024
"""The longer side of the pictures is at most so many pixels."""

# What a pixel of the mismatch says, and its colour; the same roles and colours as in `page.css`.
MISMATCH: tuple[tuple[str, RGB], ...] = (
    ("not counted: void, crowd, or excused", (128, 128, 128)),
    ("matched, and the same", (236, 240, 236)),
    ("matched, but the outlines differ here", (245, 213, 71)),
    ("missed: ground truth without a match", (47, 111, 219)),
    ("false: prediction without a match", (240, 114, 44)),
    ("missed and false: something else was seen", (163, 18, 95)),
)
_JPEG_QUALITY = 85
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_VOID, _EDGE = (0, 0, 0), (255, 255, 255)  # as `colorize` draws them


def draw_pictures(
    pred: PanopticSegmentation,
    target: PanopticSegmentation,
    table: CategoryTable,
    photo: str | Path | NDArray[np.uint8] | None = None,
    *,
    mode: Mode = "default",
    long_side: int = LONG_SIDE,
) -> tuple[ImagePictures, Matches]:
    """Draw one image's ground truth, prediction and mismatch.

    Large images are made smaller: the photo smoothly, the maps by the pixel in the middle, so that no class
    appears that is not there. Small segments may vanish from the picture; what counts is the full size.

    Args:
        pred: The prediction.
        target: The ground truth, of the same size.
        table: Names and colours.
        photo: The image: a file, or ``(H, W, 3)`` uint8 RGB. One that cannot be read is a ``problem`` of the
            result, not an error.
        mode: Which segments match, see :func:`panoptic_core.metrics.count_segments`.
        long_side: Pixels of the pictures' longer side, at most.

    Returns:
        The pictures, and which segments match.

    Raises:
        ValueError: If the two maps differ in size.
    """
    matches = match_segments(pred, target, table.num_classes, mode=mode)
    height, width = target.shape
    scale = min(1.0, long_side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small_pred, small_target = _sample(pred, size), _sample(target, size)
    layers = (
        _layer("ground truth", small_target, table, _truth_words(target, matches, table)),
        _layer("prediction", small_pred, table, _found_words(pred, matches, table)),
        _mismatch(small_pred, small_target, matches),
    )
    jpeg, problem = None, ""
    if photo is not None:
        try:
            jpeg = _jpeg(photo, target.shape, size)
        except _UNREADABLE as error:
            problem = " ".join(f"The image cannot be shown: {error}".split())
    legend = _legend((target, pred), table)
    return ImagePictures(size[1], size[0], jpeg, layers, legend, problem), matches


def _sample(seg: PanopticSegmentation, size: tuple[int, int]) -> PanopticSegmentation:
    """Take the pixel in the middle of each pixel of the picture; segments that vanish stay listed."""
    if size == seg.shape:
        return seg.cpu()
    rows, columns = (
        torch.as_tensor(((np.arange(new) + 0.5) * old / new).astype(np.int64))
        for new, old in zip(size, seg.shape, strict=True)
    )
    host = seg.cpu()
    parts = host.ids, host.labels, host.is_thing, host.scores, host.areas, host.iscrowd
    return PanopticSegmentation(host.id_map[rows][:, columns], *parts)


def _layer(title: str, seg: PanopticSegmentation, table: CategoryTable, words: Mapping[int, str]) -> Layer:
    """Draw a map with a colour of its own for each segment, so that a colour tells which one it is."""
    ids = seg.id_map.numpy()
    plain = colorize(seg, table.palette, boundaries=False)
    edges = (colorize(seg, table.palette) != plain).any(axis=2)
    known, first, index = np.unique(ids, return_index=True, return_inverse=True)
    own = _apart([_rgb(plain.reshape(-1, 3)[at]) for at in first])
    colors = [_VOID if value == 0 else color for value, color in zip(known, own, strict=True)]
    says = {_hex(color): words.get(int(value), "void") for value, color in zip(known, colors, strict=True)}
    index = np.where(edges, len(known), index.reshape(ids.shape))
    return Layer(title, _png(index, [*colors, _EDGE]), says)


def _mismatch(pred: PanopticSegmentation, target: PanopticSegmentation, matches: Matches) -> Layer:
    truth, found = target.id_map.numpy(), pred.id_map.numpy()
    partner = dict(zip(matches.target_ids.tolist(), matches.pred_ids.tolist(), strict=True))
    known, index = np.unique(truth, return_inverse=True)
    wanted = np.array([partner.get(value, -1) for value in known.tolist()])[index.reshape(truth.shape)]
    missed, false = np.isin(truth, matches.missed_ids), np.isin(found, matches.wrong_ids)
    kind = np.zeros(truth.shape, dtype=np.int64)
    # Ground truth void stays "not counted" inside a matched prediction: the metric takes it off, too.
    kind[((wanted >= 0) | np.isin(found, matches.pred_ids)) & (truth > 0)] = 2
    kind[wanted == found] = 1
    kind[missed] = 3
    kind[false] = 4
    kind[missed & false] = 5
    colors = [color for _, color in MISMATCH]
    says = {_hex(color): words for words, color in MISMATCH}
    return Layer("mismatch", _png(kind, colors), says)


def _truth_words(target: PanopticSegmentation, matches: Matches, table: CategoryTable) -> dict[int, str]:
    iou = dict(zip(matches.target_ids.tolist(), matches.iou.tolist(), strict=True))
    missed = set(matches.missed_ids.tolist())
    words = {}
    for one in target.segments:
        how = "crowd, not counted" if one.iscrowd else "missed" if one.id in missed else "not counted"
        how = f"matched, IoU {iou[one.id]:.2f}" if one.id in iou else how
        words[one.id] = f"{table.names[one.label]} (segment {one.id}): {how}"
    return words


def _found_words(pred: PanopticSegmentation, matches: Matches, table: CategoryTable) -> dict[int, str]:
    iou = dict(zip(matches.pred_ids.tolist(), matches.iou.tolist(), strict=True))
    wrong = set(matches.wrong_ids.tolist())
    words = {}
    for one in pred.segments:
        how = "false" if one.id in wrong else "excused by void or a crowd"
        how = f"matched, IoU {iou[one.id]:.2f}" if one.id in iou else how
        score = f", score {one.score:.2f}" if one.is_thing and one.score < 1 else ""
        words[one.id] = f"{table.names[one.label]} (segment {one.id}{score}): {how}"
    return words


def _legend(maps: Sequence[PanopticSegmentation], table: CategoryTable) -> tuple[ClassName, ...]:
    pixels: dict[int, int] = {}
    for seg in maps:
        for one in seg.segments:
            pixels[one.label] = pixels.get(one.label, 0) + one.area
    order = sorted(pixels, key=lambda label: (-pixels[label], label))
    return tuple(ClassName(table.names[i], _rgb(table.palette[i]), i < table.num_things) for i in order)


def _jpeg(photo: str | Path | NDArray[np.uint8], true_size: tuple[int, int], size: tuple[int, int]) -> bytes:
    """Return the photo at the pictures' size; a rotation tag is followed unless only the plain one fits."""
    if isinstance(photo, np.ndarray):
        image = Image.fromarray(photo)
    else:
        with Image.open(photo) as file:
            plain_fits = file.size == true_size[::-1]
            file.draft("RGB", size[::-1])  # a JPEG decodes to a half or a quarter at much less cost
            upright = ImageOps.exif_transpose(file)
            swapped = upright.size != file.size
            image = (file if plain_fits and swapped else upright).convert("RGB")
    buffer = io.BytesIO()
    image.resize(size[::-1], Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _png(index: NDArray[np.integer], colors: Sequence[RGB]) -> bytes:
    """Write a picture of indices; with a palette where 256 colours do."""
    palette = np.array(colors, dtype=np.uint8)
    if len(colors) <= 256:
        image = Image.fromarray(index.astype(np.uint8))
        image.putpalette(palette.tobytes())
    else:
        image = Image.fromarray(palette[index])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _apart(colors: Sequence[RGB]) -> list[RGB]:
    """Change colours by as little as makes each differ from all others, from void's and from the lines'."""
    used: set[RGB] = {_VOID, _EDGE}
    result = []
    for color in colors:
        near = (_rgb(np.add(color, step)) for step in _STEPS)
        chosen = next(one for one in near if one not in used and min(one) >= 0 and max(one) <= 255)
        used.add(chosen)
        result.append(chosen)
    return result


_STEPS = sorted(product(range(-12, 13), repeat=3), key=lambda step: sum(abs(value) for value in step))


def _rgb(values: NDArray[np.integer]) -> RGB:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def _hex(color: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
