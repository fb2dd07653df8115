"""The classes of a data set, things first: the one label order that every package shares.

A *category id* is the data set's own number (COCO: 1..200 with gaps, Cityscapes: 7..33). A *label* is the
row in this table: things take ``[0, num_things)``, stuff the rest. Labels never follow a JSON file's order.
"""

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_GOLDEN_RATIO = 0.618033988749895


@dataclass(frozen=True)
class Category:
    """One class of a data set.

    Attributes:
        category_id: The data set's own id, ``>= 0``.
        name: The class name that people read.
        is_thing: Whether the class has countable instances.
        color: RGB, each in ``[0, 255]``.
    """

    category_id: int
    name: str
    is_thing: bool
    color: tuple[int, int, int]


@dataclass(frozen=True)
class CategoryTable:
    """The classes of one data set in label order: things first, then stuff.

    Args:
        name: What the data set is called; errors show it.
        categories: All things, then all stuff; the index is the contiguous label.

    Raises:
        ValueError: If there is no category, stuff stands before a thing, an id occurs twice or is negative,
            or a colour is not three numbers in ``[0, 255]``.

    Example:
        >>> table = CategoryTable(
        ...     "two", (Category(7, "car", True, (0, 0, 142)), Category(3, "sky", False, (0, 9, 9)))
        ... )
        >>> table.lookup(3), table.num_things, table.names
        (1, 1, ('car', 'sky'))
    """

    name: str
    categories: tuple[Category, ...]

    def __post_init__(self) -> None:
        if not self.categories:
            msg = f"Expected table '{self.name}' to have at least one category, got none."
            raise ValueError(msg)
        flags = [category.is_thing for category in self.categories]
        if flags != sorted(flags, reverse=True):
            stuff = self.categories[flags.index(False)].name
            msg = (
                f"Expected the things of table '{self.name}' before its stuff, "
                f"got stuff '{stuff}' before a thing. Sort the categories, or build the table with "
                "`CategoryTable.from_json`, which does it."
            )
            raise ValueError(msg)
        seen: dict[int, str] = {}
        for category in self.categories:
            _check_category(category, self.name)
            if category.category_id in seen:
                msg = (
                    f"Expected unique category ids in table '{self.name}', got {category.category_id} "
                    f"for both '{seen[category.category_id]}' and '{category.name}'. Give each class its own "
                    "id."
                )
                raise ValueError(msg)
            seen[category.category_id] = category.name

    def __len__(self) -> int:
        return len(self.categories)

    def __getitem__(self, label: int) -> Category:
        return self.categories[label]

    @property
    def num_classes(self) -> int:
        """Number of things and stuff together, ``C``."""
        return len(self.categories)

    @cached_property
    def num_things(self) -> int:
        """Number of thing classes; labels below it are things."""
        return sum(category.is_thing for category in self.categories)

    @property
    def num_stuff(self) -> int:
        """Number of stuff classes."""
        return self.num_classes - self.num_things

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(category.name for category in self.categories)

    @cached_property
    def category_ids(self) -> tuple[int, ...]:
        """The data set's ids in label order."""
        return tuple(category.category_id for category in self.categories)

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """Colours in label order, ``(C, 3)`` RGB, read-only."""
        palette = np.array([category.color for category in self.categories], dtype=np.uint8)
        palette.setflags(write=False)
        return palette

    @cached_property
    def is_thing(self) -> NDArray[np.bool_]:
        """Whether each label is a thing, ``(C,)``, read-only."""
        flags = np.arange(self.num_classes) < self.num_things
        flags.setflags(write=False)
        return flags

    @cached_property
    def labels(self) -> Mapping[int, int]:
        """The label of each category id."""
        return {category_id: label for label, category_id in enumerate(self.category_ids)}

    def lookup(self, category_id: int) -> int:
        """Return the label of a category id.

        Raises:
            ValueError: If the id is not in this table.
        """
        label = self.labels.get(category_id)
        if label is None:
            ids = self.category_ids
            shown = ", ".join(map(str, ids[:12])) + (", ..." if len(ids) > 12 else "")
            msg = (
                f"Expected a category id of table '{self.name}' ({len(ids)} classes: {shown}), "
                f"got {category_id}. Use the table that the files were made with, or add the category to it."
            )
            raise ValueError(msg)
        return label

    @classmethod
    def from_json(cls, categories: Iterable[Mapping[str, Any]], *, name: str = "custom") -> Self:
        """Build a table from the ``categories`` list of a COCO-panoptic JSON.

        The order inside things and inside stuff is kept; things move to the front. A category without a
        ``color`` gets one that depends on its id alone.

        Args:
            categories: Dicts with ``id``, ``name``, ``isthing`` (0 or 1) and perhaps ``color``.
            name: What to call the table in errors.

        Raises:
            ValueError: If a key is missing, or the categories do not make a table.
        """
        rows = [_category_from_json(row, name) for row in categories]
        return cls(name, tuple(sorted(rows, key=lambda category: not category.is_thing)))

    def to_json(self) -> list[dict[str, Any]]:
        """Return the ``categories`` list of a COCO-panoptic JSON, in label order."""
        return [
            {"id": c.category_id, "name": c.name, "isthing": int(c.is_thing), "color": list(c.color)}
            for c in self.categories
        ]

    def to_metainfo(self) -> dict[str, Any]:
        """Return what a data set and a checkpoint carry: plain Python values only.

        Returns:
            ``dataset_name`` (str), ``classes`` (tuple of str), ``palette`` (list of RGB tuples),
            ``num_things`` (int), ``category_ids`` (tuple of int).
        """
        return {
            "dataset_name": self.name,
            "classes": self.names,
            "palette": [category.color for category in self.categories],
            "num_things": self.num_things,
            "category_ids": self.category_ids,
        }

    @classmethod
    def from_metainfo(cls, meta: Mapping[str, Any]) -> Self:
        """Rebuild the table from :meth:`to_metainfo`; inverse of it.

        Raises:
            ValueError: If a key is missing or the lists differ in length.
        """
        missing = [key for key in ("classes", "palette", "num_things", "category_ids") if key not in meta]
        if missing:
            msg = (
                "Expected `meta` to hold classes, palette, num_things and category_ids, "
                f"got no {', '.join(missing)}. Take it from `CategoryTable.to_metainfo()` or from a "
                "checkpoint that this project wrote."
            )
            raise ValueError(msg)
        names, palette, ids = meta["classes"], meta["palette"], meta["category_ids"]
        if not len(names) == len(palette) == len(ids):
            msg = (
                "Expected `meta` to hold as many classes as colours and ids, "
                f"got {len(names)} classes, {len(palette)} colours, {len(ids)} ids."
            )
            raise ValueError(msg)
        rows = zip(names, palette, ids, strict=True)
        return cls(
            str(meta.get("dataset_name", "checkpoint")),
            tuple(
                Category(int(category_id), str(name), label < int(meta["num_things"]), _color(color))
                for label, (name, color, category_id) in enumerate(rows)
            ),
        )


def _category_from_json(row: Mapping[str, Any], table: str) -> Category:
    missing = [key for key in ("id", "name", "isthing") if key not in row]
    if missing:
        msg = (
            f"Expected each category of '{table}' to have id, name and isthing, "
            f"got no {', '.join(missing)} in {row!r}. Write isthing = 1 for countable objects and 0 for "
            "stuff."
        )
        raise ValueError(msg)
    if row["isthing"] not in (0, 1):
        msg = f"Expected `isthing` of category {row['id']} of '{table}' to be 0 or 1, got {row['isthing']!r}."
        raise ValueError(msg)
    color = row.get("color")
    return Category(
        row["id"],
        str(row["name"]),
        bool(row["isthing"]),
        _color(color) if color else _generated_color(row["id"]),
    )


def _check_category(category: Category, table: str) -> None:
    category_id, color = category.category_id, category.color
    if isinstance(category_id, bool) or not isinstance(category_id, int) or category_id < 0:
        msg = f"Expected the id of '{category.name}' of '{table}' to be an integer >= 0, got {category_id!r}."
        raise ValueError(msg)
    if len(color) != 3 or not all(0 <= value <= 255 for value in color):
        msg = f"Expected the colour of '{category.name}' of '{table}' to be RGB in [0, 255], got {color}."
        raise ValueError(msg)


def _color(values: Sequence[int]) -> tuple[int, int, int]:
    return tuple(int(value) for value in values)  # type: ignore[return-value]


def _generated_color(category_id: int) -> tuple[int, int, int]:
    """Return a colour that depends on the id alone; neighbours' hues are a golden ratio apart."""
    hue = (category_id * _GOLDEN_RATIO) % 1.0
    value = 0.95 if category_id % 2 else 0.7
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, value)
    return round(red * 255), round(green * 255), round(blue * 255)
