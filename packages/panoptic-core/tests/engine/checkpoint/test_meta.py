from typing import Any

import pytest

from panoptic_core.categories import CITYSCAPES
from panoptic_core.engine.checkpoint import CheckpointError, categories_of


def test_the_table_comes_back() -> None:
    checkpoint = {"meta": {"dataset_meta": CITYSCAPES.to_metainfo()}}
    assert categories_of(checkpoint, "a.pth") == CITYSCAPES


@pytest.mark.parametrize("checkpoint", [{}, {"meta": None}, {"meta": {"dataset_meta": {"classes": ("a",)}}}])
def test_checkpoints_without_a_table(checkpoint: dict[str, Any]) -> None:
    assert categories_of(checkpoint, "a.pth") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", ["x"] * 18 + [{"type": "os.system"}]),
        ("classes", ["\x1b[2J"] * 19),
        ("classes", "abc"),
        ("palette", [(0, 0, "0")] * 19),
        ("palette", [(0, 0, 300)] * 19),
        ("category_ids", [7] * 19),
        ("category_ids", [7]),
        ("num_things", "8"),
    ],
)
def test_anything_but_plain_lists_is_refused(key: str, value: object) -> None:
    meta = {**CITYSCAPES.to_metainfo(), key: value}
    with pytest.raises(CheckpointError, match=r"class names and colours in `a\.pth`"):
        categories_of({"meta": {"dataset_meta": meta}}, "a.pth")
