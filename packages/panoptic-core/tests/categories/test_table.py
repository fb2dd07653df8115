"""CategoryTable: label order, conversions both ways, and errors that name the table and the cure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptic_core.categories import Category, CategoryTable

CAR = Category(26, "car", True, (0, 0, 142))
DOG = Category(1, "dog", True, (9, 9, 9))
SKY = Category(23, "sky", False, (70, 130, 180))


def test_three_classes_by_hand() -> None:
    # Labels: car 0, dog 1 (things), sky 2 (stuff); the ids 26, 1, 23 are the data set's own.
    table = CategoryTable("three", (CAR, DOG, SKY))
    assert (table.num_things, table.num_stuff, table.num_classes, len(table)) == (2, 1, 3, 3)
    assert table.names == ("car", "dog", "sky")
    assert table.category_ids == (26, 1, 23)
    assert [table.lookup(i) for i in (26, 1, 23)] == [0, 1, 2]
    assert dict(table.labels) == {26: 0, 1: 1, 23: 2}
    assert table.is_thing.tolist() == [True, True, False]
    assert table.palette.dtype == np.uint8
    assert table.palette.tolist() == [[0, 0, 142], [9, 9, 9], [70, 130, 180]]
    assert table[2] is SKY


def test_from_json_moves_things_to_the_front_and_keeps_their_order() -> None:
    rows = [
        {"id": 7, "name": "road", "isthing": 0, "color": [128, 64, 128]},
        {"id": 26, "name": "car", "isthing": 1, "color": [0, 0, 142]},
        {"id": 8, "name": "sidewalk", "isthing": 0, "color": [244, 35, 232]},
        {"id": 24, "name": "person", "isthing": 1, "color": [220, 20, 60]},
    ]
    assert CategoryTable.from_json(rows).names == ("car", "person", "road", "sidewalk")


def test_colors_are_made_where_the_json_has_none() -> None:
    rows = [{"id": i, "name": str(i), "isthing": 1} for i in range(40)]
    first, again = CategoryTable.from_json(rows), CategoryTable.from_json(reversed(rows))
    assert len({c.color for c in first.categories}) == 40
    assert {c.category_id: c.color for c in first.categories} == {
        c.category_id: c.color for c in again.categories
    }


categories = st.builds(
    Category,
    category_id=st.integers(0, 2**24),
    name=st.text(min_size=1, max_size=8),
    is_thing=st.booleans(),
    color=st.tuples(*[st.integers(0, 255)] * 3),
)


@given(st.lists(categories, min_size=1, max_size=20, unique_by=lambda c: c.category_id))
def test_json_and_metainfo_round_trip(rows: list[Category]) -> None:
    table = CategoryTable("t", tuple(sorted(rows, key=lambda c: not c.is_thing)))
    assert CategoryTable.from_json(table.to_json(), name="t") == table
    assert CategoryTable.from_metainfo(table.to_metainfo()) == table
    assert [table.lookup(c.category_id) for c in table.categories] == list(range(len(table)))


def test_metainfo_is_plain_python() -> None:
    def leaves(value: object) -> set[type]:
        if isinstance(value, dict):
            return set().union(*(leaves(v) for v in value.values()))
        if isinstance(value, list | tuple):
            return set().union(*(leaves(v) for v in value))
        return {type(value)}

    assert leaves(CategoryTable("three", (CAR, DOG, SKY)).to_metainfo()) == {int, str}


def test_arrays_are_read_only() -> None:
    table = CategoryTable("three", (CAR, DOG, SKY))
    with pytest.raises(ValueError, match="read-only"):
        table.palette[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        table.is_thing[0] = False


def test_unknown_category_names_table_and_cure() -> None:
    with pytest.raises(ValueError, match=r"table 'three' \(3 classes: 26, 1, 23\), got 99.*Use the table"):
        CategoryTable("three", (CAR, DOG, SKY)).lookup(99)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "at least one category"),
        ((SKY, CAR), "got stuff 'sky' before a thing"),
        ((CAR, Category(26, "cart", True, (0, 0, 0))), "got 26 for both 'car' and 'cart'"),
        ((Category(-1, "plate", True, (0, 0, 0)),), "integer >= 0, got -1"),
        ((Category(True, "plate", True, (0, 0, 0)),), "integer >= 0, got True"),
        ((Category(1, "red", True, (256, 0, 0)),), r"RGB in \[0, 255\], got \(256, 0, 0\)"),
    ],
    ids=["empty", "stuff first", "duplicate id", "negative id", "bool id", "color"],
)
def test_rejects_bad_tables(rows: tuple[Category, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CategoryTable("bad", rows)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 1, "name": "car"}, "got no isthing"),
        (
            {"id": 1, "name": "car", "isthing": "yes"},
            "`isthing` of category 1 of 'my set' to be 0 or 1, got 'yes'",
        ),
        ({"id": 1, "name": "car", "isthing": 1, "color": [1, 2]}, "RGB"),
    ],
    ids=["no isthing", "odd isthing", "short color"],
)
def test_rejects_bad_json(row: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CategoryTable.from_json([row], name="my set")


def test_rejects_bad_metainfo() -> None:
    meta = CategoryTable("three", (CAR, DOG, SKY)).to_metainfo()
    with pytest.raises(ValueError, match="got no palette"):
        CategoryTable.from_metainfo({k: v for k, v in meta.items() if k != "palette"})
    with pytest.raises(ValueError, match="3 classes, 3 colours, 1 ids"):
        CategoryTable.from_metainfo(meta | {"category_ids": (1,)})
