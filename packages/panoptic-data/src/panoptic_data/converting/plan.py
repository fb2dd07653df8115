"""What a converter hands to the writer: the images of each split, and a function that reads one of them."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panoptic_core.categories import CategoryTable
from panoptic_core.files import color_ids
from panoptic_data.checks import describe_place, show


@dataclass(frozen=True)
class Item:
    """One image to convert.

    Attributes:
        image_id: Its id in the new data set.
        image: The photograph.
        image_name: Its name below the split's image folder, with ``/``.
        map_name: The name of its panoptic PNG below the split's folder of maps.
        sources: Files that only this image is made of; if one changes, the image is converted again.
        content: What the reader needs beside them; it is sent to another process.
        problem: Why it cannot be converted, if that is known already: it fails, the others do not.
    """

    image_id: int | str
    image: Path
    image_name: str
    map_name: str
    sources: tuple[Path, ...] = ()
    content: Any = None
    problem: str = ""


@dataclass(frozen=True)
class Segments:
    """What a reader returns: a map, and a row for each of its segments.

    Attributes:
        id_map: ``(H, W)`` int32 segment ids; 0 is void.
        ids: The id of each segment.
        category_ids: Its category.
        iscrowd: Whether it is a crowd.
        notes: What was decided or left out on the way, for people.
    """

    id_map: NDArray[np.int32]
    ids: Sequence[int]
    category_ids: Sequence[int]
    iscrowd: Sequence[bool]
    notes: tuple[str, ...] = ()

    @classmethod
    def from_rows(
        cls,
        rows: NDArray[np.integer],
        category_ids: Sequence[int],
        iscrowd: Sequence[bool],
        table: CategoryTable,
        notes: Iterable[str] = (),
    ) -> "Segments":
        """Make segments of a map of row numbers; the ids are colours near the class's own.

        Args:
            rows: ``(H, W)``: 0 is void, ``i + 1`` is row ``i``.
            category_ids: The category of each row.
            iscrowd: Whether each row is a crowd.
            table: The classes.
            notes: As the attribute.
        """
        labels = np.array([table.lookup(category_id) for category_id in category_ids], dtype=np.int64)
        ids = color_ids(labels, table)
        id_map = np.append(0, ids).astype(np.int32)[rows]
        return cls(id_map, ids.tolist(), list(category_ids), [bool(crowd) for crowd in iscrowd], tuple(notes))


@dataclass(frozen=True)
class SplitPlan:
    """One split of a data set.

    Attributes:
        name: Such as "val2017"; the names of the files follow.
        items: Its images, in the order of the JSON to be.
        sources: Files that all images are made of; if one changes, the work starts anew.
    """

    name: str
    items: Sequence[Item]
    sources: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All that is to be converted.

    Attributes:
        format: The name of the converter.
        source: Where the files are.
        options: What else decides the result; must go into a JSON.
        table: The classes.
        read: Reads one item, in a process of its own.
        splits: What to write.
        notes: What people should know before the work starts.
    """

    format: str
    source: Path
    options: Mapping[str, Any]
    table: CategoryTable
    read: Callable[[Item], Segments]
    splits: tuple[SplitPlan, ...]
    notes: tuple[str, ...] = field(default=())


def map_name(image_name: str) -> str:
    """Return the PNG's name that belongs to an image's name."""
    return PurePosixPath(image_name).with_suffix(".png").as_posix()


def id_of(image_name: str) -> str:
    """Return an image id for formats that have none: the name without its suffix."""
    return PurePosixPath(image_name).with_suffix("").as_posix()


def divide(names: Sequence[str], split: str, percent: float) -> dict[str, list[str]]:
    """Put a share of the images into a split "val" and the others into `split`.

    Where an image goes depends on its name alone: adding images later moves none of the others, so nothing
    that a network was trained on becomes validation. The share is therefore about `percent`; each split gets
    at least one image.

    Args:
        names: The images.
        split: The split of the others.
        percent: The share of "val"; 0: none.

    Returns:
        The names of each split, in their order.

    Raises:
        ValueError: If the percentage is not in ``[0, 100)``, `split` is "val" itself, or there is only one
            image to divide.
    """
    if not percent:
        return {split: list(names)}
    if not 0 < percent < 100 or split == "val" or len(names) < 2:
        msg = (
            "Expected --val to be a percentage in (0, 100) of at least two images that go into another split "
            f"than val, got --val {percent:g} of {len(names)} images of split '{split}'."
        )
        raise ValueError(msg)
    places = {name: zlib.crc32(name.encode()) / 2**32 * 100 for name in names}
    chosen = {name for name, place in places.items() if place < percent}
    chosen = chosen or {min(names, key=places.__getitem__)}
    if len(chosen) == len(names):
        chosen.discard(max(names, key=places.__getitem__))
    return {
        split: [name for name in names if name not in chosen],
        "val": [name for name in names if name in chosen],
    }


def divide_items(
    items: Sequence[Item],
    split: str,
    percent: float,
    *,
    subsets: Sequence[str] = (),
    sources: tuple[Path, ...] = (),
) -> tuple[SplitPlan, ...]:
    """Put each image into the split that its annotation names, the others as :func:`divide` does.

    Args:
        items: The images, in the order of the JSON to be.
        split: The split of images that name none.
        percent: The share of these that goes to "val".
        subsets: The split that each image names, ``""`` for none; empty if no format says so.
        sources: As :class:`SplitPlan` has them.

    Raises:
        FileNotFoundError: If no image can be converted; the message is the first one's problem.
        ValueError: As :func:`divide`.
    """
    if items and all(item.problem for item in items):
        raise FileNotFoundError(items[0].problem)
    named = subsets or [""] * len(items)
    free = [item.image_name for item, subset in zip(items, named, strict=True) if not subset]
    parts = divide(free, split, percent) if free else {}
    part_of = {name: part for part, names in parts.items() for name in names}
    groups: dict[str, list[Item]] = {part: [] for part in parts}
    for item, subset in zip(items, named, strict=True):
        groups.setdefault(subset or part_of[item.image_name], []).append(item)
    return tuple(SplitPlan(name, group, sources) for name, group in groups.items())


def check_splits(splits: Sequence[SplitPlan]) -> None:
    """Check that no split overwrites another one, or the folders that all of them share.

    Raises:
        ValueError: If two splits have one name, a name is no name of a folder, or as in :func:`check_items`.
    """
    names = [split.name for split in splits]
    for name in names:
        if name in ("", ".", "..", "annotations", "conversion") or "/" in name or "\\" in name:
            msg = f"Expected the name of a split to be that of a new folder, got {name!r}. Choose another."
            raise ValueError(msg)
        if names.count(name) > 1:
            msg = f"Expected each split to have its own name, got {show(names)}. Rename one of them."
            raise ValueError(msg)
    for split in splits:
        check_items(split)


def check_items(split: SplitPlan) -> None:
    """Check that the images of a split can stand beside each other in one folder and one JSON.

    Raises:
        ValueError: If there is none, an id or a name occurs twice, or a name leads out of the folder.
    """
    if not split.items:
        msg = f"Expected split '{split.name}' to have images, got none."
        raise ValueError(msg)
    for what in ("image_id", "image_name", "map_name"):
        seen: dict[Any, Item] = {}
        for item in split.items:
            value = getattr(item, what)
            if value in seen:
                msg = (
                    f"Expected each image of split '{split.name}' to have its own {what}, got {value!r} for "
                    f"both {seen[value].image} and {item.image}. Rename one of the files, or leave it out."
                )
                raise ValueError(msg)
            seen[value] = item
    for item in split.items:
        path = PurePosixPath(item.image_name)
        if path.is_absolute() or ".." in path.parts or "\\" in item.image_name:
            msg = (
                f"Expected the image names of split '{split.name}' to stay inside its folder, "
                f"got {item.image_name!r}. Write relative names without '..' and with '/'."
            )
            raise ValueError(msg)


def choose_splits(found: Sequence[str], wanted: Sequence[str] | None, place: Path) -> list[str]:
    """Return the splits to convert: those wanted, else all that were found.

    Raises:
        FileNotFoundError: If none was found.
        ValueError: If one that is wanted is not there.
    """
    if not found:
        msg = f"Expected a split in {place}, got none: {describe_place(place)}. Give the set's root folder."
        raise FileNotFoundError(msg)
    missing = [name for name in wanted or () if name not in found]
    if missing:
        msg = f"Expected --splits out of {show(found)} (they are in {place}), got {show(missing)}."
        raise ValueError(msg)
    return list(wanted or found)
