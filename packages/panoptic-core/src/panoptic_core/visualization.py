"""Pictures of panoptic maps: over the image, with a legend, and beside the ground truth.

One place decides what a picture looks like, for every tool (docs/pictures.md): a class has the colour of the
category table, an instance a shade of it, things have white borders, crowds white stripes, and void is dark.

All pictures are ``(H, W, 3)`` uint8 RGB arrays on the host.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from panoptic_core._affinity_pictures import draw_affinity
from panoptic_core.categories import CategoryTable
from panoptic_core.metrics import match_segments
from panoptic_fusion import PanopticSegmentation, colorize, crowd_stripes, thing_borders

__all__ = [
    "Picture",
    "comparison",
    "draw_affinity",
    "draw_legend",
    "draw_names",
    "legend",
    "mismatch",
    "overlay",
]

Picture = NDArray[np.uint8]
Color = tuple[int, ...]  # red, green, blue in [0, 255]

_MARGIN = 6  # pixels around and between what is drawn
_TEXT_SIZE = 13  # pixels, at least; larger where a picture is, as it will be shown smaller
_BACKGROUND = (255, 255, 255)
_VOID = (128, 128, 128)
_PIXELS_A_LINE = 512  # of the shorter side of an image, for each pixel that a line is wide
_OF_MISMATCH = (("matched", (255, 255, 255)), ("wrong or missed", (0, 0, 0)), ("not counted", _VOID))


def overlay(
    image: Picture,
    seg: PanopticSegmentation,
    palette: Picture,
    *,
    opacity: float = 0.6,
    boundaries: bool = True,
) -> Picture:
    """Lay the colours of a panoptic map over its image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        seg: A map of the same size, on any device.
        palette: ``(C, 3)`` uint8 RGB, such as ``table.palette``.
        opacity: In [0, 1]: 0 shows the image alone. Void pixels always show the image, darkened.
        boundaries: Draw white lines around things and white stripes over crowds, thicker in large images, so
            that they are still seen where the picture is shown smaller.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        ValueError: If sizes differ **or** ``opacity`` is outside [0, 1].
    """
    _check_image(image, seg)
    if not 0 <= opacity <= 1:
        msg = f"Expected `opacity` to be in [0, 1], got {opacity}."
        raise ValueError(msg)
    colors = colorize(seg, palette, boundaries=False).astype(np.float32)
    mixed = np.rint(image.astype(np.float32) * (1 - opacity) + colors * opacity).astype(np.uint8)
    if boundaries and opacity > 0:
        width = max(1, round(min(seg.shape) / _PIXELS_A_LINE))
        mixed[(thing_borders(seg, width) | crowd_stripes(seg, width)).cpu().numpy()] = 255
    return mixed


def mismatch(pred: PanopticSegmentation, target: PanopticSegmentation, num_classes: int) -> Picture:
    """Draw where segments do not match, after TASCNet's Figures 6 and 7 (arXiv:1812.01192).

    Args:
        pred: The prediction.
        target: The ground truth.
        num_classes: Things and stuff together.

    Returns:
        ``(H, W, 3)`` uint8: white where a true positive lies (predicted or true), black where a false one
        does, grey where nothing counts (void, crowds, and what they excuse). Where both lie,
        black wins: a mistake stays visible.
    """
    matches = match_segments(pred, target, num_classes)
    picture = np.full((*target.shape, 3), _VOID, dtype=np.uint8)
    pred_map, target_map = pred.id_map.cpu().numpy(), target.id_map.cpu().numpy()
    for ids, id_map in ((matches.pred_ids, pred_map), (matches.target_ids, target_map)):
        picture[np.isin(id_map, ids)] = 255
    for ids, id_map in ((matches.wrong_ids, pred_map), (matches.missed_ids, target_map)):
        picture[np.isin(id_map, ids)] = 0
    return picture


def draw_names(picture: Picture, seg: PanopticSegmentation, table: CategoryTable) -> Picture:
    """Write the class name into each segment that has room for it, and the score of predicted things.

    The largest segments come first; a name that would lie on another one is left out.

    Args:
        picture: ``(H, W, 3)`` uint8, an integer number of times the size of the map.
        seg: The map.
        table: Names by label.
    """
    factor = picture.shape[0] // seg.shape[0]
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    size = max(_TEXT_SIZE, min(picture.shape[:2]) // 50)
    font, lowest = _font(size), picture.shape[0] - size - 3  # a name stays whole at the lower edge
    id_map = seg.id_map.cpu().numpy()
    taken: list[tuple[float, float, float]] = []  # left, top and right of the names so far
    for segment in sorted(seg.segments, key=lambda one: -one.area):
        name = table.names[segment.label]
        if segment.iscrowd:
            name = f"{name} (crowd)"
        if segment.is_thing and segment.score < 1:
            name = f"{name} {segment.score:.2f}"
        width = draw.textlength(name, font=font)
        row, column, room = _widest_row(id_map == segment.id)
        if room * factor < width:
            continue
        place = (column * factor - width / 2, max(0, min(row * factor - size / 2, lowest)))
        left, top, right = *place, place[0] + width
        if any(left < other[2] and other[0] < right and abs(top - other[1]) < size for other in taken):
            continue
        taken.append((left, top, right))
        draw.text(place, name, font=font, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(canvas)


def draw_legend(
    picture: Picture,
    seg: PanopticSegmentation | Sequence[PanopticSegmentation],
    table: CategoryTable,
    extra: Sequence[tuple[str, Color]] = (),
) -> Picture:
    """Return a picture with the colours and names of the classes of a map underneath, most pixels first.

    Args:
        picture: ``(H, W, 3)`` uint8.
        seg: The map, or several that the picture shows.
        table: Names and colours by label.
        extra: More names and colours, last.
    """
    pixels: dict[int, int] = {}
    for one in [seg] if isinstance(seg, PanopticSegmentation) else seg:
        for segment in one.segments:
            pixels[segment.label] = pixels.get(segment.label, 0) + segment.area
    labels = sorted(pixels, key=lambda label: -pixels[label])
    strip = legend(table, labels, picture.shape[1], extra=extra)
    return np.concatenate([picture, strip], axis=0)


def legend(
    table: CategoryTable,
    labels: Sequence[int],
    width: int,
    *,
    rows: int | None = None,
    extra: Sequence[tuple[str, Color]] = (),
) -> Picture:
    """Draw a strip with the colours and names of classes.

    Args:
        table: Names and colours by label.
        labels: Which classes, in this order.
        width: Of the strip.
        rows: Make it so many rows high, and leave out what has no room; by default as many as it needs.
        extra: More names and colours, last.

    Returns:
        ``(H', width, 3)`` uint8 RGB.
    """
    colors = [tuple(int(value) for value in table.palette[label]) for label in labels]
    entries = [*zip((table.names[label] for label in labels), colors, strict=True), *extra]
    size, font = _legend_font(width)
    margin = _MARGIN * size // _TEXT_SIZE
    line = size + margin
    places: list[tuple[int, int]] = []
    x, y = margin, margin
    for name, _ in entries:
        needed = size + 4 + int(font.getlength(name)) + 2 * margin
        if x + needed > width and x > margin:
            x, y = margin, y + line
        places.append((x, y))
        x += needed
    height = y + line if entries else 0
    if rows is not None:
        height = margin + rows * line
    strip = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for (name, color), (x, y) in zip(entries, places, strict=True):
        if y + line > height:
            break
        draw.rectangle((x, y, x + size, y + size), fill=color, outline=(0, 0, 0))
        draw.text((x + size + 4, y - 1), name, font=font, fill=(0, 0, 0))
    return np.asarray(strip)


def comparison(
    image: Picture,
    pred: PanopticSegmentation,
    table: CategoryTable,
    target: PanopticSegmentation | None = None,
    *,
    least_width: int = 320,
    extra: dict[str, Picture] | None = None,
) -> Picture:
    """Draw image | ground truth | prediction | mismatch side by side, with titles, names and a legend.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        pred: The prediction, of the same size.
        table: Names and colours.
        target: The ground truth; without it only image and prediction are drawn.
        least_width: Small images are enlarged by a whole factor until they are as wide.
        extra: More pictures of the image's size by title, drawn last.

    Returns:
        ``(H', W', 3)`` uint8 RGB.
    """
    height, width = image.shape[:2]
    factor = max(1, -(-least_width // max(width, 1)))

    def enlarge(picture: Picture) -> Picture:
        return picture.repeat(factor, axis=0).repeat(factor, axis=1)

    def named(seg: PanopticSegmentation) -> Picture:
        return draw_names(enlarge(overlay(image, seg, table.palette)), seg, table)

    panels = {"image": enlarge(np.ascontiguousarray(image))}
    if target is not None:
        panels["ground truth"] = named(target)
    panels["prediction"] = named(pred)
    if target is not None:
        panels["mismatch"] = enlarge(mismatch(pred, target, table.num_classes))
    panels.update({title: enlarge(picture) for title, picture in (extra or {}).items()})

    size = max(_TEXT_SIZE, width * factor // 90)
    title_height = size + _MARGIN
    columns = len(panels)
    sheet = Image.new(
        "RGB",
        (columns * width * factor + (columns - 1) * _MARGIN, height * factor + title_height),
        _BACKGROUND,
    )
    draw = ImageDraw.Draw(sheet)
    for place, (title, panel) in enumerate(panels.items()):
        x = place * (width * factor + _MARGIN)
        draw.text((x + 2, 1), title, font=_font(size), fill=(0, 0, 0))
        sheet.paste(Image.fromarray(panel), (x, title_height))
    if target is None:
        return draw_legend(np.asarray(sheet), pred, table)
    return draw_legend(np.asarray(sheet), [target, pred], table, _OF_MISMATCH)


def _check_image(image: Picture, seg: PanopticSegmentation) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        msg = f"Expected `image` to be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}."
        raise ValueError(msg)
    if image.shape[:2] != seg.shape:
        msg = (
            f"Expected `image` of the size of the map, {seg.shape}, got {image.shape[:2]}. "
            "Resize the image, or predict at its size."
        )
        raise ValueError(msg)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _legend_font(width: int) -> tuple[int, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """Return the size and the font of a legend under a picture of a width."""
    size = max(_TEXT_SIZE, width // 160)
    return size, _font(size)


def _widest_row(mask: NDArray[np.bool_]) -> tuple[float, float, int]:
    """Return the centre (row, column) and length of the longest horizontal run, in the middle of its rows.

    A name fits best there: it lies inside the segment, whatever its shape.
    """
    padded = np.pad(mask, ((0, 0), (1, 1)))
    change = np.diff(padded.astype(np.int8), axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    if rows.size == 0:
        return 0.0, 0.0, 0
    lengths = ends - starts
    long_ones = np.flatnonzero(lengths >= 0.9 * lengths.max())
    best = long_ones[len(long_ones) // 2]
    return float(rows[best]) + 0.5, float(starts[best] + ends[best]) / 2, int(lengths[best])
