"""Faults of native Cityscapes files, each planted alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panoptic_data.checking import check_splits
from panoptic_data.splits import find_splits

# sky, road, a car, a group of persons, unlabelled
MAP = [[23, 23, 23, 23], [7, 26001, 26001, 24], [0, 26001, 7, 24]]
OTHER = [[23, 23], [7, 33000]]
CLEAN = {"ulm_000000_000019": MAP, "ulm_000001_000019": OTHER}
INSTANCES = "gtFine/val/ulm/ulm_000001_000019_gtFine_instanceIds.png"
Write = Callable[..., Path]


def findings(root: Path) -> list[tuple[str, str, str, Any]]:
    kept = check_splits(find_splits(root)).log.kept
    return [(one.rule.name, one.file, one.what, one.image) for one in kept]


def test_clean_files_are_clean(native: Write) -> None:
    root = native(CLEAN)
    checkup = check_splits(find_splits(root))
    assert checkup.log.kept == []
    assert (checkup.splits[0].num_images, checkup.splits[0].num_segments) == (2, 4 + 3)


def test_missing_map_and_missing_image(native: Write) -> None:
    root = native(CLEAN)
    (root / INSTANCES).unlink()
    image = root / "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png"
    image.unlink()
    assert [(rule, file) for rule, file, *_ in findings(root)] == [
        ("image-missing", "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png"),
        ("map-missing", INSTANCES),
    ]


@pytest.mark.parametrize(
    ("rows", "rule", "what"),
    [
        ([[23, 23], [7, 255]], "cityscapes-id", "ids 255"),
        ([[23, 23], [7001, 33000]], "cityscapes-stuff-instance", "ids 7001"),
        ([[0, 0], [4, 4]], "map-void", "all ids are of ignored classes: 0, 4"),
    ],
)
def test_maps(native: Write, rows: list[list[int]], rule: str, what: str) -> None:
    root = native(CLEAN | {"ulm_000001_000019": rows})
    assert findings(root) == [(rule, INSTANCES, what, "ulm_000001_000019")]


def test_size(native: Write) -> None:
    [(rule, file, what, _)] = findings(native(CLEAN, sizes={"ulm_000001_000019": (4, 4)}))
    assert (rule, file, what) == (
        "image-map-size",
        INSTANCES,
        "the map is 2x2, the image 4x4 (height x width)",
    )


def test_labels_disagree(native: Write) -> None:
    [(rule, file, what, _)] = findings(native(CLEAN, labels={"ulm_000001_000019": [[23, 8], [8, 33]]}))
    assert rule == "cityscapes-labels"
    assert file == INSTANCES.replace("instanceIds", "labelIds")
    assert what == "2 pixels differ, the first at row 0, column 1: label id 8, instance id 23"


def test_labels_of_another_size(native: Write) -> None:
    [(rule, _, what, _)] = findings(native(CLEAN, labels={"ulm_000001_000019": [[23]]}))
    assert (rule, what) == ("cityscapes-labels", "labelIds are 1x1, instanceIds 2x2 (height x width)")


def test_labels_saved_as_instances(native: Write) -> None:
    plain = {
        stem: np.where(np.array(rows) < 1000, rows, np.array(rows) // 1000) for stem, rows in CLEAN.items()
    }
    [(rule, file, what, _)] = findings(native(plain))
    assert (rule, file) == ("cityscapes-no-instances", "gtFine/val")
    assert what == "things are in 2 maps of split val, no id is >= 1000"


def test_wrong_kinds_of_files(native: Write) -> None:
    root = native(CLEAN)
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(root / INSTANCES)
    [(rule, _, what, _)] = findings(root)
    assert (rule, what) == ("map-encoding", "it has mode RGB, not one grey channel of ids")
    (root / INSTANCES).write_bytes(b"no picture")
    [(rule, _, what, _)] = findings(root)
    assert (rule, what) == ("map-unreadable", "10 bytes that cannot be decoded: no image is recognised")
