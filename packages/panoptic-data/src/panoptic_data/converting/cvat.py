"""CVAT's export "CVAT for images 1.1": one XML with polygons, masks, boxes and ellipses.

The format: https://docs.cvat.ai/docs/dataset_management/formats/xml_format/
"""

import xml.etree.ElementTree as ET  # a document with a DTD is refused below
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panoptic_core.categories import CategoryTable
from panoptic_data.checks import describe_place, require_folder, show
from panoptic_data.converting.classes import ids_by_name, parse_color
from panoptic_data.converting.labelme import choose_classes
from panoptic_data.converting.painting import (
    Layer,
    Region,
    category_of,
    from_crop,
    from_ellipse,
    from_polygon,
    from_rectangle,
    paint,
)
from panoptic_data.converting.plan import Item, Plan, Segments, divide_items, id_of, map_name

_AREAS = ("polygon", "mask", "box", "ellipse")
_CURE = "Export the task as 'CVAT for images 1.1'."
_YES = frozenset({"true", "1", "yes"})


@dataclass(frozen=True)
class Shape:
    """One annotation of an image.

    Attributes:
        kind: The XML's tag.
        values: The XML's attributes.
        iscrowd: Whether its attribute ``is_crowd`` says so.
    """

    kind: str
    values: Mapping[str, str]
    iscrowd: bool


@dataclass(frozen=True)
class CvatReader:
    """Paints the shapes of one image.

    Attributes:
        table: The classes.
    """

    table: CategoryTable

    def __call__(self, item: Item) -> Segments:
        """Paint by ``z_order``, then in the order of the file, the last one on top."""
        size, shapes = item.content
        ids = ids_by_name(self.table)
        layers, notes = [], []
        numbered = list(enumerate(shapes, start=1))
        for number, shape in sorted(numbered, key=lambda pair: int(pair[1].values.get("z_order", 0))):
            label = shape.values.get("label", "")
            name = f"{shape.kind} {number} ('{label}')"
            if shape.kind not in _AREAS:
                notes.append(f"{name} has no area and is left out")
                continue
            try:
                region = _region(shape, size)
            except (KeyError, ValueError) as error:
                msg = f"{name} of {item.image_name}: expected a CVAT {shape.kind}, got {error}. {_CURE}"
                raise ValueError(msg) from error
            group = int(shape.values.get("group_id") or 0) or None
            category_id = category_of(label, ids, f"{name} of {item.image_name}")
            layers.append(Layer(name, category_id, region, group, shape.iscrowd))
        return paint(layers, size, self.table, notes)


def _region(shape: Shape, size: tuple[int, int]) -> Region:
    values = shape.values
    degrees = float(values.get("rotation", 0))
    if shape.kind == "polygon":
        points = [point.split(",") for point in values["points"].split(";")]
        return from_polygon([(float(x), float(y)) for x, y in points], size)
    if shape.kind == "box":
        corners = [float(values[key]) for key in ("xtl", "ytl", "xbr", "ybr")]
        return from_rectangle(corners[0], corners[1], corners[2], corners[3], size, degrees)
    if shape.kind == "ellipse":
        cx, cy, rx, ry = (float(values[key]) for key in ("cx", "cy", "rx", "ry"))
        return from_ellipse(cx, cy, rx, ry, size, degrees)
    return _mask(values, size)


def _mask(values: Mapping[str, str], size: tuple[int, int]) -> Region:
    """Read runs that count row by row inside the mask's own box, from background on."""
    left, top, width, height = (int(float(values[key])) for key in ("left", "top", "width", "height"))
    runs = np.array([int(run) for run in values["rle"].split(",")], dtype=np.int64)
    if runs.min() < 0 or runs.sum() != width * height:
        msg = f"runs of {int(runs.sum())} pixels for a mask of {width} x {height}"
        raise ValueError(msg)
    crop = np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(height, width)
    return from_crop(crop, left, top, size)


def plan_cvat(
    source: str | Path,
    image_folder: str | Path | None = None,
    *,
    things: Sequence[str] | None = None,
    classes: str | Path | None = None,
    split: str = "train",
    val: float = 0.0,
) -> Plan:
    """Plan the conversion of an export "CVAT for images 1.1".

    Shapes of a thing class with the same ``group_id`` are one instance; stuff is one segment a class. Who is
    in front is said by ``z_order``, then by the order of the file. A shape whose attribute ``is_crowd`` (or
    ``iscrowd``) is true is a crowd.

    Args:
        source: ``annotations.xml``, or the folder that holds it.
        image_folder: The photographs; None = ``images`` beside the XML, or beside it.
        things: The labels that are things; the others are stuff.
        classes: A class file instead, with the labels as names.
        split: The split of images that name no subset.
        val: How many percent of these go to a split "val" instead.

    Raises:
        FileNotFoundError: If the XML or every photograph is missing.
        ValueError: If the XML is not such an export, or neither `things` nor `classes` is given.
    """
    path = Path(source)
    path = path / "annotations.xml" if path.is_dir() else path
    if not path.is_file():
        msg = (
            f"Expected CVAT's annotations at {path}, got no such file: {describe_place(path.parent)}. {_CURE}"
        )
        raise FileNotFoundError(msg)
    labels, colors, images = _read(path)
    table = choose_classes(labels, things, classes, f"the labels of {path.name}", colors)
    places = [path.parent / "images", path.parent]
    if image_folder is not None:
        places = [require_folder(image_folder, "the photographs", "Name their folder by --image-folder.")]
    items, subsets = [], []
    for values, shapes in images:
        name = values["name"]
        size = (int(values["height"]), int(values["width"]))
        subset = values.get("subset", "")
        image, problem = _find_image(name, subset, places, path)
        items.append(Item(id_of(name), image, name, map_name(name), (), (size, tuple(shapes)), problem))
        # CVAT says "default" where no subset was chosen.
        subsets.append("" if subset.lower() == "default" else subset)
    splits = divide_items(items, split, val, subsets=subsets, sources=(path,))
    return Plan("cvat", path, {"val": val}, table, CvatReader(table), splits)


def _read(path: Path) -> tuple[set[str], dict[str, Any], list[tuple[dict[str, str], list[Shape]]]]:
    """Return the labels, their colours, and attributes and shapes of each image."""
    labels: set[str] = set()
    colors: dict[str, Any] = {}
    images: list[tuple[dict[str, str], list[Shape]]] = []
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        msg = f"Expected {path} to be CVAT's XML, got one with a document type, which CVAT does not write."
        raise ValueError(msg)
    try:
        for _, element in ET.iterparse(path, events=("end",)):  # noqa: S314  # no DTD, see above
            if element.tag == "label" and element.find("name") is not None:
                name = element.findtext("name", "")
                if element.findtext("type") != "tag":  # of a whole image: no class of pixels
                    labels.add(name)
                color = element.findtext("color")
                if color:
                    colors[name] = parse_color(color)
            elif element.tag == "track":
                msg = f"Expected images in {path}, got tracks of a video. {_CURE}"
                raise ValueError(msg)
            elif element.tag == "image":
                images.append((dict(element.attrib), [_shape(child) for child in element]))
                element.clear()
    except ET.ParseError as error:
        msg = f"Expected {path} to be CVAT's XML, but it cannot be parsed: {error}. {_CURE}"
        raise ValueError(msg) from error
    broken = [values for values, _ in images if not {"name", "width", "height"} <= values.keys()]
    if broken or not images:
        found = show(broken or ["none"], 1)
        msg = f"Expected images with name, width and height in {path}, got {found}. {_CURE}"
        raise ValueError(msg)
    drawn = (shape for _, shapes in images for shape in shapes if shape.kind != "tag")
    labels |= {shape.values.get("label", "") for shape in drawn} - {""}
    return labels, colors, images


def _shape(element: ET.Element) -> Shape:
    crowd = any(
        child.tag == "attribute"
        and child.get("name", "").lower() in ("is_crowd", "iscrowd", "crowd")
        and (child.text or "").strip().lower() in _YES
        for child in element
    )
    return Shape(element.tag, dict(element.attrib), crowd)


def _find_image(name: str, subset: str, places: Sequence[Path], path: Path) -> tuple[Path, str]:
    """Return where a photograph is, and what is wrong."""
    for place in places:
        for candidate in (place / name, place / subset / name):
            if candidate.is_file():
                return candidate, ""
    msg = (
        f"Expected the image {name} of {path} in {' or '.join(str(place) for place in places)}, got none: "
        f"{describe_place(places[0])}. Export with images, or name their folder by --image-folder."
    )
    return places[0] / name, msg
