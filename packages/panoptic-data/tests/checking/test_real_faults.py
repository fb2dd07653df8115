"""Faults planted in COCO's own files: these are clean, then each fault is found and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panoptic_core.files import read_panoptic_png, write_panoptic_png
from panoptic_data.checking import check_splits
from panoptic_data.splits import find_splits

Row = dict[str, Any]


class Copy:
    """The validation images of a COCO set, whose JSON and maps can be changed; images are links."""

    def __init__(self, source: Path, root: Path) -> None:
        self.content = json.loads((source / "annotations/panoptic_val2017.json").read_text())
        self.root = root
        self.images, self.maps = root / "val2017", root / "annotations/panoptic_val2017"
        for folder in (self.images, self.maps):
            folder.mkdir(parents=True)
        for name in (row["file_name"] for row in self.content["images"]):
            (self.images / name).symlink_to(source / "val2017" / name)
        for name in (row["file_name"] for row in self.content["annotations"]):
            (self.maps / name).write_bytes((source / "annotations/panoptic_val2017" / name).read_bytes())
        flags = {row["id"]: row["isthing"] for row in self.content["categories"]}
        rows = self.content["annotations"][0]["segments_info"]
        self.thing = next(row for row in rows if flags[row["category_id"]] and not row["iscrowd"])
        self.stuff = next(row for row in rows if not flags[row["category_id"]])
        self.map = self.maps / self.content["annotations"][0]["file_name"]
        self.image = next(
            row for row in self.content["images"] if row["id"] == self.content["annotations"][0]["image_id"]
        )

    def draw(self, change: Callable[[Any], Any]) -> None:
        """Write the first map anew."""
        write_panoptic_png(self.map, change(np.array(read_panoptic_png(self.map))))

    def rules(self) -> set[str]:
        """Check, and return the rules that were broken; few images have not all classes."""
        (self.root / "annotations/panoptic_val2017.json").write_text(json.dumps(self.content))
        return set(check_splits(find_splits(self.root), workers=1).log.by_rule) - {"class-unseen"}


def _split_stuff(one: Copy) -> None:
    rows = one.content["annotations"][0]["segments_info"]
    y, x = np.argwhere(read_panoptic_png(one.map) == one.stuff["id"])[0].tolist()
    free = max(row["id"] for row in rows) + 1
    rows.append({**one.stuff, "id": free, "area": 1, "bbox": [x, y, 1, 1]})
    left = np.array(read_panoptic_png(one.map))
    left[y, x] = free
    ys, xs = np.nonzero(left == one.stuff["id"])
    one.stuff["area"] -= 1
    one.stuff["bbox"] = [int(v) for v in (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)]
    one.draw(lambda _: left)


FAULTS: dict[str, Callable[[Copy], object]] = {
    "area-wrong": lambda one: one.thing.update(area=one.thing["area"] + 1),
    "area-absent": lambda one: one.thing.pop("area"),
    "box-wrong": lambda one: one.thing.update(bbox=[0, 0, 1, 1]),
    "box-absent": lambda one: one.thing.pop("bbox"),
    "category-unknown": lambda one: one.thing.update(category_id=12),  # COCO has no 12
    "crowd-on-stuff": lambda one: one.stuff.update(iscrowd=1),
    "crowd-absent": lambda one: one.thing.pop("iscrowd"),
    "isthing-differs": lambda one: one.content["categories"][20].update(isthing=0),  # elephants: none here
    "isthing-absent": lambda one: one.content["categories"][20].pop("isthing"),
    "category-twice": lambda one: one.content["categories"].append(one.content["categories"][0]),
    "image-map-size": lambda one: one.draw(lambda ids: np.pad(ids, ((0, 0), (0, 1)))),
    "size-differs": lambda one: one.image.update(width=one.image["height"], height=one.image["width"]),
    "size-absent": lambda one: one.image.pop("width"),
    "image-missing": lambda one: (one.images / one.image["file_name"]).unlink(),
    "image-id-twice": lambda one: one.content["images"].append(dict(one.image)),
    "map-missing": lambda one: one.map.unlink(),
    "map-unreadable": lambda one: one.map.write_bytes(one.map.read_bytes()[:5000]),
    "map-bgr": lambda one: one.draw(lambda ids: (ids >> 16) | (ids & 0xFF00) | ((ids & 0xFF) << 16)),
    "annotation-twice": lambda one: one.content["annotations"].append(one.content["annotations"][0]),
    "annotation-unknown-image": lambda one: one.content["images"].remove(one.image),
    "id-unlisted": lambda one: one.draw(lambda ids: np.where(ids == 0, 77, ids)),
    "segment-twice": lambda one: one.content["annotations"][0]["segments_info"].append(dict(one.thing)),
    "segment-no-pixel": lambda one: one.content["annotations"][0]["segments_info"].append(
        {**one.thing, "id": 77}
    ),
    "stuff-split": _split_stuff,
}


@pytest.fixture
def copy(real_data: Path, tmp_path: Path) -> Copy:
    return Copy(real_data / "coco_mini", tmp_path / "set")


@pytest.mark.realdata
def test_clean(copy: Copy) -> None:
    assert copy.rules() == set()


@pytest.mark.realdata
@pytest.mark.parametrize("rule", FAULTS)
def test_fault(copy: Copy, rule: str) -> None:
    FAULTS[rule](copy)
    # An image that nobody names any more is a file that nobody uses.
    beside = {"file-unused"} if rule == "annotation-unknown-image" else set()
    assert copy.rules() == {rule} | beside
