"""One's own label PNGs: a semantic map an image, perhaps a map of instances beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_data.checks import describe_place, show
from panoptic_data.converting.classes import parse_color, read_classes
from panoptic_data.converting.files import find_values, list_images, read_labels
from panoptic_data.converting.plan import (
    Item,
    Plan,
    Segments,
    SplitPlan,
    choose_splits,
    divide_items,
    id_of,
    map_name,
)

Lonely = Literal["crowd", "components", "void"]
"""What thing pixels without an instance become."""

_SUFFIXES = ("", "_mask", "_masks", "_label", "_labels", "_seg", "_instance", "_instances")


@dataclass(frozen=True)
class MaskReader:
    """Reads the label maps of one image.

    Attributes:
        table: The classes.
        values: The category id of each value of the semantic maps (for RGB maps R + 256 G + 65536 B, and
            `rgb_values` is used).
        rgb_values: The same for RGB maps.
        void: Values that are no class, and `rgb_void` the same for RGB maps.
        rgb_void: See `void`.
        lonely: What thing pixels without an instance become.
    """

    table: CategoryTable
    values: Mapping[int, int]
    rgb_values: Mapping[int, int]
    void: tuple[int, ...]
    rgb_void: tuple[int, ...]
    lonely: Lonely

    def __call__(self, item: Item) -> Segments:
        """Join the maps: stuff is one segment a class, a thing one segment an instance."""
        semantic, is_rgb = read_labels(item.sources[0])
        labels = self._labels(semantic, is_rgb, item.sources[0])
        instances = None
        if len(item.sources) > 1:
            instances, _ = read_labels(item.sources[1])
            if instances.shape != labels.shape:
                msg = (
                    f"Expected {item.sources[1]} to have the size of {item.sources[0]}, got "
                    f"{instances.shape} and {labels.shape} (height, width)."
                )
                raise ValueError(msg)
        return self._segments(labels, instances)

    def _labels(self, semantic: NDArray[np.int64], is_rgb: bool, path: Path) -> NDArray[np.int64]:
        """Turn values into labels of the table; -1 is void."""
        values = self.rgb_values if is_rgb else self.values
        if is_rgb and len(values) < len(self.table):
            msg = (
                f"Expected each class of {self.table.name} to have its own colour, because {path} is an RGB "
                f"picture, got {len(values)} colours of {len(self.table)} classes. Give column `color`."
            )
            raise ValueError(msg)
        void = self.rgb_void if is_rgb else self.void
        found, place = find_values(semantic)
        unknown = [value for value in found.tolist() if value not in values and value not in void]
        if unknown:
            named = show([_as_color(value) for value in unknown] if is_rgb else unknown)
            is_grey = is_rgb and not (found % 0x010101).any()
            hint = " If these greys are ids, save one channel." if is_grey else ""
            msg = (
                f"Expected the values of {path} to be classes ({self.table.name}) or void, got {named}. "
                f"Add them to the class file, or say that they are no class: --void VALUE ...{hint}"
            )
            raise ValueError(msg)
        labels = np.array(
            [self.table.lookup(values[value]) if value in values else -1 for value in found.tolist()],
            dtype=np.int64,
        )
        return labels[place]

    def _segments(self, labels: NDArray[np.int64], instances: NDArray[np.int64] | None) -> Segments:
        is_thing = (labels >= 0) & (labels < self.table.num_things)
        # A pixel's part inside its class: 0 for stuff, else the place of its instance's number, from 1.
        parts = np.zeros(labels.shape, dtype=np.int64)
        if instances is not None:
            found, parts = find_values(np.where(is_thing, instances, 0))
            parts += found[0] != 0
        rest = is_thing & (parts == 0)
        lonely = np.unique(labels[rest]).tolist()
        if self.lonely == "components":
            top = parts.max()
            for label in lonely:
                mask = rest & (labels == label)
                _, regions = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
                parts[mask] = top + regions[mask]
        stride = int(parts.max()) + 2  # the last part of a class is its crowd
        if self.lonely == "crowd":
            parts[rest] = stride - 1
        notes = []
        if lonely and (instances is not None or self.lonely != "components"):
            what = {"components": "connected regions", "crowd": "a crowd", "void": "void"}[self.lonely]
            counts = np.bincount(labels[rest])
            notes = [
                f"{counts[i]} pixels of '{self.table.names[i]}' have no instance and became {what}"
                for i in lonely
            ]
        if self.lonely == "void":
            labels = np.where(rest, -1, labels)
        keys, place = find_values(np.where(labels >= 0, labels * stride + parts + 1, 0))
        known = keys[keys > 0] - 1
        rows = place + (keys[0] != 0)
        category_ids = [self.table.category_ids[label] for label in (known // stride).tolist()]
        return Segments.from_rows(
            rows, category_ids, (known % stride == stride - 1).tolist(), self.table, notes
        )


def plan_masks(
    source: str | Path,
    classes: str | Path,
    *,
    image_folder: str = "images",
    mask_folder: str = "masks",
    instance_folder: str = "instances",
    void: Sequence[str] = ("255",),
    lonely: Lonely | None = None,
    split: str = "train",
    val: float = 0.0,
    splits: Sequence[str] | None = None,
) -> Plan:
    """Plan the conversion of label PNGs.

    Args:
        source: The folder with the folders of images, masks and perhaps instances; or a folder of splits,
            each of which has them.
        classes: The class file; its ids are the values in the masks, its colours those of RGB masks.
        image_folder: Name of the folder of photographs.
        mask_folder: Name of the folder of semantic maps. A map has its photograph's name, perhaps followed
            by ``_mask``, ``_label`` or ``_seg``.
        instance_folder: Name of the folder of instance maps: another value, another instance of the pixel's
            class; 0 is none. It need not exist.
        void: Values (``255``) and colours (``#000000``) that are no class.
        lonely: What thing pixels without an instance become; None = connected regions if there are no
            instance maps, crowds if there are.
        split: The split's name, if the source is not a folder of splits.
        val: How many percent go to a split "val" instead.
        splits: Which splits to convert, if the source is a folder of splits.

    Raises:
        FileNotFoundError: If a folder or every mask is missing.
        ValueError: If an option or the class file is not as it should be.
    """
    root, table = Path(source), read_classes(classes)
    folders = (image_folder, mask_folder, instance_folder)
    reader_values = _values(table, void)
    if (root / image_folder).is_dir():
        groups = {"": root}
    else:
        found = sorted(path.parent.name for path in root.glob(f"*/{image_folder}") if path.is_dir())
        if not found:
            msg = (
                f"Expected a folder '{image_folder}' of photographs in {root}, or folders of splits that "
                f"have one, got neither: {describe_place(root)}. Name it by --image-folder."
            )
            raise FileNotFoundError(msg)
        groups = {name: root / name for name in choose_splits(found, splits, root)}
    plans: list[SplitPlan] = []
    notes: list[str] = []
    has_instances = False
    if val and "" not in groups:
        msg = f"Expected no --val for a folder of splits ({show(groups)} in {root}), got {val:g}."
        raise ValueError(msg)
    for name, place in groups.items():
        items, lost = _items(place, folders)
        notes += lost
        has_instances |= (place / instance_folder).is_dir()
        plans += divide_items(items, name or split, val)
    chosen = lonely or ("crowd" if has_instances else "components")
    if not has_instances and table.num_things:
        notes.append(
            f"There are no instance maps ({instance_folder}/): each connected region of a thing class "
            "becomes one instance, and things that touch become one."
            if chosen == "components"
            else f"There are no instance maps ({instance_folder}/): things become {chosen}."
        )
    options = {"void": sorted(void), "no_instance": chosen, "val": val, "folders": list(folders)}
    reader = MaskReader(table, *reader_values, chosen)
    return Plan("masks", root, options, table, reader, tuple(plans), tuple(notes))


def _items(place: Path, folders: tuple[str, str, str]) -> tuple[list[Item], list[str]]:
    """Return the images of a split, and what else is there."""
    images = list_images(place / folders[0], "photographs", "Name their folder by --image-folder.")
    masks = _maps_by_id(place / folders[1], "semantic maps", "Name their folder by --mask-folder.")
    has_instances = (place / folders[2]).is_dir()
    instances = _maps_by_id(place / folders[2], "instance maps", "") if has_instances else {}
    items, used = [], set()
    for name in images:
        found = [_find(maps, name) for maps in ([masks, instances] if has_instances else [masks])]
        used |= set(found)
        problem = ""
        if None in found:
            folder = place / folders[1 + found.index(None)]
            problem = (
                f"Expected a map of {place / folders[0] / name} in {folder}, got none: "
                f"{describe_place(folder)}. A map has its photograph's name (0001.jpg: 0001.png or "
                "0001_mask.png). Add it, or take the photograph away."
            )
        sources = tuple(path for path in found if path is not None)
        image = place / folders[0] / name
        items.append(Item(id_of(name), image, name, map_name(name), sources, problem=problem))
    notes = []
    for root, maps in ((place / folders[1], masks), (place / folders[2], instances)):
        lonely = [path.relative_to(root).as_posix() for path in maps.values() if path not in used]
        if lonely:
            notes.append(f"{len(lonely)} maps in {root} have no photograph and are left out: {show(lonely)}")
    return items, notes


def _maps_by_id(folder: Path, what: str, cure: str) -> dict[str, Path]:
    return {id_of(name): folder / name for name in list_images(folder, what, cure)}


def _find(maps: Mapping[str, Path], image_name: str) -> Path | None:
    stem = id_of(image_name)
    return next((maps[stem + suffix] for suffix in _SUFFIXES if stem + suffix in maps), None)


def _values(
    table: CategoryTable, void: Sequence[str]
) -> tuple[dict[int, int], dict[int, int], tuple[int, ...], tuple[int, ...]]:
    """Return the classes of values and of colours, and which of both are void."""
    grey, colors = [], []
    for text in void:
        if text.isdigit():
            grey.append(int(text))
        else:
            colors.append(_pack(parse_color(text)))
    values = {category_id: category_id for category_id in table.category_ids}
    rgb = {_pack(c.color): c.category_id for c in table.categories}
    both = [value for value in grey if value in values]
    # The default 255 may be somebody's class.
    if both and list(void) != ["255"]:
        msg = f"Expected --void values that are no class, got {show(both)}, which {table.name} lists."
        raise ValueError(msg)
    return values, rgb, tuple(grey), tuple(colors)


def _pack(color: Sequence[int]) -> int:
    return color[0] + 256 * color[1] + 65536 * color[2]


def _as_color(value: int) -> str:
    return f"#{value & 255:02x}{value >> 8 & 255:02x}{value >> 16:02x}"
