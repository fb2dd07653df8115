"""Mapillary Vistas as downloaded: its own panoptic files, or its instance maps where these are missing.

The layouts (https://www.mapillary.com/dataset/vistas, the release's ``demo.py``): v1.2 has
``training/{images,labels,instances,panoptic}`` and ``config.json``; v2.0 has ``training/images`` and
``training/{v1.2,v2.0}/{labels,instances,panoptic}`` and ``config_{v1.2,v2.0}.json``. The panoptic JSON is
``panoptic_2018.json`` for the labels of v1.2 and ``panoptic_2020.json`` for those of v2.0. In an instance
map, a value is 256 * (index of the label in the config) + number of the instance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from panoptic_core.categories import VISTAS, CategoryTable
from panoptic_core.files import read_panoptic_json
from panoptic_data.checks import FolderIndex, describe_place, read_json, require_folder, show
from panoptic_data.converting.files import find_values, read_labels
from panoptic_data.converting.plan import Item, Plan, Segments, SplitPlan, choose_splits
from panoptic_data.datasets.vistas import unlabeled_ids
from panoptic_data.transforms.read import read_ids

_SPLITS = {"train": "training", "val": "validation"}
_JSONS = {"v1.2": "panoptic_2018.json", "v2.0": "panoptic_2020.json"}
_CURE = "Give the folder that holds training and validation."


@dataclass(frozen=True)
class PanopticReader:
    """Reads one map of the release's panoptic files, ids as they are.

    Attributes:
        void: Ids of categories that mean void.
    """

    void: frozenset[int] = frozenset()

    def __call__(self, item: Item) -> Segments:
        """Return map and segments."""
        id_map = read_ids(item.sources[0])
        rows: Sequence[Mapping[str, Any]] = item.content
        ids = [row["id"] for row in rows]
        unknown = np.setdiff1d(np.unique(id_map), [0, *ids])
        if unknown.size:
            msg = (
                f"Expected the ids of {item.sources[0]} to be segments of the panoptic JSON, got "
                f"{show(unknown.tolist())}. Download both again."
            )
            raise ValueError(msg)
        void = [row["id"] for row in rows if row["category_id"] in self.void]
        if void:
            id_map[np.isin(id_map, void)] = 0
            rows = [row for row in rows if row["id"] not in void]
            ids = [row["id"] for row in rows]
        crowds = [bool(row.get("iscrowd", 0)) for row in rows]
        return Segments(id_map, ids, [row["category_id"] for row in rows], crowds)


@dataclass(frozen=True)
class InstanceReader:
    """Reads one instance map.

    Attributes:
        table: The classes; the category id of a label is its index in the config plus 1.
        num_labels: How many labels the config has; those that the table lacks are void.
    """

    table: CategoryTable
    num_labels: int

    def __call__(self, item: Item) -> Segments:
        """Make one segment of each stuff class and of each instance."""
        values, is_rgb = read_labels(item.sources[0])
        found, place = find_values(values)
        labels = found // 256
        if is_rgb or labels.max() >= self.num_labels:
            msg = (
                f"Expected {item.sources[0]} to hold 256 * label + instance of {self.num_labels} labels, got "
                f"{'colours' if is_rgb else found.max()}. Is it the map of the other version of the labels?"
            )
            raise ValueError(msg)
        row_of: dict[tuple[int, int], int] = {}
        rows = np.zeros(found.size, dtype=np.int64)
        for index, (value, label) in enumerate(zip(found.tolist(), labels.tolist(), strict=True)):
            known = self.table.labels.get(label + 1)
            if known is not None:
                number = value % 256 if known < self.table.num_things else -1
                rows[index] = row_of.setdefault((label + 1, number), len(row_of) + 1)
        category_ids = [category_id for category_id, _ in row_of]
        crowds = [False] * len(category_ids)
        return Segments.from_rows(rows[place], category_ids, crowds, self.table)


def plan_vistas(
    source: str | Path, splits: Sequence[str] | None = None, *, version: str | None = None
) -> Plan:
    """Plan the conversion of Mapillary Vistas.

    The release's own panoptic files are taken where they are: segments keep their ids. Else segments come
    out of the instance maps. Only unlabelled pixels (and what the config does not evaluate) are void: car
    mount and ego vehicle are classes.

    Args:
        source: The folder that holds ``training`` and ``validation``.
        splits: "train", "val"; None = those that are there.
        version: The labels of "v1.2" or "v2.0"; None = v1.2 if they are there.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If a file is not as it should be.
    """
    root = require_folder(source, "Mapillary Vistas", _CURE)
    chosen = choose_splits([n for n, folder in _SPLITS.items() if (root / folder).is_dir()], splits, root)
    first = root / _SPLITS[chosen[0]]
    version = version or next((v for v in _JSONS if (first / v).is_dir()), "v1.2")
    places = [_place(root / _SPLITS[name], version) for name in chosen]
    has_json = [(place / "panoptic" / _JSONS[version]).is_file() for place in places]
    if all(has_json):
        table, void, plans = _panoptic_plans(root, chosen, places, version)
        return Plan("vistas", root, {"labels": version}, table, PanopticReader(void), tuple(plans))
    table, num_labels = _config(root, version)
    reader = InstanceReader(table, num_labels)
    plans = [
        SplitPlan(name, _instance_items(root / _SPLITS[name], place))
        for name, place in zip(chosen, places, strict=True)
    ]
    note = f"There is no {_JSONS[version]} in every split: segments come out of the instance maps."
    options = {"labels": version, "from": "instances"}
    return Plan("vistas", root, options, table, reader, tuple(plans), (note,))


def _place(folder: Path, version: str) -> Path:
    """Return where a split's labels of a version are: a folder of that name, or (v1.2) the split's itself."""
    if (folder / version).is_dir():
        return folder / version
    if version == "v1.2" and ((folder / "instances").is_dir() or (folder / "panoptic").is_dir()):
        return folder
    msg = f"Expected Vistas' labels of {version} in {folder}, got none: {describe_place(folder)}. {_CURE}"
    raise FileNotFoundError(msg)


def _panoptic_plans(
    root: Path, chosen: Sequence[str], places: Sequence[Path], version: str
) -> tuple[CategoryTable, frozenset[int], list[SplitPlan]]:
    """Return the classes, the ids of categories that mean void, and the splits."""
    plans: list[SplitPlan] = []
    table: CategoryTable | None = None
    for name, place in zip(chosen, places, strict=True):
        path = place / "panoptic" / _JSONS[version]
        content = read_panoptic_json(path)
        void = unlabeled_ids(content.categories)
        rows = [row for row in content.categories if row.get("id") not in void]
        found = replace(content, categories=rows).table
        if table is not None and found != table:
            msg = (
                f"Expected {path} to have the classes of split '{chosen[0]}', got others. Download it again."
            )
            raise ValueError(msg)
        table = found
        images = require_folder(root / _SPLITS[name] / "images", "Vistas' images", _CURE)
        files = {image.get("id"): str(image.get("file_name")) for image in content.images}
        items = [
            Item(
                row["image_id"],
                images / files.get(row["image_id"], f"{row['image_id']}.jpg"),
                files.get(row["image_id"], f"{row['image_id']}.jpg"),
                row["file_name"],
                (path.parent / row["file_name"],),
                row["segments_info"],
            )
            for row in content.annotations
        ]
        plans.append(SplitPlan(name, items, (path,)))
    assert table is not None
    return table, void, plans


def _instance_items(folder: Path, place: Path) -> list[Item]:
    images = FolderIndex(require_folder(folder / "images", "Vistas' images", _CURE))
    maps = FolderIndex(require_folder(place / "instances", "Vistas' instance maps", _CURE))
    names = sorted(name for name in images.names() if name.endswith(".jpg"))
    stems = [name.removesuffix(".jpg") for name in names]
    maps.require([f"{stem}.png" for stem in stems], "the instance maps", "Unpack the release again.")
    return [
        Item(stem, images.root / f"{stem}.jpg", f"{stem}.jpg", f"{stem}.png", (maps.root / f"{stem}.png",))
        for stem in stems
    ]


def _config(root: Path, version: str) -> tuple[CategoryTable, int]:
    """Return the evaluated classes of the release's config, and how many labels it has in all."""
    names = [f"config_{version}.json", *(["config.json"] if version == "v1.2" else [])]
    path = next((root / name for name in names if (root / name).is_file()), root / names[0])
    labels = read_json(path, "Vistas' config", "Unpack the release again.").get("labels")
    keys = {"readable", "instances", "evaluate", "color"}
    if not isinstance(labels, list) or not all(
        isinstance(row, Mapping) and keys <= row.keys() for row in labels
    ):
        msg = f"Expected {path} to have `labels` with {', '.join(sorted(keys))}. Unpack the release again."
        raise ValueError(msg)
    rows = [
        {
            "id": index,
            "name": row["readable"],
            "isthing": int(bool(row["instances"])),
            "color": list(row["color"]),
        }
        for index, row in enumerate(labels, start=1)
        if row["evaluate"]
    ]
    table = CategoryTable.from_json(rows, name=f"Mapillary Vistas {version}")
    return (VISTAS if table.to_json() == VISTAS.to_json() else table), len(labels)
