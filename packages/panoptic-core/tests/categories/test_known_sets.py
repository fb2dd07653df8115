"""The shipped tables against the facts that others publish."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from panoptic_core.categories import ADE20K, CITYSCAPES, COCO_PANOPTIC, KNOWN_TABLES, VISTAS


def test_coco_counts_and_corners() -> None:
    assert (COCO_PANOPTIC.num_things, COCO_PANOPTIC.num_stuff) == (80, 53)
    assert list(COCO_PANOPTIC.category_ids) == sorted(COCO_PANOPTIC.category_ids)
    assert [COCO_PANOPTIC[i].name for i in (0, 79, 80, 132)] == [
        "person",
        "toothbrush",
        "banner",
        "rug-merged",
    ]
    assert [COCO_PANOPTIC.category_ids[i] for i in (0, 79, 80, 132)] == [1, 90, 92, 200]
    assert COCO_PANOPTIC.lookup(149) == COCO_PANOPTIC.names.index("road") == 100


def test_vistas_counts_and_corners() -> None:
    assert (VISTAS.num_things, VISTAS.num_stuff) == (37, 28)
    assert sorted(VISTAS.category_ids) == list(range(1, 66))
    names = {category.category_id: category.name for category in VISTAS.categories}
    assert [names[i] for i in (1, 20, 28, 56, 65)] == ["Bird", "Person", "Sky", "Car", "Ego Vehicle"]


def test_ade20k_counts_and_corners() -> None:
    assert (ADE20K.num_things, ADE20K.num_stuff) == (100, 50)
    assert sorted(ADE20K.category_ids) == list(range(150))
    names = {category.category_id: category.name for category in ADE20K.categories}
    assert [names[i] for i in (0, 12, 20, 126, 149)] == ["wall", "person", "car", "animal", "flag"]


def test_names_are_unique_and_can_be_read() -> None:
    for table in KNOWN_TABLES:
        assert len(set(table.names)) == len(table)
        assert all(name == name.strip() and name for name in table.names)


@pytest.mark.parity
def test_cityscapes_agrees_with_its_own_scripts() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    official = {x.id: (x.name, x.hasInstances, x.color) for x in labels if not x.ignoreInEval}
    ours = {c.category_id: (c.name, c.is_thing, c.color) for c in CITYSCAPES.categories}
    assert ours == official
    assert (CITYSCAPES.num_things, CITYSCAPES.num_stuff) == (8, 11)


@pytest.mark.realdata
def test_coco_agrees_with_the_official_file() -> None:
    root = os.environ.get("PANOPTIC_DATA_ROOT")
    if not root:
        pytest.skip("PANOPTIC_DATA_ROOT is not set")
    path = Path(root) / "coco_mini" / "annotations" / "panoptic_val2017.json"
    rows = json.loads(path.read_text())["categories"]
    official = [(x["id"], x["name"], x["isthing"], x["color"]) for x in rows]
    assert [(x["id"], x["name"], x["isthing"], x["color"]) for x in COCO_PANOPTIC.to_json()] == official


def test_coco_table_is_not_edited_by_accident() -> None:
    # The digest of the table that the test above held against the official file.
    text = json.dumps(COCO_PANOPTIC.to_json(), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "ee7864e693fe97a8"
