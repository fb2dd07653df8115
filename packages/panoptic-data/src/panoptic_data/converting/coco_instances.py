"""COCO instance annotations: polygons and RLEs that may overlap, crowds, and perhaps stuff from PNGs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from panoptic_core.categories import CategoryTable
from panoptic_data.checks import describe_place, read_json, require_folder, show
from panoptic_data.checks_coco import check_keys
from panoptic_data.converting.classes import classes_from_names, ids_by_name, read_classes
from panoptic_data.converting.files import read_labels
from panoptic_data.converting.painting import Layer, Region, from_segmentation, paint
from panoptic_data.converting.plan import Item, Plan, Segments, SplitPlan, id_of, map_name

Overlap = Literal["small", "first", "last"]
"""Which of two instances owns the pixels that both cover."""

_CURE = "Take a COCO instance JSON (instances_*.json)."


@dataclass(frozen=True)
class CocoReader:
    """Paints the annotations of one image.

    Attributes:
        table: The classes.
        overlap: Who wins.
        void: Values of the stuff PNGs that are no class.
    """

    table: CategoryTable
    overlap: Overlap
    void: tuple[int, ...]

    def __call__(self, item: Item) -> Segments:
        """Paint stuff PNGs, stuff annotations, crowds and things, in this order."""
        image, rows = item.content
        size = (int(image["height"]), int(image["width"]))
        notes: list[str] = []
        layers: list[Layer] = []
        for row in rows:
            if not row.get("segmentation"):
                notes.append(f"annotation {row['id']} has no mask and is left out")
                continue
            name = f"annotation {row['id']}"
            try:
                region = from_segmentation(row["segmentation"], size)
            except ValueError as error:
                msg = f"{name} of {item.image_name}: {error}"
                raise ValueError(msg) from error
            layers.append(Layer(name, row["category_id"], region, iscrowd=bool(row.get("iscrowd", 0))))
        stuff = [self._without_crowd(layer, notes) for layer in layers if self._is_stuff(layer)]
        things = [layer for layer in layers if not self._is_stuff(layer)]
        crowds = [layer for layer in things if layer.iscrowd]
        single = self._in_order([layer for layer in things if not layer.iscrowd])
        below = self._stuff_layers(item.sources[0], size) if item.sources else []
        return paint([*below, *stuff, *crowds, *single], size, self.table, notes)

    def _is_stuff(self, layer: Layer) -> bool:
        return layer.category_id is not None and self.table.lookup(layer.category_id) >= self.table.num_things

    def _without_crowd(self, layer: Layer, notes: list[str]) -> Layer:
        """Stuff has no crowds: it is not counted."""
        if layer.iscrowd:
            notes.append(f"{layer.name} is stuff, so its iscrowd means nothing")
        return Layer(layer.name, layer.category_id, layer.region)

    def _in_order(self, layers: list[Layer]) -> list[Layer]:
        """Sort from the back to the front."""
        if self.overlap == "last":
            return layers
        backwards = layers[::-1]  # of two equals, the first one wins
        if self.overlap == "first":
            return backwards
        return sorted(backwards, key=lambda layer: -layer.region.area)

    def _stuff_layers(self, path: Path, size: tuple[int, int]) -> list[Layer]:
        values, _ = read_labels(path)
        if values.shape != size:
            msg = f"Expected {path} to have the image's size {size} (height, width), got {values.shape}."
            raise ValueError(msg)
        found = np.unique(values).tolist()
        unknown = [v for v in found if v not in self.table.labels and v not in self.void]
        if unknown:
            msg = (
                f"Expected the values of {path} to be categories of {self.table.name}, got {show(unknown)}. "
                "Add them to the class file, or say that they are no class: --void VALUE ..."
            )
            raise ValueError(msg)
        return [
            Layer(f"stuff {value} of {path.name}", value, Region(0, 0, values == value))
            for value in found
            if self.table.labels.get(value, -1) >= self.table.num_things
        ]


def plan_coco_instances(
    source: str | Path,
    image_folder: str | Path | None = None,
    *,
    things: Sequence[str] | None = None,
    classes: str | Path | None = None,
    stuff_folder: str | Path | None = None,
    void: Sequence[str] = ("0", "255"),
    overlap: Overlap = "small",
    split: str | None = None,
) -> Plan:
    """Plan the conversion of a COCO instance JSON.

    Pixels that no annotation covers are void: an instance JSON does not say what they are.

    Args:
        source: The JSON: ``images``, ``annotations``, ``categories``.
        image_folder: The photographs; None = where COCO has them (``../SPLIT``, ``../images/SPLIT``,
            ``../images``, beside the JSON).
        things: The names of the categories that are things, the others are stuff; None = all.
        classes: A class file instead of the JSON's categories; ids must be the JSON's (and the stuff PNGs').
        stuff_folder: PNGs of stuff, named as the photographs, whose values are category ids; they lie under
            everything, and values of things in them are void.
        void: Values of the stuff PNGs that are no class.
        overlap: Who owns the pixels of two instances: the ``"small"`` one, the ``"first"`` or the ``"last"``
            in the file; of equal ones the first.
        split: The split's name; None = the JSON's, without ``instances_``.

    Raises:
        FileNotFoundError: If a file or folder is missing.
        ValueError: If the JSON or an option is not as it should be.
    """
    path = Path(source)
    content = read_json(path, "the instance annotations", _CURE)
    check_keys(content, ("images", "annotations", "categories"), str(path), _CURE)
    name = split or path.stem.removeprefix("instances_")
    table = _table(content, path, things, classes)
    by_image, notes = _group(content, table, path)
    names = [str(image.get("file_name", "")) for image in content["images"]]
    folder = _find_images(path, image_folder, name, names)
    stuff = None
    if stuff_folder is not None:
        stuff = require_folder(stuff_folder, "the stuff PNGs", "Name them by --stuff-folder.")
        if table.num_stuff == 0:
            msg = (
                f"Expected stuff classes for {stuff}, got none. Give a class file by --classes that has them."
            )
            raise ValueError(msg)
    items = []
    for image in content["images"]:
        missing = [key for key in ("id", "file_name", "width", "height") if key not in image]
        if missing:
            msg = f"Expected each image of {path} to have {show(missing)}, got {image}. {_CURE}"
            raise ValueError(msg)
        file_name = str(image["file_name"])
        sources = () if stuff is None else (stuff / (id_of(file_name) + ".png"),)
        rows = by_image.get(image["id"], [])
        items.append(
            Item(image["id"], folder / file_name, file_name, map_name(file_name), sources, (image, rows))
        )
    numbers = tuple(int(value) for value in void)
    options = {"overlap": overlap, "void": sorted(numbers), "stuff": str(stuff.resolve()) if stuff else None}
    reader = CocoReader(table, overlap, numbers)
    return Plan(
        "coco-instances", path, options, table, reader, (SplitPlan(name, items, (path,)),), tuple(notes)
    )


def _table(
    content: Mapping[str, Any], path: Path, things: Sequence[str] | None, classes: str | Path | None
) -> CategoryTable:
    if classes is not None:
        table = read_classes(classes)
        if things is not None:
            msg = f"Expected --things or --classes, got both; {classes} says which classes are things."
            raise ValueError(msg)
        return table
    rows = content["categories"]
    broken = [row for row in rows if not isinstance(row, Mapping) or "id" not in row or "name" not in row]
    if broken or not rows:
        found = show(broken or ["none"], 1)
        msg = f"Expected the categories of {path} to have id and name, got {found}. {_CURE}"
        raise ValueError(msg)
    ids = {str(row["name"]): row["id"] for row in rows}
    if len(ids) < len(rows):
        twice = [name for name, count in Counter(str(row["name"]) for row in rows).items() if count > 1]
        msg = f"Expected each category of {path} to have its own name, got {show(twice)} more than once."
        raise ValueError(msg)
    colors = {str(row["name"]): row["color"] for row in rows if isinstance(row.get("color"), list)}
    table = classes_from_names(
        ids, ["*"] if things is None else things, where=path.name, ids=ids, colors=colors
    )
    assert ids_by_name(table) == ids
    return table


def _group(
    content: Mapping[str, Any], table: CategoryTable, path: Path
) -> tuple[dict[Any, list[dict[str, Any]]], list[str]]:
    """Put the annotations to their images, and check what can be checked before the work."""
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    listed = {image.get("id") for image in content["images"]}
    lost = []
    for row in content["annotations"]:
        missing = [key for key in ("id", "image_id", "category_id") if key not in row]
        if missing:
            msg = f"Expected each annotation of {path} to have {show(missing)}, got {show([row])}. {_CURE}"
            raise ValueError(msg)
        if row["category_id"] not in table.labels:
            msg = (
                f"Expected annotation {row['id']} of {path} to have a category of {table.name} "
                f"({show(table.category_ids)}), got {row['category_id']}. Add it to the categories."
            )
            raise ValueError(msg)
        if row["image_id"] in listed:
            by_image[row["image_id"]].append(row)
        else:
            lost.append(row["id"])
    notes = (
        [f"{len(lost)} annotations are of images that {path.name} does not list: {show(lost)}"]
        if lost
        else []
    )
    return dict(by_image), notes


def _find_images(path: Path, given: str | Path | None, split: str, names: Sequence[str]) -> Path:
    root = path.parent.parent
    places = [root / split, root / "images" / split, root / "images", path.parent / "images", path.parent]
    if given is not None:
        places = [require_folder(given, "the photographs", "Name their folder by --image-folder.")]
    for place in places:
        if any((place / name).is_file() for name in names if name):
            return place
    tried = ", ".join(str(place) for place in places)
    first = names[0] if names else "any image"
    msg = (
        f"Expected the images of {path}, such as {first}, in one of {tried}, got none: "
        f"{describe_place(places[0])}. Name the folder of the photographs by --image-folder."
    )
    raise FileNotFoundError(msg)
